package graph

import (
	"math"
	"strings"
)

// A Builder adds nodes in order; each method returns the new node's number.
// Mistakes in an architecture are programming errors: Verify finds them.
type Builder struct {
	g Graph
	// ConvInit, LinearInit give a weight's first values from its fans, in values
	// a unit: fan-in and fan-out as torch.nn.init computes them.
	ConvInit   func(fanIn, fanOut int) Init
	LinearInit func(fanIn, fanOut int) Init
	// BiasInit gives a bias's first values from the fan-in of its layer.
	BiasInit func(fanIn int) Init
	// NormEps and NormDecay are BatchNorm's epsilon and momentum.
	NormEps, NormDecay float64
}

// NewBuilder starts a network on pictures of the given size.
func NewBuilder(name string, input Shape) *Builder {
	b := &Builder{
		ConvInit:   KaimingUniform(math.Sqrt(5)),
		LinearInit: KaimingUniform(math.Sqrt(5)),
		BiasInit:   func(fanIn int) Init { return Init{Uniform, 1 / math.Sqrt(float64(fanIn))} },
		NormEps:    1e-5, NormDecay: 0.1,
	}
	b.g.Name = name
	b.add(Node{Op: Input, Name: "input", Out: input})
	return b
}

// KaimingUniform is torch.nn.init.kaiming_uniform_ with mode fan_in and the
// given negative slope; a slope of the square root of 5 is PyTorch's default
// for convolutions and linear layers.
func KaimingUniform(slope float64) func(fanIn, fanOut int) Init {
	return func(fanIn, _ int) Init {
		return Init{Uniform, math.Sqrt(6 / ((1 + slope*slope) * float64(fanIn)))}
	}
}

// KaimingNormalFanOut is torch.nn.init.kaiming_normal_(mode='fan_out', nonlinearity='relu').
func KaimingNormalFanOut(_, fanOut int) Init { return Init{Normal, math.Sqrt(2 / float64(fanOut))} }

// KaimingNormal is torch.nn.init.kaiming_normal_ with its defaults (fan_in, gain of ReLU).
func KaimingNormal(fanIn, _ int) Init { return Init{Normal, math.Sqrt(2 / float64(fanIn))} }

// Zero is the Init of a parameter that starts at zero.
func Zero(int) Init { return Init{} }

func (b *Builder) add(n Node) int {
	b.g.Nodes = append(b.g.Nodes, n)
	return len(b.g.Nodes) - 1
}

func (b *Builder) param(name string, role Role, init Init, shape ...int) int {
	b.g.Params = append(b.g.Params, Param{Name: name, Shape: shape, Role: role, Init: init})
	return len(b.g.Params) - 1
}

// Out is the shape of a node's output.
func (b *Builder) Out(x int) Shape { return b.g.Nodes[x].Out }

// Conv is torch.nn.Conv2d(C, out, w.Kernel, w.Stride, w.Pad, groups=w.Groups, bias=bias).
func (b *Builder) Conv(name string, x, out int, w Window, bias bool) int {
	if w.Groups == 0 {
		w.Groups = 1
	}
	in := b.Out(x)
	if w.Same {
		w.Pad = w.before(in.H)
	}
	fanIn := in.C / w.Groups * w.Kernel * w.Kernel
	fanOut := out * w.Kernel * w.Kernel // of all groups, as torch.nn.init counts
	p := []int{b.param(name+".weight", Weight, b.ConvInit(fanIn, fanOut), out, in.C/w.Groups, w.Kernel, w.Kernel)}
	if bias {
		p = append(p, b.param(name+".bias", Bias, b.BiasInit(fanIn), out))
	}
	s := w.output(in)
	return b.add(Node{Op: Conv, Name: name, In: []int{x}, Out: Shape{s.H, s.W, out}, Params: p, Window: w})
}

// Linear is torch.nn.Linear(C, out) on each pixel.
func (b *Builder) Linear(name string, x, out int) int {
	return b.LinearNamed(name, name+".weight", name+".bias", x, out)
}

// LinearNamed is Linear with parameters of other names.
func (b *Builder) LinearNamed(name, weight, bias string, x, out int) int {
	in := b.Out(x)
	p := []int{
		b.param(weight, Weight, b.LinearInit(in.C, out), out, in.C),
		b.param(bias, Bias, b.BiasInit(in.C), out),
	}
	return b.add(Node{Op: Linear, Name: name, In: []int{x}, Out: Shape{in.H, in.W, out}, Params: p})
}

// LayerNorm is torch.nn.LayerNorm(C, eps) on each pixel.
func (b *Builder) LayerNorm(name string, x int, eps float64) int {
	c := b.Out(x).C
	p := []int{b.param(name+".weight", Scale, Init{Constant, 1}, c), b.param(name+".bias", Bias, Init{}, c)}
	return b.add(Node{Op: LayerNorm, Name: name, In: []int{x}, Out: b.Out(x), Params: p, Eps: eps})
}

// LayerScale multiplies each channel by parameter name, first's value at the start.
func (b *Builder) LayerScale(name string, x int, first float64) int {
	c := b.Out(x).C
	p := []int{b.param(name, Scale, Init{Constant, first}, c, 1, 1)}
	return b.add(Node{Op: LayerScale, Name: name, In: []int{x}, Out: b.Out(x), Params: p})
}

// Tokens is a Vision Transformer's input: a class token, then the pixels, with the
// positions added.
func (b *Builder) Tokens(name, token, positions string, x int) int {
	in := b.Out(x)
	t := in.H*in.W + 1
	p := []int{b.param(token, Embedding, Init{}, 1, 1, in.C), b.param(positions, Embedding, Init{Normal, 0.02}, 1, t, in.C)}
	return b.add(Node{Op: Tokens, Name: name, In: []int{x}, Out: Shape{1, t, in.C}, Params: p})
}

// Attention is torch.nn.MultiheadAttention between its two linear layers.
func (b *Builder) Attention(name string, qkv, heads int) int {
	s := b.Out(qkv)
	s.C /= 3
	return b.add(Node{Op: Attention, Name: name, In: []int{qkv}, Out: s, Heads: heads})
}

// FirstToken is the first pixel alone.
func (b *Builder) FirstToken(name string, x int) int {
	return b.add(Node{Op: FirstToken, Name: name, In: []int{x}, Out: Shape{1, 1, b.Out(x).C}})
}

// BatchNorm is torch.nn.BatchNorm2d(C, eps=b.NormEps, momentum=b.NormDecay).
func (b *Builder) BatchNorm(name string, x int) int {
	c := b.Out(x).C
	p := []int{
		b.param(name+".weight", Scale, Init{Constant, 1}, c),
		b.param(name+".bias", Bias, Init{Constant, 0}, c),
		b.param(name+".running_mean", RunningMean, Init{Constant, 0}, c),
		b.param(name+".running_var", RunningVar, Init{Constant, 1}, c),
	}
	return b.add(Node{Op: BatchNorm, Name: name, In: []int{x}, Out: b.Out(x), Params: p, Eps: b.NormEps, Decay: b.NormDecay})
}

func (b *Builder) unary(op Op, suffix string, x int, n Node) int {
	n.Op, n.Name, n.In = op, b.g.Nodes[x].Name+suffix, []int{x}
	if n.Out == (Shape{}) {
		n.Out = b.Out(x)
	}
	return b.add(n)
}

// ReLU is max(x, 0).
func (b *Builder) ReLU(x int) int { return b.unary(ReLU, ".relu", x, Node{}) }

// Activation is the named function of each value.
func (b *Builder) Activation(op Op, x int) int {
	return b.unary(op, "."+strings.ToLower(op.String()), x, Node{})
}

// MaxPool is torch.nn.MaxPool2d(w.Kernel, w.Stride, w.Pad, ceil_mode=w.Ceil).
func (b *Builder) MaxPool(name string, x int, w Window) int {
	return b.add(Node{Op: MaxPool, Name: name, In: []int{x}, Out: w.output(b.Out(x)), Window: w})
}

// GlobalAvgPool is torch.nn.AdaptiveAvgPool2d(1).
func (b *Builder) GlobalAvgPool(name string, x int) int {
	return b.add(Node{Op: GlobalAvgPool, Name: name, In: []int{x}, Out: Shape{1, 1, b.Out(x).C}})
}

// Add is x + y.
func (b *Builder) Add(name string, x, y int) int {
	return b.add(Node{Op: Add, Name: name, In: []int{x, y}, Out: b.Out(x)})
}

// Mul is x times s, of 1x1xC, at every pixel.
func (b *Builder) Mul(name string, x, s int) int {
	return b.add(Node{Op: Mul, Name: name, In: []int{x, s}, Out: b.Out(x)})
}

// Concat puts its inputs side by side along the channels.
func (b *Builder) Concat(name string, x ...int) int {
	s := b.Out(x[0])
	s.C = 0
	for _, i := range x {
		s.C += b.Out(i).C
	}
	return b.add(Node{Op: Concat, Name: name, In: x, Out: s})
}

// Dropout is torch.nn.Dropout(p).
func (b *Builder) Dropout(name string, x int, p float64) int {
	return b.add(Node{Op: Dropout, Name: name, In: []int{x}, Out: b.Out(x), P: p})
}

// StochasticDepth is torchvision.ops.StochasticDepth(p, "row").
func (b *Builder) StochasticDepth(name string, x int, p float64) int {
	return b.add(Node{Op: StochasticDepth, Name: name, In: []int{x}, Out: b.Out(x), P: p})
}

// Shortcut is option A of He et al. 2015: x[:, ::stride, ::stride] with zero
// channels added on both sides up to out channels.
func (b *Builder) Shortcut(name string, x, out, stride int) int {
	in := b.Out(x)
	w := Window{Kernel: 1, Stride: stride}
	s := w.output(in)
	return b.add(Node{Op: Shortcut, Name: name, In: []int{x}, Out: Shape{s.H, s.W, out}, Window: w})
}

// Graph ends the network: logits is its last node, head its output layer's module name.
func (b *Builder) Graph(logits int, head string) *Graph {
	b.g.Logits, b.g.Head = logits, head
	return &b.g
}

// output is the size of a convolution's or pooling's output; C is the input's.
func (w Window) output(in Shape) Shape {
	return Shape{w.length(in.H), w.length(in.W), in.C}
}

func (w Window) length(n int) int {
	if w.Same {
		return (n + w.Stride - 1) / w.Stride
	}
	span := n + 2*w.Pad - w.Kernel
	out := span/w.Stride + 1
	// torch: the last window of ceil_mode must start inside the input or its left padding.
	if w.Ceil && span%w.Stride != 0 && out*w.Stride < n+w.Pad {
		out++
	}
	return out
}

// before is the padding above and to the left of n pixels that Same stands for.
func (w Window) before(n int) int {
	return max((w.length(n)-1)*w.Stride+w.Kernel-n, 0) / 2
}

// Reach is the padding that a convolution needs round its input, the same on all sides.
func (w Window) Reach(in Shape) int {
	far := func(n int) int { return (w.length(n)-1)*w.Stride + w.Kernel - w.Pad - n }
	return max(w.Pad, far(in.H), far(in.W))
}

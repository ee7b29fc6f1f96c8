package onnx

import (
	"fmt"
	"math"

	"graft/internal/graph"
)

// node adds what node i of the graph stands for.
func (b *builder) node(i int, n *graph.Node) error {
	x := b.values[n.In[0]]
	y := value{layout: x.layout, shape: n.Out}
	switch n.Op {
	case graph.Conv:
		y.layout = planes
		y.name = b.conv(i, n, b.as(x, planes))
	case graph.BatchNorm:
		if b.folded[n.In[0]] == i {
			y.name = x.name
			break
		}
		y.layout = planes
		y.name = b.batchNorm(n, b.as(x, planes))
	case graph.Linear:
		y.layout, y.name = b.linear(n, b.channelsLast(x))
	case graph.LayerNorm:
		x = b.channelsLast(x)
		y.layout = x.layout
		y.name = b.add("LayerNormalization", n.Name, []Attr{number("axis", -1), decimal("epsilon", n.Eps)}, x.name,
			b.floats(b.paramName(n, 0), b.param(n, 0), n.Out.C), b.floats(b.paramName(n, 1), b.param(n, 1), n.Out.C))
	case graph.LayerScale:
		dims := []int{n.Out.C}
		if x.layout == planes {
			dims = []int{n.Out.C, 1, 1}
		}
		y.name = b.add("Mul", n.Name, nil, x.name, b.floats(b.paramName(n, 0), b.param(n, 0), dims...))
	case graph.MaxPool:
		y.layout = planes
		y.name = b.add("MaxPool", n.Name, window(n.Window, x.shape, n.Out, 1), b.as(x, planes))
	case graph.GlobalAvgPool:
		y.layout = planes
		y.name = b.add("GlobalAveragePool", n.Name, nil, b.as(x, planes))
	case graph.Add, graph.Mul:
		other := b.values[n.In[1]]
		if x.layout != other.layout {
			y.layout = planes
		}
		y.name = b.add(n.Op.String(), n.Name, nil, b.as(x, y.layout), b.as(other, y.layout))
	case graph.Concat:
		y.layout = planes
		var in []string
		for _, j := range n.In {
			in = append(in, b.as(b.values[j], planes))
		}
		y.name = b.add("Concat", n.Name, []Attr{number("axis", 1)}, in...)
	case graph.Dropout, graph.StochasticDepth: // nothing at inference
		y.name = x.name
	case graph.Shortcut:
		y.layout = planes
		y.name = b.shortcut(n, x)
	case graph.Tokens:
		y.layout = tokens
		y.name = b.tokens(n, x)
	case graph.Attention:
		y.name = b.attention(n, x.name)
	case graph.FirstToken:
		y.layout = row
		y.name = b.add("Flatten", n.Name, []Attr{number("axis", 1)},
			b.add("Slice", n.Name+".slice", nil, x.name, b.ints(n.Name+".from", 0), b.ints(n.Name+".to", 1), b.ints(n.Name+".axis", 1)))
	default:
		if !n.Op.Activation() {
			return fmt.Errorf("operation %s has no form in ONNX files yet", n.Op)
		}
		y.name = b.activation(n, x.name)
	}
	b.values[i] = y
	return nil
}

// conv is a convolution, the batch norm behind it folded into its weights.
func (b *builder) conv(i int, n *graph.Node, x string) string {
	w := b.param(n, 0)
	var bias []float32
	if len(n.Params) > 1 {
		bias = b.param(n, 1)
	}
	if j, ok := b.folded[i]; ok {
		scale, shift := b.scaleAndShift(&b.g.Nodes[j])
		each := len(w) / n.Out.C
		folded, moved := make([]float32, len(w)), make([]float32, n.Out.C)
		for k, v := range w {
			folded[k] = float32(float64(v) * scale[k/each])
		}
		for c := range moved {
			v := shift[c]
			if bias != nil {
				v += scale[c] * float64(bias[c])
			}
			moved[c] = float32(v)
		}
		w, bias = folded, moved
	}
	in := []string{x, b.floats(n.Name+".weight", w, b.g.Params[n.Params[0]].Shape...)}
	if bias != nil {
		in = append(in, b.floats(n.Name+".bias", bias, n.Out.C))
	}
	return b.add("Conv", n.Name, window(n.Window, b.g.Nodes[n.In[0]].Out, n.Out, n.Window.Groups), in...)
}

// window is that of a convolution, or with groups 1 of a pooling: the padding below and to the right is
// what the output's size asks for, so that ceil_mode and TensorFlow's padding need no attribute that
// programs understand differently.
func window(w graph.Window, in, out graph.Shape, groups int) []Attr {
	far := func(n, m int) int { return max((m-1)*w.Stride+w.Kernel-w.Pad-n, 0) }
	attrs := []Attr{
		numbers("kernel_shape", w.Kernel, w.Kernel), numbers("strides", w.Stride, w.Stride),
		numbers("pads", w.Pad, w.Pad, far(in.H, out.H), far(in.W, out.W)),
	}
	if groups > 1 {
		attrs = append(attrs, number("group", groups))
	}
	return attrs
}

// batchNorm is one that nothing before it takes up.
func (b *builder) batchNorm(n *graph.Node, x string) string {
	in := []string{x}
	for k := range n.Params {
		in = append(in, b.floats(b.paramName(n, k), b.param(n, k), n.Out.C))
	}
	return b.add("BatchNormalization", n.Name, []Attr{decimal("epsilon", n.Eps)}, in...)
}

// linear is Gemm on a row, and a product with the transposed weight on pixels or tokens.
func (b *builder) linear(n *graph.Node, x value) (layout, string) {
	in, out := x.shape.C, n.Out.C
	w, bias := b.param(n, 0), b.floats(b.paramName(n, 1), b.param(n, 1), out)
	if x.layout == row {
		return row, b.add("Gemm", n.Name, []Attr{number("transB", 1)}, x.name, b.floats(b.paramName(n, 0), w, out, in), bias)
	}
	t := make([]float32, len(w))
	for o := range out {
		for i := range in {
			t[i*out+o] = w[o*in+i]
		}
	}
	product := b.add("MatMul", n.Name+".product", nil, x.name, b.floats(b.paramName(n, 0), t, in, out))
	return x.layout, b.add("Add", n.Name, nil, product, bias)
}

func (b *builder) activation(n *graph.Node, x string) string {
	switch n.Op {
	case graph.ReLU:
		return b.add("Relu", n.Name, nil, x)
	case graph.ReLU6:
		return b.add("Clip", n.Name, nil, x, b.scalar("zero", 0), b.scalar("six", 6))
	case graph.SiLU:
		return b.add("Mul", n.Name, nil, x, b.add("Sigmoid", n.Name+".sigmoid", nil, x))
	case graph.HardSigmoid:
		return b.add("HardSigmoid", n.Name, []Attr{decimal("alpha", 1.0/6), decimal("beta", 0.5)}, x)
	case graph.GELU:
		return b.add("Gelu", n.Name, nil, x)
	}
	return b.add(n.Op.String(), n.Name, nil, x) // Sigmoid, HardSwish
}

// scalar is a number that many nodes share.
func (b *builder) scalar(name string, v float32) string {
	if !b.taken[name] {
		b.floats(name, []float32{v})
	}
	return name
}

// shortcut is every Stride-th pixel, between zero channels.
func (b *builder) shortcut(n *graph.Node, x value) string {
	name, s := n.Name, n.Window.Stride
	y := b.add("Slice", name+".slice", nil, b.as(x, planes), b.ints(name+".from", 0, 0), b.ints(name+".to", x.shape.H, x.shape.W),
		b.ints(name+".axes", 2, 3), b.ints(name+".steps", s, s))
	side := (n.Out.C - x.shape.C) / 2
	return b.add("Pad", name, nil, y, b.ints(name+".pads", 0, side, 0, 0, 0, side, 0, 0))
}

// tokens is the pixels in a row. The class token is a row of zeros before them, to which its values
// are added with the positions.
func (b *builder) tokens(n *graph.Node, x value) string {
	c := n.Out.C
	first, positions := b.param(n, 0), append([]float32(nil), b.param(n, 1)...)
	for i, v := range first {
		positions[i] += v
	}
	y := b.add("Reshape", n.Name+".row", nil, b.as(x, planes), b.ints(n.Name+".row.shape", 0, c, x.shape.H*x.shape.W))
	y = b.add("Transpose", n.Name+".transposed", []Attr{numbers("perm", 0, 2, 1)}, y)
	y = b.add("Pad", n.Name+".padded", nil, y, b.ints(n.Name+".pads", 0, 1, 0, 0, 0, 0))
	return b.add("Add", n.Name, nil, y, b.floats(b.paramName(n, 1)+"+"+b.paramName(n, 0), positions, n.Out.W, c))
}

// attention is softmax(Q K^T / sqrt(d)) V, head by head.
func (b *builder) attention(n *graph.Node, x string) string {
	heads, d := n.Heads, n.Out.C/n.Heads
	part := func(s string) string { return b.name(n.Name + "." + s) }
	q, k, v := part("q"), part("k"), part("v")
	b.out.Nodes = append(b.out.Nodes, Node{Op: "Split", Name: part("split"), In: []string{x}, Out: []string{q, k, v},
		Attrs: []Attr{number("axis", 2), number("num_outputs", 3)}})
	if !b.taken["heads"] {
		b.ints("heads", 0, 0, heads, d)
	}
	if !b.taken["joined"] {
		b.ints("joined", 0, 0, n.Out.C)
	}
	split := func(v string, perm ...int) string {
		return b.add("Transpose", v+".heads", []Attr{numbers("perm", perm...)}, b.add("Reshape", v+".cut", nil, v, "heads"))
	}
	qs := b.add("Mul", q+".scaled", nil, split(q, 0, 2, 1, 3), b.scalar("attention.scale", float32(1/math.Sqrt(float64(d)))))
	scores := b.add("MatMul", n.Name+".scores", nil, qs, split(k, 0, 2, 3, 1))
	weights := b.add("Softmax", n.Name+".weights", []Attr{number("axis", -1)}, scores)
	y := b.add("MatMul", n.Name+".mixed", nil, weights, split(v, 0, 2, 1, 3))
	y = b.add("Transpose", n.Name+".together", []Attr{numbers("perm", 0, 2, 1, 3)}, y)
	return b.add("Reshape", n.Name, nil, y, "joined")
}

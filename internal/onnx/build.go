package onnx

import (
	"fmt"
	"math"

	"graft/internal/graph"
	"graft/internal/transform"
)

// Options say how Build writes a network.
type Options struct {
	Opset int // 0 is Opset
	// Preprocess makes the network read 8-bit pictures of any size; nil leaves it the
	// normalised picture.
	Preprocess *transform.Preprocess
	// Temperature divides the logits before they become probabilities; 0 stands for 1.
	Temperature float64
	Metadata    []Entry
	Version     string // of the program, which is called graft
}

// Build returns the network of g, with the values params of its parameters, as an
// ONNX graph for inference. Its input is
//
//	input   float32 [N, 3, S, S], the normalised picture, or
//	pixels  uint8 [N, height, width, 3], with o.Preprocess,
//
// its outputs are float32 [N, classes]: logits and probabilities. A batch norm is
// folded into the convolution before it, dropout is left out; nodes and weights have
// the graph's names.
func Build(g *graph.Graph, params [][]float32, o Options) (*Model, error) {
	if o.Opset == 0 {
		o.Opset = Opset
	}
	b := &builder{g: g, params: params, folded: folds(g), values: make([]value, len(g.Nodes)), taken: map[string]bool{}}
	size := g.Input()
	input := Value{Name: "input", Elem: Float32, Dims: append([]Dim{{Name: "N"}}, sizes(size.C, size.H, size.W)...)}
	if o.Preprocess != nil {
		input = Value{Name: "pixels", Elem: Uint8, Dims: []Dim{{Name: "N"}, {Name: "height"}, {Name: "width"}, {Size: 3}}}
	}
	b.out.Inputs = []Value{input}
	b.taken[input.Name] = true
	b.values[0] = value{name: input.Name, shape: size}
	if o.Preprocess != nil {
		b.values[0].name = b.preprocess(*o.Preprocess)
	}
	for i := 1; i < len(g.Nodes); i++ {
		if err := b.node(i, &g.Nodes[i]); err != nil {
			return nil, fmt.Errorf("%s to ONNX: %w", g.Nodes[i].Name, err)
		}
	}
	logits := b.as(b.values[g.Logits], row)
	b.rename(logits, "logits")
	b.probabilities(o.Temperature)
	b.out.Name = g.Name
	classes := append([]Dim{{Name: "N"}}, sizes(g.Classes())...)
	b.out.Outputs = []Value{{"logits", Float32, classes}, {"probabilities", Float32, classes}}
	return &Model{Opset: o.Opset, Producer: "graft", Version: o.Version, Metadata: o.Metadata, Graph: b.out}, nil
}

// A layout is how ONNX holds what the graph calls height x width x channels.
type layout uint8

const (
	planes layout = iota // N x C x H x W
	pixels               // N x H x W x C
	tokens               // N x T x C
	row                  // N x C
)

// A value is what a graph's node gives, in ONNX.
type value struct {
	name   string
	layout layout
	shape  graph.Shape
}

type builder struct {
	g      *graph.Graph
	params [][]float32
	folded map[int]int // a convolution's node to that of the batch norm behind it
	values []value     // by node
	taken  map[string]bool
	out    Graph
}

// folds finds the batch norms that are the only reader of a convolution.
func folds(g *graph.Graph) map[int]int {
	readers := make([]int, len(g.Nodes))
	for i := range g.Nodes {
		for _, j := range g.Nodes[i].In {
			readers[j]++
		}
	}
	f := map[int]int{}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Op == graph.BatchNorm && g.Nodes[n.In[0]].Op == graph.Conv && readers[n.In[0]] == 1 {
			f[n.In[0]] = i
		}
	}
	return f
}

// name is a name nobody has yet.
func (b *builder) name(want string) string {
	n := want
	for k := 2; b.taken[n]; k++ {
		n = fmt.Sprintf("%s_%d", want, k)
	}
	b.taken[n] = true
	return n
}

// add appends a node whose output has its name, and returns that.
func (b *builder) add(op, name string, attrs []Attr, in ...string) string {
	name = b.name(name)
	b.out.Nodes = append(b.out.Nodes, Node{Op: op, Name: name, In: in, Out: []string{name}, Attrs: attrs})
	return name
}

// floats and ints add a constant, and return its name.
func (b *builder) floats(name string, v []float32, dims ...int) string {
	name = b.name(name)
	b.out.Tensors = append(b.out.Tensors, Tensor{Name: name, Dims: dims, Floats: v})
	return name
}

func (b *builder) ints(name string, v ...int) string {
	name = b.name(name)
	t := Tensor{Name: name, Dims: []int{len(v)}}
	for _, x := range v {
		t.Ints = append(t.Ints, int64(x))
	}
	b.out.Tensors = append(b.out.Tensors, t)
	return name
}

// rename gives the last node's output its final name.
func (b *builder) rename(from, to string) {
	last := &b.out.Nodes[len(b.out.Nodes)-1]
	if last.Out[0] != from {
		b.add("Identity", to, nil, from)
		return
	}
	last.Out[0] = to
}

func number(name string, v int) Attr                    { return Attr{Name: name, Kind: IntAttr, I: int64(v)} }
func decimal(name string, v float64) Attr               { return Attr{Name: name, Kind: FloatAttr, F: float32(v)} }
func text(name, v string) Attr                          { return Attr{Name: name, Kind: StringAttr, S: v} }
func (b *builder) param(n *graph.Node, k int) []float32 { return b.params[n.Params[k]] }
func (b *builder) paramName(n *graph.Node, k int) string {
	return b.g.Params[n.Params[k]].Name
}

func numbers(name string, v ...int) Attr {
	a := Attr{Name: name, Kind: IntsAttr}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

// as is the value in another layout, by a node unless it has it.
func (b *builder) as(v value, l layout) string {
	if v.layout == l {
		return v.name
	}
	from := func(op, to string, attrs []Attr, in ...string) string { return b.add(op, v.name+to, attrs, in...) }
	switch {
	case l == row: // 1x1 pixels
		return from("Flatten", ".flat", []Attr{number("axis", 1)}, v.name)
	case v.layout == row && l == planes:
		return from("Reshape", ".planes", nil, v.name, b.ints(v.name+".planes.shape", 0, v.shape.C, 1, 1))
	case v.layout == planes && l == pixels:
		return from("Transpose", ".pixels", []Attr{numbers("perm", 0, 2, 3, 1)}, v.name)
	case v.layout == pixels && l == planes:
		return from("Transpose", ".planes", []Attr{numbers("perm", 0, 3, 1, 2)}, v.name)
	}
	// Tokens never become pixels again, nor the reverse, in any network there is.
	panic(fmt.Sprintf("onnx: %s of %v has no way from layout %d to %d", v.name, v.shape, v.layout, l))
}

// channelsLast is the value with its channels last: as it is, or as pixels.
func (b *builder) channelsLast(v value) value {
	switch {
	case v.layout == planes && v.shape.H*v.shape.W == 1:
		return value{b.as(v, row), row, v.shape}
	case v.layout == planes:
		return value{b.as(v, pixels), pixels, v.shape}
	}
	return v
}

// probabilities is the softmax of the logits over the temperature.
func (b *builder) probabilities(temperature float64) {
	from := "logits"
	if temperature != 0 && temperature != 1 {
		from = b.add("Div", "calibrated", nil, from, b.floats("temperature", []float32{float32(temperature)}))
	}
	b.add("Softmax", "probabilities", []Attr{number("axis", -1)}, from)
}

// scaleAndShift is a batch norm with its running statistics: y = scale x + shift.
func (b *builder) scaleAndShift(n *graph.Node) (scale, shift []float64) {
	w, bias, mean, variance := b.param(n, 0), b.param(n, 1), b.param(n, 2), b.param(n, 3)
	scale, shift = make([]float64, len(w)), make([]float64, len(w))
	for c := range w {
		scale[c] = float64(w[c]) / math.Sqrt(float64(variance[c])+n.Eps)
		shift[c] = float64(bias[c]) - scale[c]*float64(mean[c])
	}
	return scale, shift
}

package onnx

import (
	"fmt"
	"slices"
)

// An Array is a tensor at run time: one of the slices holds its elements in C order.
type Array struct {
	Dims   []int
	Floats []float32
	Ints   []int64
	Bytes  []uint8
}

func (a *Array) elem() Elem {
	switch {
	case a.Ints != nil:
		return Int64
	case a.Bytes != nil:
		return Uint8
	}
	return Float32
}

func (a *Array) len() int { return len(a.Floats) + len(a.Ints) + len(a.Bytes) }

// A Session runs a model by plain loops in float32: slow, and by the letter of the file.
// It is for one goroutine at a time.
type Session struct {
	m      *Model
	consts map[string]*Array
	last   map[string]int // the last node that reads a value
}

// NewSession checks that every node is an operator that Run knows, with settings that it
// knows, and reads what stands before it.
func NewSession(m *Model) (*Session, error) {
	s := &Session{m: m, consts: map[string]*Array{}, last: map[string]int{}}
	if len(m.Graph.Inputs) != 1 {
		return nil, fmt.Errorf("ONNX file: %d inputs, not one", len(m.Graph.Inputs))
	}
	known := map[string]bool{m.Graph.Inputs[0].Name: true}
	fresh := func(name string) error {
		if name == "" || known[name] {
			return fmt.Errorf("ONNX file: two values are called %q", name)
		}
		known[name] = true
		return nil
	}
	for i := range m.Graph.Tensors {
		t := &m.Graph.Tensors[i]
		if err := fresh(t.Name); err != nil {
			return nil, err
		}
		if n := elements(t.Dims); n < 0 || n != len(t.Floats)+len(t.Ints) {
			return nil, fmt.Errorf("ONNX file: initializer %q of shape %v has %d elements", t.Name, t.Dims, len(t.Floats)+len(t.Ints))
		}
		s.consts[t.Name] = &Array{Dims: t.Dims, Floats: t.Floats, Ints: t.Ints}
	}
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		op, ok := operators[n.Op]
		if !ok {
			return nil, fmt.Errorf("ONNX file: node %q: refused: operator %q is not among those that this program writes", n.Name, n.Op)
		}
		if len(n.In) < op.least || len(n.In) > op.most || len(n.Out) < 1 {
			return nil, fmt.Errorf("ONNX file: node %q, %s: %d inputs and %d outputs", n.Name, n.Op, len(n.In), len(n.Out))
		}
		for _, a := range n.Attrs {
			if !slices.Contains(op.attrs, a.Name) {
				return nil, fmt.Errorf("ONNX file: node %q, %s: refused: attribute %q is not among those that this program writes", n.Name, n.Op, a.Name)
			}
		}
		for _, v := range n.In {
			if v != "" && !known[v] {
				return nil, fmt.Errorf("ONNX file: node %q reads %q, which nothing before it gives", n.Name, v)
			}
			s.last[v] = i
		}
		for _, v := range n.Out {
			if err := fresh(v); err != nil {
				return nil, err
			}
		}
	}
	for _, o := range m.Graph.Outputs {
		if !known[o.Name] {
			return nil, fmt.Errorf("ONNX file: nothing gives the output %q", o.Name)
		}
		s.last[o.Name] = len(m.Graph.Nodes)
	}
	return s, nil
}

// Run computes the outputs, by name, of one input.
func (s *Session) Run(input Array) (map[string]Array, error) {
	want := s.m.Graph.Inputs[0]
	if input.elem() != want.Elem || len(input.Dims) != len(want.Dims) || elements(input.Dims) != input.len() {
		return nil, fmt.Errorf("input %q takes %s of rank %d, not %s of shape %v", want.Name, want.Elem, len(want.Dims), input.elem(), input.Dims)
	}
	for i, d := range want.Dims {
		if d.Name == "" && d.Size != input.Dims[i] {
			return nil, fmt.Errorf("input %q: dimension %d is %d, not %d", want.Name, i, d.Size, input.Dims[i])
		}
	}
	values := map[string]*Array{want.Name: &input}
	find := func(name string) *Array {
		if c := s.consts[name]; c != nil {
			return c
		}
		return values[name]
	}
	for i := range s.m.Graph.Nodes {
		n := &s.m.Graph.Nodes[i]
		in := make([]*Array, operators[n.Op].most)
		for k, v := range n.In {
			if v != "" {
				if in[k] = find(v); in[k] == nil {
					return nil, fmt.Errorf("node %q: %q has no value", n.Name, v)
				}
			}
		}
		for k := range operators[n.Op].least {
			if in[k] == nil && !operators[n.Op].gaps {
				return nil, fmt.Errorf("node %q, %s: input %d is left out", n.Name, n.Op, k)
			}
		}
		out, err := operators[n.Op].run(n, in)
		if err != nil {
			return nil, fmt.Errorf("node %q, %s: %w", n.Name, n.Op, err)
		}
		if len(out) != len(n.Out) {
			return nil, fmt.Errorf("node %q, %s: gives %d values, %d are named", n.Name, n.Op, len(out), len(n.Out))
		}
		for k, v := range n.Out {
			values[v] = out[k]
		}
		for _, v := range n.In {
			if s.last[v] == i {
				delete(values, v)
			}
		}
	}
	outputs := map[string]Array{}
	for _, o := range s.m.Graph.Outputs {
		v := find(o.Name)
		if v == nil {
			return nil, fmt.Errorf("output %q has no value", o.Name)
		}
		outputs[o.Name] = *v
	}
	return outputs, nil
}

// An operator is one that a Session runs.
type operator struct {
	least, most int // inputs
	gaps        bool
	attrs       []string
	run         func(n *Node, in []*Array) ([]*Array, error)
}

var operators map[string]operator

func init() { // the functions look themselves up in their errors
	window := []string{"kernel_shape", "strides", "pads", "group"}
	operators = map[string]operator{
		"Conv":               {2, 3, false, window, conv},
		"MaxPool":            {1, 1, false, window[:3], maxPool},
		"GlobalAveragePool":  {1, 1, false, nil, globalAveragePool},
		"Gemm":               {3, 3, false, []string{"transB"}, gemm},
		"MatMul":             {2, 2, false, nil, matMul},
		"Relu":               {1, 1, false, nil, each(relu)},
		"Sigmoid":            {1, 1, false, nil, each(sigmoid)},
		"HardSwish":          {1, 1, false, nil, each(hardSwish)},
		"HardSigmoid":        {1, 1, false, []string{"alpha", "beta"}, hardSigmoid},
		"Gelu":               {1, 1, false, nil, each(gelu)},
		"Round":              {1, 1, false, nil, each(roundEven)},
		"Clip":               {3, 3, false, nil, clip},
		"Add":                {2, 2, false, nil, add},
		"Sub":                {2, 2, false, nil, subtract},
		"Mul":                {2, 2, false, nil, multiply},
		"Div":                {2, 2, false, nil, divide},
		"Max":                {2, 2, false, nil, maximum},
		"ReduceMax":          {1, 1, false, []string{"keepdims"}, reduce(func(a, b int64) int64 { return max(a, b) })},
		"ReduceMin":          {1, 1, false, []string{"keepdims"}, reduce(func(a, b int64) int64 { return min(a, b) })},
		"BatchNormalization": {5, 5, false, []string{"epsilon"}, batchNormalization},
		"LayerNormalization": {3, 3, false, []string{"axis", "epsilon"}, layerNormalization},
		"Softmax":            {1, 1, false, []string{"axis"}, softmax},
		"Concat":             {1, 64, true, []string{"axis"}, concat},
		"Split":              {1, 1, false, []string{"axis", "num_outputs"}, split},
		"Slice":              {3, 5, false, nil, slice},
		"Pad":                {2, 4, false, nil, pad},
		"Transpose":          {1, 1, false, []string{"perm"}, transpose},
		"Reshape":            {2, 2, false, nil, reshape},
		"Flatten":            {1, 1, false, []string{"axis"}, flatten},
		"Identity":           {1, 1, false, nil, func(_ *Node, in []*Array) ([]*Array, error) { return in, nil }},
		"Shape":              {1, 1, false, []string{"start", "end"}, shapeOf},
		"Cast":               {1, 1, false, []string{"to"}, cast},
		"Resize": {4, 4, true, []string{"antialias", "coordinate_transformation_mode", "exclude_outside",
			"cubic_coeff_a", "mode"}, resize},
	}
}

// attr is the setting of that name, or the zero Attr.
func (n *Node) attr(name string) Attr {
	for _, a := range n.Attrs {
		if a.Name == name {
			return a
		}
	}
	return Attr{}
}

func one(a *Array) []*Array { return []*Array{a} }

// floatArray is a new float32 array of that shape; an error where no memory holds it.
func floatArray(dims ...int) (*Array, error) {
	n := elements(dims)
	if n < 0 {
		return nil, fmt.Errorf("refused: a tensor of shape %v", dims)
	}
	return &Array{Dims: slices.Clone(dims), Floats: make([]float32, n)}, nil
}

// ranked checks element type and rank.
func ranked(a *Array, e Elem, rank int) error {
	if a == nil || a.elem() != e || len(a.Dims) != rank {
		return fmt.Errorf("an input is not %s of rank %d", e, rank)
	}
	return nil
}

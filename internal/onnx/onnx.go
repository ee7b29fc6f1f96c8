// Package onnx writes networks as ONNX files, reads such files back and runs
// them by plain loops.
//
// It knows graphs, their parameters and how pictures are preprocessed; the part
// of ONNX that it writes, which is all that it reads and runs: everything else
// in a file is refused. It knows no engine, no run and no files.
package onnx

import "fmt"

// Opset and OldestOpset bound the versions of ONNX's operators that files are
// written for and read in: the newest of onnx 1.23, which onnxruntime 1.32 runs,
// and the first with Gelu. What is written means the same in all of them.
const (
	Opset       = 28
	OldestOpset = 20
)

// irVersions are those of the format that came with each opset from OldestOpset on.
var irVersions = []int64{9, 10, 10, 11, 12, 13, 13, 13, 14}

// A Model is a file: a graph, and what is said about it.
type Model struct {
	Opset    int
	Producer string // the program that wrote it, and its version
	Version  string
	Metadata []Entry
	Graph    Graph
}

// An Entry is one of a model's metadata_props.
type Entry struct{ Key, Value string }

// Find returns the metadata of that key, or "".
func (m *Model) Find(key string) string {
	for _, e := range m.Metadata {
		if e.Key == key {
			return e.Value
		}
	}
	return ""
}

// A Graph is nodes in the order they run. Values have names; each is an input,
// a tensor of the file or one node's output.
type Graph struct {
	Name    string
	Nodes   []Node
	Tensors []Tensor // initializers
	Inputs  []Value
	Outputs []Value
}

// A Node applies an operator. An input left out is "".
type Node struct {
	Op, Name string
	In, Out  []string
	Attrs    []Attr
}

// An Attr is a setting of a node: a number, a text or a list of numbers.
type Attr struct {
	Name string
	Kind AttrKind
	F    float32
	I    int64
	S    string
	Ints []int64
}

// An AttrKind says which field of an Attr counts, in ONNX's numbers.
type AttrKind int

// The kinds that are written and read.
const (
	FloatAttr  AttrKind = 1
	IntAttr    AttrKind = 2
	StringAttr AttrKind = 3
	IntsAttr   AttrKind = 7
)

// An Elem is the type of a tensor's elements, in ONNX's numbers.
type Elem int

// The element types that are written and read.
const (
	Float32 Elem = 1
	Uint8   Elem = 2
	Int64   Elem = 7
)

func (e Elem) String() string {
	switch e {
	case Float32:
		return "float32"
	case Uint8:
		return "uint8"
	case Int64:
		return "int64"
	}
	return fmt.Sprintf("element type %d", int(e))
}

// A Tensor is a constant of the file: float32 or int64.
type Tensor struct {
	Name   string
	Dims   []int
	Floats []float32 // where Ints is nil
	Ints   []int64
}

// A Value is an input or output of the graph.
type Value struct {
	Name string
	Elem Elem
	Dims []Dim
}

// A Dim is a size, or a name for one that each call chooses.
type Dim struct {
	Size int
	Name string
}

func sizes(n ...int) []Dim {
	dims := make([]Dim, len(n))
	for i, v := range n {
		dims[i].Size = v
	}
	return dims
}

// elements is the product of a shape, -1 where it is beyond any tensor.
func elements(dims []int) int {
	n := 1
	for _, d := range dims {
		if d < 0 || d > 0 && n > maxElements/d {
			return -1
		}
		n *= d
	}
	return n
}

// maxElements is what a tensor may have: more than 2 GB of float32.
var maxElements = 1 << 29

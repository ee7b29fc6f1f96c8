// Package weights reads and writes state dicts: named tensors in a file.
//
// It knows three file formats, told apart by their content and never by their
// name: PyTorch's zip archive (.pth, .pt, .th since PyTorch 1.6), PyTorch's older
// plain pickle stream, and safetensors. It writes the first and the last. It also knows
// how to compare a state dict with the parameters that a network wants.
//
// It executes nothing that a file asks for, believes no size that a file
// declares before it has been checked against the bytes that are there, and does
// not know networks, engines, the network or the cache.
package weights

import "slices"

// Tensor is one named array of a state dict.
type Tensor struct {
	Name  string
	Shape []int     // no entry for a scalar
	Data  []float32 // C order, as many as the product of Shape
	DType DType     // how it is stored in the file; "" is F32
}

// StateDict is an ordered set of tensors with distinct names, as read from a file.
// It must not be changed by its readers, and is then safe for concurrent use.
type StateDict struct {
	Metadata map[string]string // safetensors' __metadata__; empty for PyTorch's files
	SHA256   string            // of the whole file, in lower-case hexadecimal

	tensors []Tensor
	index   map[string]int
}

// Get returns the tensor of that name; its Shape and Data are shared with the state dict.
func (s *StateDict) Get(name string) (Tensor, bool) {
	i, ok := s.index[name]
	if !ok {
		return Tensor{}, false
	}
	return s.tensors[i], true
}

// Names lists the tensors' names in the file's order.
func (s *StateDict) Names() []string {
	names := make([]string, len(s.tensors))
	for i, t := range s.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensors lists the tensors in the file's order; Data is shared with the state dict.
func (s *StateDict) Tensors() []Tensor { return slices.Clone(s.tensors) }

// Len is the number of tensors.
func (s *StateDict) Len() int { return len(s.tensors) }

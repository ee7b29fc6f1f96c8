package weights

import "slices"

// A Renaming says which tensor becomes a parameter.
type Renaming struct {
	From     string
	To       Spec
	AnyShape bool // keeps the shape it has, whatever To says
}

// Rename returns the state dict with other names. A tensor with as many values as
// its new shape has takes that; tensors that are not listed keep their names.
// Data is shared.
func (s *StateDict) Rename(list []Renaming) *StateDict {
	r := &StateDict{Metadata: s.Metadata, SHA256: s.SHA256, tensors: s.Tensors(), index: map[string]int{}}
	for _, n := range list {
		i, ok := s.index[n.From]
		if !ok {
			continue
		}
		t := &r.tensors[i]
		t.Name = n.To.Name
		size := 1
		for _, d := range n.To.Shape {
			size *= d
		}
		if !n.AnyShape && size == len(t.Data) {
			t.Shape = slices.Clone(n.To.Shape)
		}
	}
	for i, t := range r.tensors {
		r.index[t.Name] = i
	}
	return r
}

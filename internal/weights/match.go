package weights

import "errors"

// Spec is a parameter that a network wants.
type Spec struct {
	Name  string
	Shape []int
}

// Match reports in one error every parameter of want that have lacks, every tensor
// of have that is not wanted, and every one of another shape. Batch norm's
// num_batches_tracked counters may be extra: no arithmetic depends on them.
func Match(want []Spec, have *StateDict) error { return errors.New("weights: not written yet") }

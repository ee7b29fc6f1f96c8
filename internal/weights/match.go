package weights

import (
	"fmt"
	"slices"
	"strings"
)

// Spec is a parameter that a network wants.
type Spec struct {
	Name  string
	Shape []int
}

// Match reports in one error every parameter of want that have lacks, every tensor
// of have that is not wanted, and every one of another shape. Batch norm's
// num_batches_tracked counters may be extra: no arithmetic depends on them.
func Match(want []Spec, have *StateDict) error {
	wanted := map[string]bool{}
	var missing, extra, misshapen []string
	for _, w := range want {
		wanted[w.Name] = true
		t, ok := have.Get(w.Name)
		switch {
		case !ok:
			missing = append(missing, w.Name)
		case !slices.Equal(t.Shape, w.Shape):
			misshapen = append(misshapen, fmt.Sprintf("%s is %v, the network has %v", w.Name, t.Shape, w.Shape))
		}
	}
	for _, n := range have.Names() {
		if !wanted[n] && !strings.HasSuffix(n, "num_batches_tracked") {
			extra = append(extra, n)
		}
	}
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"missing", missing}, {"extra", extra}, {"of another shape", misshapen}} {
		if len(p.names) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s: %s", len(p.names), p.what, strings.Join(p.names, ", ")))
		}
	}
	if parts == nil {
		return nil
	}
	return fmt.Errorf("the weights do not fit the network: %s", strings.Join(parts, "; "))
}

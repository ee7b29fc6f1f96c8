package engine

import (
	"math"
	"testing"
)

// TestKeep: values are kept as often as asked, whatever was drawn for their neighbours,
// for the same value of another node, or in another pass.
func TestKeep(t *testing.T) {
	const n = 1 << 18
	for _, p := range []float64{0.2, 0.5, 0.9} {
		for seed := range uint64(4) {
			key, other, later := DropoutKey(seed, 3), DropoutKey(seed, 4), DropoutKey(seed+100, 3)
			draws := map[string]func(i int) bool{
				"any":       func(int) bool { return true },
				"neighbour": func(i int) bool { return Keep(key, i+1, p) },
				"row":       func(i int) bool { return Keep(key, i+512, p) },
				"node":      func(i int) bool { return Keep(other, i, p) },
				"pass":      func(i int) bool { return Keep(later, i, p) },
			}
			for name, also := range draws {
				kept, both := 0.0, 0.0
				for i := range n {
					if also(i) {
						both++
						if Keep(key, i, p) {
							kept++
						}
					}
				}
				if sigma := math.Sqrt(p * (1 - p) / both); math.Abs(kept/both-(1-p)) > 5*sigma {
					t.Errorf("p %g, seed %d: kept %.4f given %s, want %.4f", p, seed, kept/both, name, 1-p)
				}
			}
		}
	}
}

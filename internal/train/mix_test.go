package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// TestCutmix: every value is the picture's own or that of the one before it, as many of its own as
// the share says, and the second label is that of the other.
func TestCutmix(t *testing.T) {
	const n, side = 4, 9
	m := mixer{cutmix: 1, shape: graph.Shape{H: side, W: side, C: 3}}
	cut := false
	for seed := range uint64(50) {
		b := &dataset.Batch{N: n}
		for i := range n {
			for range m.shape.Len() {
				b.X = append(b.X, float32(i))
			}
			b.Labels = append(b.Labels, int32(10+i))
		}
		var soft engine.Soft
		m.mix(b, &soft, rand.New(rand.NewPCG(seed, 1)))
		for i := range n {
			before, own := (i+n-1)%n, 0
			for _, v := range b.X[i*m.shape.Len() : (i+1)*m.shape.Len()] {
				switch v {
				case float32(i):
					own++
				case float32(before):
				default:
					t.Fatalf("picture %d holds %g", i, v)
				}
			}
			share := float64(own) / float64(m.shape.Len())
			cut = cut || share > 0 && share < 1
			if math.Abs(share-float64(soft.Share[i])) > 1e-6 || soft.Mixed[i] != int32(10+before) {
				t.Fatalf("picture %d: %.3f of its own, the share is %.3f, the other label %d", i, share, soft.Share[i], soft.Mixed[i])
			}
		}
	}
	if !cut {
		t.Error("nothing was cut")
	}
}

// TestBeta: mean and variance of Beta(a, a) are 1/2 and 1/(8a+4).
func TestBeta(t *testing.T) {
	for _, a := range []float64{0.2, 1, 3} {
		rng := rand.New(rand.NewPCG(1, 2))
		const n = 20000
		sum, squares := 0.0, 0.0
		for range n {
			x := beta(a, rng)
			sum, squares = sum+x, squares+x*x
		}
		mean := sum / n
		if variance := squares/n - mean*mean; math.Abs(mean-0.5) > 0.01 || math.Abs(variance-1/(8*a+4)) > 0.004 {
			t.Errorf("Beta(%g, %g) has mean %.4f and variance %.4f, want 0.5 and %.4f", a, a, mean, variance, 1/(8*a+4))
		}
	}
}

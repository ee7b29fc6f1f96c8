package train

import (
	"math"
	"math/rand/v2"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// A mixer blends the pictures of a batch with each other, and their labels
// likewise: mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019) as torchvision's
// transforms.v2 has them, each picture with the one before it in the batch.
type mixer struct {
	mixup, cutmix float64 // alpha of Beta(alpha, alpha)
	shape         graph.Shape
	last          []float32
	labels        []int32
	share         []float32
}

// mix changes b's pictures; soft gets their second labels and shares. A batch of one is left
// as it is.
func (m *mixer) mix(b *dataset.Batch, soft *engine.Soft, rng *rand.Rand) {
	if b.N < 2 || m.mixup == 0 && m.cutmix == 0 {
		return
	}
	cut := m.mixup == 0 || m.cutmix != 0 && rng.Uint32()&1 == 1
	var share float64
	if cut {
		share = m.cut(b, beta(m.cutmix, rng), rng.IntN(m.shape.W), rng.IntN(m.shape.H))
	} else {
		share = beta(m.mixup, rng)
		m.blend(b, float32(share))
	}
	if len(m.labels) < b.N {
		m.labels, m.share = make([]int32, b.N), make([]float32, b.N)
	}
	for i := range b.N {
		m.labels[i], m.share[i] = b.Labels[(i+b.N-1)%b.N], float32(share)
	}
	soft.Mixed, soft.Share = m.labels[:b.N], m.share[:b.N]
}

// pairs visits every picture with the one before it, as it was before any changed.
func (m *mixer) pairs(b *dataset.Batch, visit func(x, before []float32)) {
	size := m.shape.Len()
	at := func(i int) []float32 { return b.X[i*size : (i+1)*size] }
	m.last = append(m.last[:0], at(b.N-1)...)
	for i := b.N - 1; i > 0; i-- {
		visit(at(i), at(i-1))
	}
	visit(at(0), m.last)
}

// blend makes every picture share of itself and the rest of the other.
func (m *mixer) blend(b *dataset.Batch, share float32) {
	m.pairs(b, func(x, before []float32) {
		for k, v := range x {
			x[k] = share*v + (1-share)*before[k]
		}
	})
}

// cut pastes a rectangle around (cx, cy) of the other picture, 1-share of the area but for
// what lies outside, and returns the share that is left.
func (m *mixer) cut(b *dataset.Batch, share float64, cx, cy int) float64 {
	half := 0.5 * math.Sqrt(1-share)
	w, h := int(half*float64(m.shape.W)), int(half*float64(m.shape.H))
	x0, x1 := max(cx-w, 0), min(cx+w, m.shape.W)
	y0, y1 := max(cy-h, 0), min(cy+h, m.shape.H)
	m.pairs(b, func(x, before []float32) {
		for y := y0; y < y1; y++ {
			from, to := (y*m.shape.W+x0)*m.shape.C, (y*m.shape.W+x1)*m.shape.C
			copy(x[from:to], before[from:to])
		}
	})
	return 1 - float64((x1-x0)*(y1-y0))/float64(m.shape.W*m.shape.H)
}

// beta draws from Beta(a, a).
func beta(a float64, rng *rand.Rand) float64 {
	x, y := gamma(a, rng), gamma(a, rng)
	if x+y == 0 { // a is tiny: all of one
		return float64(rng.Uint32() & 1)
	}
	return x / (x + y)
}

// gamma draws from Gamma(a, 1) (Marsaglia and Tsang 2000).
func gamma(a float64, rng *rand.Rand) float64 {
	if a < 1 {
		return gamma(a+1, rng) * math.Pow(rng.Float64(), 1/a)
	}
	d := a - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := rng.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v *= v * v
		if u := rng.Float64(); math.Log(1-u) < 0.5*x*x+d*(1-v+math.Log(v)) {
			return d * v
		}
	}
}

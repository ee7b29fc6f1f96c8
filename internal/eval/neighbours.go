package eval

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Neighbours know what training pictures look like to a network: the directions of their
// penultimate features, a byte a value. A new picture is strange when the nearest of them are far:
// the mean cosine distance to five (Sun and others 2022, deep nearest neighbours; of what was tried, on
// docs/unknown.md, the best).
type Neighbours struct {
	Features int    `json:"features"` // values of a picture
	Bank     []byte `json:"bank"`     // signed bytes, a training picture's after another's
	// Distances are those of validation pictures: at most P, as N of them have.
	Distances []Rank `json:"distances"`

	unit []float32 // Bank at unit length
}

const nearest = 5

// NewNeighbours keeps the features of training pictures and the distances of validation pictures,
// each so many values long.
func NewNeighbours(training, validation []float32, features int) *Neighbours {
	n := &Neighbours{Features: features, Bank: make([]byte, len(training))}
	for at := 0; at < len(training); at += features {
		row := training[at : at+features]
		top := float32(0)
		for _, v := range row {
			top = max(top, v, -v)
		}
		for k, v := range row {
			if top > 0 {
				n.Bank[at+k] = byte(int8(math.RoundToEven(float64(v / top * 127))))
			}
		}
	}
	n.ready()
	far := make([]Rank, 0, len(validation)/features)
	for at := 0; at < len(validation); at += features {
		far = append(far, Rank{P: -n.Distance(validation[at : at+features])})
	}
	n.Distances = ranks(far)
	for i := range n.Distances {
		n.Distances[i].P = -n.Distances[i].P
	}
	return n
}

// Check makes what was read ready for use, or says what is wrong with it.
func (n *Neighbours) Check() error {
	if n == nil {
		return errors.New("null")
	}
	if n.Features < 1 || len(n.Bank) == 0 || len(n.Bank)%n.Features != 0 || len(n.Distances) == 0 {
		return fmt.Errorf("%d bytes of neighbours with %d features, %d distances", len(n.Bank), n.Features, len(n.Distances))
	}
	n.ready()
	return nil
}

func (n *Neighbours) ready() {
	n.unit = make([]float32, len(n.Bank))
	for i, b := range n.Bank {
		n.unit[i] = float32(int8(b))
	}
	for at := 0; at < len(n.unit); at += n.Features {
		scaleToUnit(n.unit[at : at+n.Features])
	}
}

// Distance is how strange a picture's features are, from 0 to 2.
func (n *Neighbours) Distance(features []float32) float64 {
	x := slices.Clone(features)
	scaleToUnit(x)
	best := make([]float32, 0, nearest+1) // similarities, falling
	for at := 0; at < len(n.unit); at += n.Features {
		s := dot(x, n.unit[at:at+n.Features])
		if len(best) == nearest && s <= best[nearest-1] {
			continue
		}
		k := len(best)
		for k > 0 && best[k-1] < s {
			k--
		}
		if best = slices.Insert(best, k, s); len(best) > nearest {
			best = best[:nearest]
		}
	}
	sum := 0.0
	for _, s := range best {
		sum += float64(s)
	}
	return max(0, 1-sum/float64(len(best)))
}

// Threshold is the distance that a share of the validation pictures keeps within; of too few
// pictures for it, the largest.
func (n *Neighbours) Threshold(accepts float64) float64 {
	last := n.Distances[len(n.Distances)-1]
	need := int(math.Ceil(float64(last.N+1)*accepts - 1e-9))
	for _, r := range n.Distances {
		if r.N >= need {
			return r.P
		}
	}
	return last.P
}

func scaleToUnit(x []float32) {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return
	}
	f := float32(1 / math.Sqrt(sum))
	for i := range x {
		x[i] *= f
	}
}

// dot adds four sums, which the processor makes side by side.
func dot(a, b []float32) float32 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	for len(a) >= 4 && len(b) >= 4 {
		s0 += a[0] * b[0]
		s1 += a[1] * b[1]
		s2 += a[2] * b[2]
		s3 += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

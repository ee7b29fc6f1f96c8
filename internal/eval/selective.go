package eval

import (
	"fmt"
	"math"
)

// A Selection is the answers that are sure enough: those whose probability reaches Threshold.
type Selection struct {
	Threshold float64
	Coverage  float64 // share of the validation pictures that it answers for
	Precision float64 // share of those that are right
	Bound     float64 // what that share is at least, by Wilson's one-sided 95 % bound
}

// Sure is the selection that answers for the most pictures with at least so large a share of
// right ones. A share counts only as far as the number of pictures vouches for it: its lower bound
// must reach the target. Where it does not, the error says what can be had.
func (c *Calibration) Sure(target float64) (Selection, error) {
	var found, best Selection
	for _, r := range c.Answers {
		s := Selection{r.P, float64(r.N) / float64(c.Pictures), float64(r.Right) / float64(r.N), lowerBound(r.Right, r.N)}
		if s.Bound >= target {
			found = s
		}
		if s.Bound > best.Bound {
			best = s
		}
	}
	if found.Threshold == 0 {
		return found, fmt.Errorf("the %d validation pictures vouch for a precision of at most %.3f, not %g: ask for less, or train with more validation pictures", c.Pictures, math.Floor(best.Bound*1000)/1000, target)
	}
	return found, nil
}

// lowerBound is Wilson's, one-sided at 95 %.
func lowerBound(right, n int) float64 {
	const z = 1.6448536269514722
	p, m := float64(right)/float64(n), float64(n)
	return (p + z*z/(2*m) - z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))) / (1 + z*z/m)
}

// SetThreshold is the probability from which on a class belongs to a picture's prediction set, so
// that the set holds the label of a new picture at least as often as coverage says: split conformal
// prediction (Sadinle, Lei, Wasserman 2019, "least ambiguous sets") with its finite-sample quantile.
// 0, every class, where the validation pictures are too few for the coverage.
func (c *Calibration) SetThreshold(coverage float64) float64 {
	need := int(math.Ceil(float64(c.Pictures+1)*coverage - 1e-9))
	for _, r := range c.Labels {
		if r.N >= need {
			return r.P
		}
	}
	return 0
}

// Set is the classes whose probability reaches a threshold, the most probable in any case, in the
// classes' order.
func Set(probs []float32, threshold float64) (set []int) {
	best := Largest(probs)
	for k, p := range probs {
		if float64(p) >= threshold || k == best {
			set = append(set, k)
		}
	}
	return set
}

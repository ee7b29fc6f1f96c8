package eval

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// A Calibration makes a network's logits probabilities that may be believed, and says which of
// them are sure enough. It is fitted on validation pictures alone.
type Calibration struct {
	Pictures    int     `json:"pictures"`    // of validation
	Temperature float64 `json:"temperature"` // logits are divided by it; Guo and others 2017
	// Answers are the validation pictures by the probability of their answer, the surest
	// first, and Labels by the probability of their label: at most rankLimit rows each.
	Answers []Rank `json:"answers"`
	Labels  []Rank `json:"labels"`
	// Test is what the calibration did to the test pictures, nil where there were none.
	Test *Reliability `json:"test,omitempty"`
}

// A Rank says how many pictures have at least a probability, and how many of those are right.
type Rank struct {
	P     float64 `json:"p"`
	N     int     `json:"n"`
	Right int     `json:"right,omitempty"`
}

// A Labelled is a picture's logits and its class.
type Labelled struct {
	Logits []float32
	Class  int
}

const (
	rankLimit   = 500
	leastFit    = 10  // pictures that a temperature is fitted on
	priorSpread = 0.5 // deviation of log temperature around 0
	hottest     = 5.0 // the temperature and its inverse stay below
)

// Calibrate fits on validation pictures and measures on test pictures, which may be none.
func Calibrate(validation, test []Labelled) *Calibration {
	c := &Calibration{Pictures: len(validation), Temperature: temperature(validation)}
	answers, labels := make([]Rank, len(validation)), make([]Rank, len(validation))
	for i, v := range validation {
		probs := c.Probabilities(v.Logits)
		best := Largest(probs)
		answers[i], labels[i] = Rank{P: float64(probs[best])}, Rank{P: float64(probs[v.Class])}
		if best == v.Class {
			answers[i].Right = 1
		}
	}
	c.Answers, c.Labels = ranks(answers), ranks(labels)
	if len(test) > 0 {
		c.Test = c.Measure(test)
	}
	return c
}

// Probabilities are the calibrated ones; a nil calibration gives the softmax.
func (c *Calibration) Probabilities(logits []float32) []float32 {
	probs := slices.Clone(logits)
	if c != nil {
		for i := range probs {
			probs[i] = float32(float64(probs[i]) / c.Temperature)
		}
	}
	Softmax(probs)
	return probs
}

// Check says what is wrong with a calibration that was read.
func (c *Calibration) Check() error {
	if c == nil || !(c.Temperature > 0) || math.IsInf(c.Temperature, 0) || c.Pictures < 1 || len(c.Answers) == 0 || len(c.Labels) == 0 {
		return errors.New("a calibration has a temperature above 0 and validation pictures")
	}
	for _, r := range append(slices.Clone(c.Answers), c.Labels...) {
		if r.N < 1 || r.N > c.Pictures || r.Right < 0 || r.Right > r.N || !(r.P >= 0) {
			return fmt.Errorf("row %+v of %d pictures", r, c.Pictures)
		}
	}
	return nil
}

// temperature is the most likely one where its logarithm has a normal prior around 0: few pictures,
// all of them right, move it less than many. Below leastFit pictures it is 1.
func temperature(pictures []Labelled) float64 {
	if len(pictures) < leastFit {
		return 1
	}
	cost := func(log float64) float64 {
		t := math.Exp(log)
		sum := log * log / (2 * priorSpread * priorSpread)
		for _, p := range pictures {
			sum += hot(p, t)
		}
		return sum
	}
	// Golden section: the cost falls to its minimum and rises from there.
	ratio := (math.Sqrt(5) - 1) / 2
	low, high := -math.Log(hottest), math.Log(hottest)
	a, b := high-ratio*(high-low), low+ratio*(high-low)
	fa, fb := cost(a), cost(b)
	for range 32 {
		if fa < fb {
			high, b, fb = b, a, fa
			a = high - ratio*(high-low)
			fa = cost(a)
		} else {
			low, a, fa = a, b, fb
			b = low + ratio*(high-low)
			fb = cost(b)
		}
	}
	return math.Exp((low + high) / 2)
}

// hot is the cross-entropy at a temperature.
func hot(p Labelled, t float64) float64 {
	top := float64(p.Logits[Largest(p.Logits)])
	sum := 0.0
	for _, v := range p.Logits {
		sum += math.Exp((float64(v) - top) / t)
	}
	return math.Log(sum) - (float64(p.Logits[p.Class])-top)/t
}

// ranks sorts rows of one picture by falling probability and counts them, equal ones together.
func ranks(one []Rank) []Rank {
	slices.SortFunc(one, func(a, b Rank) int { return cmp.Compare(b.P, a.P) })
	var all []Rank
	right := 0
	for i, r := range one {
		right += r.Right
		row := Rank{P: r.P, N: i + 1, Right: right}
		if n := len(all); n > 0 && all[n-1].P == r.P {
			all[n-1] = row
		} else {
			all = append(all, row)
		}
	}
	if len(all) <= rankLimit {
		return all
	}
	few := make([]Rank, rankLimit)
	for i := range few {
		few[i] = all[(i+1)*len(all)/rankLimit-1]
	}
	return few
}

// A Reliability says whether probabilities are to be believed: of the answers with
// probability p a share p should be right.
type Reliability struct {
	N       int     `json:"n"`
	Loss    float64 `json:"loss"`     // mean cross-entropy, calibrated
	LossRaw float64 `json:"loss_raw"` // and not
	ECE     float64 `json:"ece"`      // expected calibration error: the mean gap of Bins by their pictures
	ECERaw  float64 `json:"ece_raw"`
	Bins    []Bin   `json:"bins"` // of calibrated probabilities
	BinsRaw []Bin   `json:"bins_raw"`
	// Covered is the share of labels in the prediction sets that ask for UsualCoverage, and
	// SetSize their mean size.
	Covered float64 `json:"covered"`
	SetSize float64 `json:"set_size"`
}

// UsualCoverage is what Reliability measures prediction sets at.
const UsualCoverage = 0.9

// A Bin is the answers with probabilities between two bounds.
type Bin struct {
	From       float64 `json:"from"`
	To         float64 `json:"to"`
	N          int     `json:"n"`
	Confidence float64 `json:"confidence"` // mean probability of the answers
	Accuracy   float64 `json:"accuracy"`
}

// binCount is that of Guo and others 2017.
const binCount = 15

// Measure holds probabilities against labels.
func (c *Calibration) Measure(pictures []Labelled) *Reliability {
	r := &Reliability{N: len(pictures)}
	var raw *Calibration
	r.Bins, r.ECE, r.Loss = c.bins(pictures)
	r.BinsRaw, r.ECERaw, r.LossRaw = raw.bins(pictures)
	if c == nil {
		return r
	}
	least := c.SetThreshold(UsualCoverage)
	for _, p := range pictures {
		for _, k := range Set(c.Probabilities(p.Logits), least) {
			r.SetSize++
			if k == p.Class {
				r.Covered++
			}
		}
	}
	n := float64(max(len(pictures), 1))
	r.SetSize, r.Covered = r.SetSize/n, r.Covered/n
	return r
}

// bins are the reliability diagram, its expected calibration error and the loss.
func (c *Calibration) bins(pictures []Labelled) (bins []Bin, ece, loss float64) {
	bins = make([]Bin, binCount)
	for i := range bins {
		bins[i].From, bins[i].To = float64(i)/binCount, float64(i+1)/binCount
	}
	for _, p := range pictures {
		probs := c.Probabilities(p.Logits)
		best := Largest(probs)
		b := &bins[min(int(float64(probs[best])*binCount), binCount-1)]
		b.N++
		b.Confidence += float64(probs[best])
		if best == p.Class {
			b.Accuracy++
		}
		loss -= math.Log(max(float64(probs[p.Class]), 1e-30))
	}
	n := float64(max(len(pictures), 1))
	for i := range bins {
		b := &bins[i]
		if b.N == 0 {
			continue
		}
		ece += math.Abs(b.Confidence-b.Accuracy) / n
		b.Confidence /= float64(b.N)
		b.Accuracy /= float64(b.N)
	}
	return bins, ece, loss / n
}

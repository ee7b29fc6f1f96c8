package eval

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawn are pictures whose labels follow the softmax of their logits, which then are
// multiplied: the right temperature is that factor.
func drawn(r *rand.Rand, n, classes int, spread, factor float64) []Labelled {
	list := make([]Labelled, n)
	for i := range list {
		logits := make([]float32, classes)
		for k := range logits {
			logits[k] = float32(r.NormFloat64() * spread)
		}
		probs := slices.Clone(logits)
		Softmax(probs)
		u, label := r.Float64(), 0
		for u -= float64(probs[0]); u > 0 && label < classes-1; u -= float64(probs[label]) {
			label++
		}
		for k := range logits {
			logits[k] *= float32(factor)
		}
		list[i] = Labelled{logits, label}
	}
	return list
}

func TestTemperatureIsFound(t *testing.T) {
	for _, factor := range []float64{0.5, 1, 2.5} {
		r := rand.New(rand.NewPCG(1, 2))
		c := Calibrate(drawn(r, 2000, 4, 2, factor), drawn(r, 2000, 4, 2, factor))
		if math.Abs(math.Log(c.Temperature/factor)) > 0.12 {
			t.Errorf("logits times %g get the temperature %g", factor, c.Temperature)
		}
		if c.Test.ECE > 0.035 || factor != 1 && c.Test.ECERaw < 2*c.Test.ECE || c.Test.Loss > c.Test.LossRaw+1e-3 {
			t.Errorf("factor %g: calibration error %.3f, before %.3f; loss %.3f, before %.3f", factor, c.Test.ECE, c.Test.ECERaw, c.Test.Loss, c.Test.LossRaw)
		}
	}
}

// Few pictures, all right, prove little: the temperature stays near 1.
func TestFewPicturesChangeLittle(t *testing.T) {
	right := func(n int) (list []Labelled) {
		for range n {
			list = append(list, Labelled{[]float32{2, 0, 0}, 0})
		}
		return list
	}
	for n, least := range map[int]float64{1: 1, 9: 1, 10: 0.55, 30: 0.4, 1000: 1 / hottest} {
		got := temperature(right(n))
		if got < least || got > 1 {
			t.Errorf("%d pictures, all right: temperature %.3f, least %.3f", n, got, least)
		}
	}
}

func TestExpectedCalibrationError(t *testing.T) {
	logit := func(p float64) []float32 { return []float32{float32(math.Log(p / (1 - p))), 0} }
	var list []Labelled
	for i := range 10 { // nine of ten right at .9, five of ten at .8
		list = append(list, Labelled{logit(0.9), min(i/9, 1)}, Labelled{logit(0.8), i % 2})
	}
	var none *Calibration
	got := none.Measure(list)
	if math.Abs(got.ECERaw-0.15) > 1e-6 { // (10 x 0 + 10 x .3) / 20
		t.Errorf("%v, want 0.15: %+v", got.ECERaw, got.BinsRaw)
	}
}

// The answers above the threshold are right as often as was asked, on pictures that the
// threshold was not chosen on, in nearly every draw.
func TestSureKeepsItsPromise(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	broken, found := 0, 0
	for range 200 {
		c := Calibrate(drawn(r, 200, 3, 2, 1.5), nil)
		s, err := c.Sure(0.9)
		if err != nil {
			continue
		}
		found++
		right, n := 0, 0
		for _, p := range drawn(r, 2000, 3, 2, 1.5) {
			probs := c.Probabilities(p.Logits)
			if best := Largest(probs); float64(probs[best]) >= s.Threshold {
				n++
				if best == p.Class {
					right++
				}
			}
		}
		if float64(right)/float64(n) < 0.9 {
			broken++
		}
	}
	t.Logf("%d of %d thresholds broke their promise", broken, found)
	if found < 120 || float64(broken)/float64(found) > 0.1 {
		t.Errorf("%d of 200 draws had a threshold, %d of them broke it", found, broken)
	}
}

func TestSureSaysWhatCanBeHad(t *testing.T) {
	var list []Labelled
	for range 40 {
		list = append(list, Labelled{[]float32{3, 0}, 0})
	}
	c := Calibrate(list, nil)
	if s, err := c.Sure(0.93); err != nil || s.Coverage != 1 || s.Precision != 1 {
		t.Errorf("40 right answers: %+v, %v", s, err)
	}
	if _, err := c.Sure(0.99); err == nil {
		t.Error("40 pictures cannot vouch for 0.99")
	} else {
		t.Log(err)
	}
}

// Sets hold the label as often as they say, over draws of the validation pictures.
func TestSetsCover(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, coverage := range []float64{0.8, 0.9, 0.95} {
		for _, n := range []int{30, 300, 700} {
			held, all := 0, 0
			for range 25 {
				c := Calibrate(drawn(r, n, 5, 1.5, 2), nil)
				least := c.SetThreshold(coverage)
				for _, p := range drawn(r, 200, 5, 1.5, 2) {
					all++
					if slices.Contains(Set(c.Probabilities(p.Logits), least), p.Class) {
						held++
					}
				}
			}
			if got := float64(held) / float64(all); got < coverage-0.025 || got > coverage+0.07 {
				t.Errorf("sets of coverage %g from %d pictures hold %.3f", coverage, n, got)
			}
		}
	}
	if few := Calibrate(drawn(r, 8, 5, 1, 1), nil); few.SetThreshold(0.95) != 0 {
		t.Error("8 pictures cannot promise 0.95: every class belongs in the set")
	}
}

func TestRanksAreCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ps := rapid.SliceOfN(rapid.IntRange(0, 5000), rapid.SampledFrom([]int{1, 700}).Draw(t, "least"), 1500).Draw(t, "p")
		one := make([]Rank, len(ps))
		for i, p := range ps {
			one[i] = Rank{P: float64(p), Right: p % 2}
		}
		all := ranks(slices.Clone(one))
		if len(all) > rankLimit || all[len(all)-1].N != len(ps) {
			t.Fatalf("%d rows, the last of %d of %d", len(all), all[len(all)-1].N, len(ps))
		}
		for _, r := range all {
			n, right := 0, 0
			for _, o := range one {
				if o.P >= r.P {
					n++
					right += o.Right
				}
			}
			if n != r.N || right != r.Right {
				t.Fatalf("row %+v, counted %d and %d", r, n, right)
			}
		}
	})
}

func TestNeighbours(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	around := func(n int, centre []float32) (list []float32) {
		for range n {
			for _, v := range centre {
				list = append(list, v+float32(r.NormFloat64()*0.1))
			}
		}
		return list
	}
	a, b := []float32{1, 0, 0, 1}, []float32{0, 1, 0, -1}
	n := NewNeighbours(append(around(50, a), around(50, b)...), around(100, a), 4)
	far := n.Threshold(0.95)
	accepted := 0
	for range 1000 {
		if n.Distance(around(1, a)) <= far {
			accepted++
		}
	}
	if accepted < 900 || accepted > 990 {
		t.Errorf("%d of 1000 like the validation pictures are accepted, asked for 950", accepted)
	}
	if d := n.Distance([]float32{0, -1, 2, 0}); d < 2*far {
		t.Errorf("a picture unlike all has distance %g, the threshold is %g", d, far)
	}
	if d, e := n.Distance([]float32{10, 0, 0, 10}), n.Distance([]float32{1, 0, 0, 1}); math.Abs(d-e) > 1e-6 {
		t.Errorf("length changes the distance: %g and %g", d, e)
	}
	if d := n.Distance(make([]float32, 4)); math.IsNaN(d) {
		t.Error("no features at all have no distance")
	}
}

package train

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// A RangePoint is a step of a range test.
type RangePoint struct {
	Rate   float64 // of the step
	Loss   float64 // mean over the batch, before the update
	Smooth float64 // moving average of the losses, as fastai has it
}

// A RangeTest is the loss over an exponentially growing rate (Smith 2017, "Cyclical
// learning rates for training neural networks", section 3.3).
type RangeTest struct {
	Points   []RangePoint
	Valley   float64 // a third and a half into the longest fall of the smoothed loss: the one to use; fastai's default
	Steepest float64 // where the smoothed loss falls fastest over the logarithm of the rate
	Diverged bool    // the test ended before its last step
}

// A RangeConfig says which rates to try.
type RangeConfig struct {
	Low, High float64            // the first and the last rate
	Steps     int                // updates, one a rate
	Tell      func(p RangePoint) // hears of every step; nil for nobody
}

// Check refuses what cannot be tried.
func (c RangeConfig) Check() error {
	switch {
	case !(c.Low > 0 && c.Low < c.High && c.High <= 1e6):
		return fmt.Errorf("rates from %g to %g: both must be above 0, and rise", c.Low, c.High)
	case c.Steps < 20:
		return fmt.Errorf("steps is %d, must be at least 20: fewer show nothing", c.Steps)
	}
	return nil
}

// Constants of fastai's test: the weight of the past in the smoothed loss, and how many
// times the least smoothed loss ends it.
const (
	rangeMemory   = 0.98
	rangeDiverged = 4
)

// TestRange makes a step at each rate, whatever the job's schedule says, and judges no
// epoch. The network is of no use afterwards.
func TestRange(ctx context.Context, job Job, c RangeConfig) (*RangeTest, error) {
	if err := errors.Join(job.Recipe.Check(), c.Check()); err != nil {
		return nil, err
	}
	r := newRun(job)
	t := &RangeTest{}
	past, least := 0.0, math.Inf(1)
	for epoch := 1; len(t.Points) < c.Steps && !t.Diverged; epoch++ {
		before := len(t.Points)
		for b, err := range r.Train.Batches(ctx, epoch-1, 0) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return nil, err
			}
			if b.N == 1 && r.skipOne {
				continue
			}
			at := len(t.Points)
			rate := c.Low * math.Pow(c.High/c.Low, float64(at)/float64(c.Steps-1))
			res, err := r.trainStep(b, rate, epoch)
			if err != nil {
				return nil, err
			}
			r.at.Step++
			loss := res.Loss / float64(b.N)
			past = rangeMemory*past + (1-rangeMemory)*loss
			smooth := past / (1 - math.Pow(rangeMemory, float64(at+1)))
			if math.IsNaN(loss) || math.IsInf(loss, 0) || smooth > rangeDiverged*least {
				t.Diverged = true
				break
			}
			least = min(least, smooth)
			t.Points = append(t.Points, RangePoint{rate, loss, smooth})
			if c.Tell != nil {
				c.Tell(t.Points[at])
			}
			if len(t.Points) == c.Steps {
				break
			}
		}
		if len(t.Points) == before && !t.Diverged {
			return nil, fmt.Errorf("there is no training picture")
		}
	}
	if err := t.suggest(c.Steps); err != nil {
		return nil, err
	}
	return t, nil
}

// suggest leaves out the first tenth of the steps, where the smoothed loss is of too few,
// and the last five before the divergence.
func (t *RangeTest) suggest(steps int) error {
	first, last := steps/10, len(t.Points)-5
	if last-first < 5 {
		return fmt.Errorf("the loss diverged after %d of %d steps: begin with a smaller rate", len(t.Points), steps)
	}
	points := t.Points[first:last]
	from, to := longestFall(points)
	if to == from {
		return fmt.Errorf("the loss never fell: try larger rates")
	}
	third := float64(to-from) / 3
	t.Valley = points[from+int(third)+int(third/2)].Rate
	steepest := math.Inf(1)
	for i := range points[1:] {
		a, b := points[i], points[i+1]
		if slope := (b.Smooth - a.Smooth) / math.Log(b.Rate/a.Rate); slope < steepest {
			steepest, t.Steepest = slope, a.Rate
		}
	}
	return nil
}

// longestFall is where the longest falling subsequence of the smoothed losses ends, and
// the point as many before it as it is long.
func longestFall(points []RangePoint) (from, to int) {
	length := make([]int, len(points))
	for i := range points {
		for j := range i {
			if points[i].Smooth < points[j].Smooth {
				length[i] = max(length[i], length[j]+1)
			}
		}
		if length[i] > length[to] {
			to = i
		}
	}
	return to - length[to], to
}

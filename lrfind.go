package graft

import (
	"context"
	"fmt"
	"io"

	"graft/internal/rundir"
	"graft/internal/train"
)

// A RateConfig says which learning rates to try on what.
type RateConfig struct {
	Config            // data, model, what is frozen, batch, recipe: as Train takes them; a recipe's phases are left out
	Low, High float64 // rates of the body; 0 is 1e-6 and 10
	Steps     int     // 0 is 100
}

// A RateTest is the loss over the rate, and which one to take.
type RateTest struct {
	Model, Device string
	HeadLRX       float64 // the output layer learnt at the rate times this
	Valley        float64 // to use: a third and a half into the longest fall of the smoothed loss
	Steepest      float64 // where it falls fastest
	Diverged      bool    // the rates ended early, with the loss four times the least
	Points        []RatePoint
}

// A RatePoint is a step's rate, loss and smoothed loss.
type RatePoint = train.RangePoint

// Ranging is how far FindRate has come.
type Ranging struct {
	Done, Total int
	Rate, Loss  float64 // the smoothed loss
}

// FindRate trains through exponentially growing rates, a step each, until the loss diverges,
// and suggests one (Smith 2017; the suggestions are fastai's). No file is written and no run
// touched. Of the recipe its optimiser, groups, decay and losses count; the network learns as
// one, but for what Freeze names.
func FindRate(ctx context.Context, c RateConfig) (*RateTest, error) {
	s := &session{c: c.Config}
	if s.c.Events == nil {
		s.c.Events = func(Event) {}
	}
	adjust := s.c.Adjust
	s.c.Adjust = func(r *Recipe) {
		if adjust != nil {
			adjust(r)
		}
		r.Phases, r.Unfreeze = nil, ""
		r.EMA = 0 // nothing is judged
	}
	test := train.RangeConfig{Low: c.Low, High: c.High, Steps: c.Steps}
	if test.Low == 0 {
		test.Low = 1e-6
	}
	if test.High == 0 {
		test.High = 10
	}
	if test.Steps == 0 {
		test.Steps = 100
	}
	if err := test.Check(); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	if err := s.build(ctx); err != nil {
		return nil, err
	}
	defer s.net.Close()
	return s.findRate(ctx, test)
}

func (s *session) findRate(ctx context.Context, c train.RangeConfig) (*RateTest, error) {
	defer limitHeap(s.c.Memory, s.net.Bytes())()
	learn, kept, err := s.pictures(ctx, s.data.Train, true)
	if kept != nil {
		defer kept.Close()
	}
	if err != nil {
		return nil, err
	}
	weights, err := s.classWeights()
	if err != nil {
		return nil, err
	}
	p := s.stages[0]
	job := train.Job{Net: s.net, Graph: s.learns, Whole: s.graph, Recipe: p.recipe, Seed: s.c.Seed, Part: s.part, Frozen: s.frozen,
		Train: learn, Begun: s.begun, Weights: weights, Pixels: s.lower == nil}
	job.Recipe.Batch = s.batch()
	done := 0
	c.Tell = func(p train.RangePoint) {
		done++
		s.c.Events(Ranging{done, c.Steps, p.Rate, p.Smooth})
	}
	t, err := train.TestRange(ctx, job, c)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.model.Name, err)
	}
	x := 1.0
	if p.recipe.Groups {
		x = p.recipe.HeadLRX
	}
	return &RateTest{Model: s.model.Name, Device: s.engine.Device(), HeadLRX: x, Valley: t.Valley, Steepest: t.Steepest, Diverged: t.Diverged, Points: t.Points}, nil
}

// Draw writes the figure of the losses over the rates as PNG.
func (t *RateTest) Draw(w io.Writer) error {
	var rates, losses, smooth []float64
	for _, p := range t.Points {
		rates, losses, smooth = append(rates, p.Rate), append(losses, p.Loss), append(smooth, p.Smooth)
	}
	return rundir.DrawRates(w, fmt.Sprintf("%s: loss over the learning rate", t.Model), rates, losses, smooth, t.Valley)
}

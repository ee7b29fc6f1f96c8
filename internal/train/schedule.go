package train

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Schedule gives the rate of a step, counted from 0 over a whole phase.
type Schedule func(step, steps int) float64

// Schedules are the names of the schedules. All go by steps, but plateau, which
// goes by epochs.
func Schedules() []string { return []string{"constant", "cosine", "step", "onecycle", "plateau"} }

func (r Recipe) checkSchedule() error {
	if r.Schedule != "" && !slices.Contains(Schedules(), r.Schedule) {
		return fmt.Errorf("schedule is %q: there are %s", r.Schedule, strings.Join(Schedules(), ", "))
	}
	switch {
	case r.Warmup < 0:
		return fmt.Errorf("warmup is %g epochs, must be at least 0", r.Warmup)
	case r.Schedule == "step" && r.StepEpochs < 1:
		return fmt.Errorf("step-epochs is %d, must be at least 1 for the schedule step", r.StepEpochs)
	case (r.Schedule == "step" || r.Schedule == "plateau") && !(r.Gamma > 0 && r.Gamma < 1):
		return fmt.Errorf("gamma is %g, must be between 0 and 1 for the schedule %s", r.Gamma, r.Schedule)
	case r.Schedule == "plateau" && r.Plateau < 0:
		return fmt.Errorf("plateau-epochs is %d, must be at least 0", r.Plateau)
	}
	return nil
}

// Constant is the same rate at every step.
func Constant(rate float64) Schedule {
	return func(int, int) float64 { return rate }
}

// Cosine falls from rate to 0: torch's CosineAnnealingLR with T_max = steps (Loshchilov
// and Hutter 2017).
func Cosine(rate float64) Schedule {
	return func(step, steps int) float64 { return rate * (1 + math.Cos(math.Pi*float64(step)/float64(steps))) / 2 }
}

// Steps multiplies by gamma after every so many steps: StepLR.
func Steps(rate, gamma float64, every int) Schedule {
	return func(step, _ int) float64 { return rate * math.Pow(gamma, float64(step/every)) }
}

// OneCycle rises to rate in the first three tenths and falls to nearly 0, both along a
// cosine: OneCycleLR with cycle_momentum=False (Smith and Topin 2018).
func OneCycle(rate float64) Schedule {
	return func(step, steps int) float64 {
		const first, last, share = 1.0 / 25, 1.0 / 25 / 1e4, 0.3
		peak := share*float64(steps) - 1
		at := float64(step)
		between := func(from, to, part float64) float64 { return to + (from-to)/2*(1+math.Cos(math.Pi*part)) }
		if at <= peak && peak > 0 {
			return rate * between(first, 1, at/peak)
		}
		peak = max(peak, 0)
		return rate * between(1, last, min((at-peak)/max(float64(steps)-1-peak, 1), 1))
	}
}

// Warm rises from a hundredth of the rate to it in so many steps, and then follows s
// over the rest: SequentialLR of LinearLR(start_factor=0.01) and s.
func Warm(s Schedule, warm int) Schedule {
	return func(step, steps int) float64 {
		if step < warm {
			return s(0, max(steps-warm, 1)) * (0.01 + 0.99*float64(step)/float64(warm))
		}
		return s(step-warm, max(steps-warm, 1))
	}
}

// schedule is that of the recipe, epochs being of so many steps.
func (r Recipe) schedule(perEpoch int) Schedule {
	s := Constant(r.LR)
	switch r.Schedule {
	case "cosine":
		s = Cosine(r.LR)
	case "step":
		s = Steps(r.LR, r.Gamma, max(1, r.StepEpochs*perEpoch))
	case "onecycle":
		s = OneCycle(r.LR)
	}
	if warm := int(math.Round(r.Warmup * float64(perEpoch))); warm > 0 {
		s = Warm(s, warm)
	}
	return s
}

// A Plateau is the state of the schedule of that name: ReduceLROnPlateau on the
// held-out loss, with its relative threshold of 0.0001.
type Plateau struct {
	Factor float64 `json:"factor"` // of the rate; 0 stands for 1
	Best   float64 `json:"best"`
	Bad    int     `json:"bad"` // epochs since Best
	Seen   bool    `json:"seen"`
}

// See takes an epoch's loss.
func (p *Plateau) See(loss, gamma float64, patience int) {
	if !p.Seen || loss < p.Best*(1-1e-4) {
		p.Best, p.Bad, p.Seen = loss, 0, true
		return
	}
	if p.Bad++; p.Bad > patience {
		p.Factor, p.Bad = p.factor()*gamma, 0
	}
}

func (p *Plateau) factor() float64 {
	if p.Factor == 0 {
		return 1
	}
	return p.Factor
}

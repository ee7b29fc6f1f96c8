package train

import (
	"slices"

	"graft/internal/engine"
	"graft/internal/graph"
)

// An Extension is epochs that a run goes on for after its end.
type Extension struct {
	Epochs int     `json:"epochs"`
	LR     float64 `json:"lr,omitempty"` // 0 is that of the phase it goes on with
}

// Extend is the recipe of a phase as an extension runs it: the schedule is planned anew over
// the added epochs, without warm-up, since what the optimiser keeps is warm; and what ended the
// phase early (patience, target accuracy, time) does not end these.
func (r Recipe) Extend(e Extension) Recipe {
	r.Epochs, r.Warmup, r.Patience, r.TargetAccuracy, r.Time = e.Epochs, 0, 0, 0, 0
	if e.LR > 0 {
		r.LR = e.LR
	}
	return r
}

// FirstRate is the rate that the schedule begins with.
func (r Recipe) FirstRate() float64 { return r.schedule(100)(0, 100*r.Epochs) }

// HeadRateX is the output layer's multiple of the rate.
func (r Recipe) HeadRateX() float64 {
	if !r.Groups {
		return 1
	}
	return r.HeadLRX
}

// Ended reports whether the phase of the recipe is over at the position.
func (p *Position) Ended(r Recipe) bool {
	return p.Batches == 0 && (p.Over != "" || p.Finished >= p.Started+r.Epochs)
}

// Onward is a checkpoint at the end of a phase as one at the beginning of a later phase that
// goes on with the same optimiser: weights, momentum and moving average stay, the schedule
// begins. Where the recipe r of that phase averages, what learns only now begins with its weights.
func (c *Checkpoint) Onward(g *graph.Graph, phase int, r Recipe) {
	p := &c.Position
	p.Phase, p.Started = phase, p.Finished
	p.Updates, p.Steps, p.Step = p.Updates+p.Step, p.Steps+p.Step, 0
	p.Plateau, p.Own, p.Over, p.Ends = Plateau{}, nil, "", false
	if r.EMA == 0 {
		delete(c.Slots, engine.Average)
		return
	}
	averages := c.Slots[engine.Average]
	if averages == nil {
		averages = make([][]float32, len(g.Params))
		c.Slots[engine.Average] = averages
	}
	for i := range g.Params {
		if averages[i] == nil && !g.Params[i].Buffer() {
			averages[i] = slices.Clone(c.Params[i])
		}
	}
}

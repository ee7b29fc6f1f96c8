package graft

import (
	"cmp"
	"context"
	"fmt"

	"graft/internal/rundir"
	"graft/internal/train"
)

// ExtendConfig says which run to extend, and by how much.
type ExtendConfig struct {
	Run    string  // its directory
	Epochs int     // to add
	LR     float64 // 0 is the rate that the last phase of its recipe has
	Events func(Event)
}

// Extend goes on with a run after its end: the last phase of its recipe, from the last weights
// with what the optimiser and the moving average keep, the schedule planned anew over the added
// epochs. They are all trained: patience, a target accuracy and a time limit have had their say.
// The directory goes on too: metrics, curves, and the best model where no new one is better.
// An extension that is interrupted is resumed as any run.
func Extend(ctx context.Context, c ExtendConfig) (*Run, error) {
	if c.Epochs < 1 {
		return nil, fmt.Errorf("epochs to add are %d, must be at least 1", c.Epochs)
	}
	if c.LR < 0 || c.LR > 1e6 {
		return nil, fmt.Errorf("lr is %g, must be above 0", c.LR)
	}
	s, err := resumed(ResumeConfig{Run: c.Run, Events: c.Events})
	if err != nil {
		return nil, err
	}
	if !rundir.Finished(c.Run) {
		return nil, fmt.Errorf("%s is not finished: graft resume %s ends it first", c.Run, c.Run)
	}
	s.extended, s.extends = append(s.extended, train.Extension{Epochs: c.Epochs, LR: c.LR}), true
	return s.begin(ctx)
}

// extensions are the phases that were added to the recipe's.
func (s *session) extensions() []phase {
	var list []phase
	for _, e := range s.extended {
		p := s.stages[len(s.stages)-1]
		p.name, p.added, p.recipe = "extended", true, p.recipe.Extend(e)
		list = append(list, p)
	}
	return list
}

// goOn has a checkpoint at the end of the recipe, or of an extension, begin the next extension.
func (s *session) goOn() error {
	at := &s.resume.Position
	if at.Phase >= len(s.stages) {
		return fmt.Errorf("the checkpoint is of phase %d, and the recipe has %d", at.Phase+1, len(s.stages))
	}
	ended := at.Ended(s.stages[at.Phase].recipe)
	for i := at.Phase + 1; i < len(s.stages) && ended; i++ {
		if p := s.stages[i]; p.added {
			s.resume.Onward(s.graph, i, p.recipe)
			return nil
		} else if !at.Ends {
			break
		}
	}
	if s.extends {
		return fmt.Errorf("the last whole checkpoint of %s is not of its end: graft train DATA --from %s begins a new run with its model", s.resumes, s.resumes)
	}
	return nil
}

// extend writes down that the run goes on.
func (s *session) extend() error {
	p := s.stages[len(s.stages)-1]
	rate := p.recipe.FirstRate()
	s.c.Events(Extending{Epochs: p.recipe.Epochs, After: s.resume.Position.Finished, Schedule: cmp.Or(p.recipe.Schedule, "constant"),
		Rate: rate, HeadRate: rate * p.recipe.HeadRateX()})
	return s.dir.Extend(s.extended)
}

// Extending says how a run is extended.
type Extending struct {
	Epochs         int // to come
	After          int // that are finished
	Schedule       string
	Rate, HeadRate float64 // that it begins with
}

package graft

import (
	"context"
	"fmt"
	"time"

	"graft/internal/rundir"
	"graft/internal/train"
)

// A finishing is something to do with the best model after the last epoch.
type finishing struct {
	what string // that would be missing
	do   func(ctx context.Context, run *Run) error
}

// finish does what follows the last epoch, of an interrupted run too, which is to end soon.
// A failure here is a warning: the model is kept.
func (s *session) finish(ctx context.Context, run *Run) {
	if run.Interrupted {
		ctx = context.WithoutCancel(ctx)
	}
	steps := []finishing{
		{"answer to how unlike a picture is", s.knowNeighbours},
		{"report", s.report}, // the last: it shows what the others found
	}
	started := time.Now()
	for _, f := range steps {
		if err := f.do(ctx, run); err != nil {
			s.c.Events(Warning{fmt.Sprintf("no %s: %v", f.what, err)})
		}
	}
	s.clock.add("calibration and report", time.Since(started))
}

// predictions names the pictures of the answers that judged an epoch.
func (s *session) predictions(answers []train.Answer) []rundir.Prediction {
	list := make([]rundir.Prediction, len(answers))
	for i, a := range answers {
		part, samples := "test", s.data.Test
		if a.Part == train.Validating || len(samples) == 0 {
			part, samples = "val", s.data.Valid // which chose the epoch
		}
		list[i] = rundir.Prediction{Path: samples[a.Sample].Path, Part: part, Class: a.Class, Logits: a.Logits}
	}
	return list
}

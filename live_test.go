package graft

import (
	"context"
	"path/filepath"
	"testing"

	"graft/internal/rundir"
	"graft/internal/train"
)

// TestStopRequest: a run that is asked to stop ends as an interrupted one, with its model, its
// trace and nothing that says it is running.
func TestStopRequest(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	epochs := 0
	run, err := Train(context.Background(), Config{Data: "clothing", Model: "resnet20", Weights: "none", Limit: 8, Epochs: 1000, Out: dir,
		Events: func(e Event) {
			if _, is := e.(Epoch); is {
				if epochs++; epochs == 2 {
					if err := rundir.RequestStop(dir); err != nil {
						t.Error(err)
					}
				}
			}
		}})
	if err != nil || !run.Interrupted || run.BestEpoch == 0 {
		t.Fatalf("%+v, %v", run, err)
	}
	_, done, err := rundir.ReadMetrics(dir)
	if err != nil || done == nil || !done.Interrupted {
		t.Errorf("%+v, %v", done, err)
	}
	if live, err := rundir.ReadLive(dir); live != nil || err != nil {
		t.Errorf("live: %+v, %v", live, err)
	}
	pictures, err := rundir.ReadPictures(dir)
	if err != nil || len(pictures) != livePictures {
		t.Fatalf("%d pictures, %v", len(pictures), err)
	}
	trace, err := rundir.ReadTrace(dir)
	if err != nil || len(trace) != epochs {
		t.Fatalf("%d epochs traced of %d, %v", len(trace), epochs, err)
	}
	for _, e := range trace {
		if len(e.Points) == 0 || len(e.Answers) != len(pictures) {
			t.Errorf("epoch %d: %d points, %d answers", e.Epoch, len(e.Points), len(e.Answers))
		}
		for i, a := range e.Answers {
			if right := a.Class == pictures[i].Class; a.Prob <= 0 || a.Prob > 1 || right != (a.Prob == a.Right) {
				t.Errorf("epoch %d, picture %d of class %d: %+v", e.Epoch, i, pictures[i].Class, a)
			}
		}
	}
}

func TestShow(t *testing.T) {
	got := show(train.Answer{Class: 0, Logits: []float32{0, 1.0986123, 0}}) // log 3
	if got != (rundir.Shown{Class: 1, Prob: 0.6, Right: 0.2}) {
		t.Errorf("%+v", got)
	}
}

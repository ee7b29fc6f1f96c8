package graft

import (
	"testing"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// The answers in a run are the best epoch's: of every held-out picture once, with its
// accuracies and the classifier's probabilities, whole networks and kept features alike.
func TestRunKeepsTheBestEpochsPredictions(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"whole network": func(c *Config) { c.Epochs = 3; c.LR = 0.05 },
		"validation":    func(c *Config) { c.Adjust = func(r *Recipe) { r.Validation = 0.2 } },
		"kept features": func(c *Config) { c.Freeze = "all" },
	} {
		t.Run(name, func(t *testing.T) {
			c := small(t)
			change(&c)
			var best Epoch
			c.Events = func(e Event) {
				if e, ok := e.(Epoch); ok && e.Best {
					best = e
				}
			}
			run := mustTrain(t, c)
			list, err := rundir.ReadPredictions(run.Dir)
			if err != nil {
				t.Fatal(err)
			}
			right, pictures, seen := map[string]int{}, map[string]int{}, map[string]bool{}
			for _, p := range list {
				pictures[p.Part]++
				if eval.Largest(p.Logits) == p.Class {
					right[p.Part]++
				}
				seen[p.Path] = true
			}
			if pictures["test"] != best.Test.N || float64(right["test"])/float64(best.Test.N) != best.Test.Accuracy || len(seen) != len(list) {
				t.Errorf("%v pictures, %v of them right, %d different; the best epoch is %+v", pictures, right, len(seen), best)
			}
			if v := best.Val; v != nil && (pictures["val"] != v.N || float64(right["val"])/float64(v.N) != v.Accuracy) {
				t.Errorf("%v validation pictures, %v right; the best epoch is %+v", pictures, right, v)
			}
			if name == "validation" != (pictures["val"] > 0) {
				t.Errorf("%d validation pictures", pictures["val"])
			}
		})
	}
}

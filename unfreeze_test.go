package graft

import (
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/weights"

	"github.com/google/go-cmp/cmp"
)

// TestUnfreeze thaws a network stage by stage and looks at the model after every epoch:
// what is still frozen, batch norm's statistics included, is as it began.
func TestUnfreeze(t *testing.T) {
	c := small(t)
	start := filepath.Join(mustTrain(t, c).Dir, "model.safetensors")
	before, err := weights.Open(start)
	if err != nil {
		t.Fatal(err)
	}
	c.Weights, c.Out, c.Epochs = start, filepath.Join(t.TempDir(), "thawed"), 3
	c.Adjust = func(r *Recipe) { r.Unfreeze = "1:conv1+bn1+layer1+layer2,2:none" }
	learns := map[int]func(name string) bool{
		1: func(string) bool { return false }, // beside the output layer
		2: func(name string) bool { return name > "layer3" },
		3: func(string) bool { return true },
	}
	seen := 0
	c.Events = func(e Event) {
		epoch, ok := e.(Epoch)
		if !ok {
			return
		}
		seen++
		after, err := weights.Open(filepath.Join(c.Out, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range before.Names() {
			if strings.HasPrefix(name, "linear.") || strings.HasSuffix(name, "num_batches_tracked") {
				continue // the graft is new
			}
			a, _ := before.Get(name)
			b, _ := after.Get(name)
			if changed := !cmp.Equal(a.Data, b.Data); changed != learns[epoch.Epoch](name) {
				t.Errorf("epoch %d: %s changed: %t", epoch.Epoch, name, changed)
			}
		}
	}
	mustTrain(t, c)
	if seen != 3 {
		t.Errorf("%d epochs", seen)
	}
}

func TestUnfreezeThawsOnly(t *testing.T) {
	c := small(t)
	c.Out = ""
	c.Weights = filepath.Join(mustTrain(t, small(t)).Dir, "model.safetensors")
	c.Epochs, c.Adjust = 3, func(r *Recipe) { r.Unfreeze = "1:layer3,2:layer2" }
	if _, err := FindRate(t.Context(), RateConfig{Config: c, Steps: 20}); err != nil {
		t.Errorf("a range test has no stages: %v", err)
	}
	c.Out = filepath.Join(t.TempDir(), "run")
	if _, err := Train(t.Context(), c); err == nil || !strings.Contains(err.Error(), "would freeze layer2") {
		t.Errorf("error %v", err)
	}
}

package rundir

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/train"
)

// TestCheckpoints: two are kept, the newest that is whole is read back to the last bit, and one
// that is damaged, or was not finished, is named.
func TestCheckpoints(t *testing.T) {
	d, m := create(t), model()
	write := func(step int) {
		c := &train.Checkpoint{Params: m.Params, Slots: map[engine.Slot][][]float32{engine.Momentum: slices.Clone(m.Params)}}
		c.Slots[engine.Momentum][0] = nil // frozen
		c.Position = train.Position{Phase: 1, Step: step, Loss: 1.0 / 3, Best: &train.Epoch{Epoch: 2, Test: train.Score{Loss: 0.1}}}
		if err := d.WriteCheckpoint(m.Graph, c); err != nil {
			t.Fatal(err)
		}
	}
	for step := range 5 {
		write(step)
	}
	files, _ := filepath.Glob(filepath.Join(d.Path, CheckpointDir, "*"))
	if len(files) != 4 {
		t.Fatalf("there are %v", files)
	}
	c, refused, err := ReadCheckpoint(d.Path, m.Graph)
	if err != nil || len(refused) != 0 {
		t.Fatal(err, refused)
	}
	if p := c.Position; p.Phase != 1 || p.Step != 4 || p.Loss != 1.0/3 || p.Best.Test.Loss != 0.1 || p.Last != nil {
		t.Errorf("%+v", p)
	}
	for i := range m.Params {
		if !slices.Equal(c.Params[i], m.Params[i]) || i > 0 && !slices.Equal(c.Slots[engine.Momentum][i], m.Params[i]) {
			t.Errorf("%s changed", m.Graph.Params[i].Name)
		}
	}
	if c.Slots[engine.Momentum][0] != nil || c.Slots[engine.Average][1] != nil {
		t.Error("what was not kept was read")
	}

	newest := files[2] // name.safetensors, name.sha256
	b, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(){
		"damaged": func() {
			b[len(b)-1] ^= 1
			os.WriteFile(newest, b, 0o644)
		},
		"damaged: cut": func() { os.WriteFile(newest, b[:len(b)/2], 0o644) },
		"not finished": func() { os.Remove(files[3]) },
	} {
		change()
		c, refused, err := ReadCheckpoint(d.Path, m.Graph)
		if err != nil || c.Position.Step != 3 || len(refused) != 1 || !strings.Contains(refused[0], strings.Split(what, ":")[0]) && !strings.Contains(refused[0], "not finished") {
			t.Errorf("%s: %v, %v", what, refused, err)
		}
	}
	os.Remove(files[1])
	if _, _, err := ReadCheckpoint(d.Path, m.Graph); err == nil || !strings.Contains(err.Error(), "no checkpoint that is whole") {
		t.Errorf("error %v", err)
	}
	if _, _, err := ReadCheckpoint(t.TempDir(), m.Graph); err == nil || !strings.Contains(err.Error(), "no checkpoint to go on from") {
		t.Errorf("error %v", err)
	}
}

// TestReopen: later epochs than those finished, and the end, are dropped from the metrics.
func TestReopen(t *testing.T) {
	d := create(t)
	for e := 1; e <= 3; e++ {
		if err := d.WriteEpoch(Epoch{Event: "epoch", Epoch: e}); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.WriteDone(Done{Event: "done"}); err != nil {
		t.Fatal(err)
	}
	if !Finished(d.Path) {
		t.Error("a finished run is not")
	}
	again, err := Reopen(d.Path, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.WriteEpoch(Epoch{Event: "epoch", Epoch: 3, Loss: 5}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(d.Path, MetricsFile))
	if err != nil || strings.Count(string(b), "\n") != 3 || !strings.Contains(string(b), `"loss":5`) || Finished(d.Path) {
		t.Errorf("%s, %v", b, err)
	}
}

package graft

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/dataset"
)

// TestPlantedLabels gives 25 of the clothing photographs a wrong label and expects
// most of them back among few others. The network is SqueezeNet's, inside the program.
func TestPlantedLabels(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	t.Setenv("GRAFT_CACHE", t.TempDir())
	d, err := dataset.Open(context.Background(), "clothing", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	planted := 0
	for i := range d.Train {
		s := &d.Train[i]
		b, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		class, name := d.Classes[s.Class], filepath.Base(s.Path)
		if i%12 == 5 {
			class, name = d.Classes[(s.Class+1)%3], "wrong-"+name
			planted++
		}
		dir := filepath.Join(root, "photos", class)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := filepath.Join(root, "run")
	if _, err := Train(context.Background(), Config{Data: filepath.Join(root, "photos"), Model: "squeezenet1_1", Freeze: "all", Epochs: 1, Out: run}); err != nil {
		t.Fatal(err)
	}
	r, err := Check(context.Background(), CheckConfig{Data: filepath.Join(root, "photos"), Run: run})
	if err != nil {
		t.Fatal(err)
	}
	listed, right := 0, 0
	for _, f := range r.Findings {
		if f.Kind != "label" {
			continue
		}
		for _, g := range f.Groups {
			listed++
			if strings.HasPrefix(filepath.Base(g.Pictures[0].Path), "wrong-") {
				right++
			}
		}
	}
	t.Logf("%d of %d planted labels among %d listed; estimate %.1f, agreement %.3f", right, planted, listed, r.Labels.Estimate, r.Labels.Agreement)
	if planted != 25 || right < 16 || listed > 30 {
		t.Errorf("%d of %d planted labels among %d listed", right, planted, listed)
	}
	if e := r.Labels.Estimate; e < 15 || e > 40 {
		t.Errorf("estimate of wrong labels %.1f, %d are", e, planted)
	}
	if _, err := Check(context.Background(), CheckConfig{Data: filepath.Join(root, "photos"), Run: root}); err == nil {
		t.Error("a folder without a run was taken for one")
	}
}

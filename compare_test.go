package graft

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/rundir"
	"graft/internal/train"
)

// judged writes a run whose answers on n pictures are right but for some.
func judged(t *testing.T, location string, n int, wrong func(i int) bool) string {
	t.Helper()
	run := filepath.Join(t.TempDir(), "run")
	d, err := rundir.Create(run, false, &rundir.Config{Graft: Version, Model: "resnet20", Full: train.Recipe{},
		Data: rundir.Data{Name: "photos", Location: location, Classes: []string{"cat", "dog"}, Test: n, ChosenOn: "val"}})
	if err != nil {
		t.Fatal(err)
	}
	var answers []rundir.Prediction
	for i := range n {
		p := rundir.Prediction{Path: fmt.Sprintf("%s/cat/%d.jpg", strings.TrimSuffix(location, "/"), i), Part: "test", Logits: []float32{1, 0}}
		if wrong(i) {
			p.Logits = []float32{0, 1}
		}
		answers = append(answers, p, rundir.Prediction{Path: "other", Part: "val", Class: 1, Logits: []float32{1, 0}})
	}
	for _, err := range []error{d.WriteEpoch(rundir.Epoch{Event: "epoch", Epoch: 1, TestAcc: 0.5, Best: true}), d.WritePredictions(answers),
		d.WriteDone(rundir.Done{Event: "done", Seconds: 3})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return run
}

func TestCompare(t *testing.T) {
	good := judged(t, "photos", 100, func(i int) bool { return i < 5 })
	bad := judged(t, "/home/photos/", 100, func(i int) bool { return i >= 4 && i < 24 })
	c, err := Compare([]string{good, bad})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Pairs[0]
	// Right: the first 95, the second 80; wrong in both is picture 4.
	if p.Both != 76 || p.OnlyA != 19 || p.OnlyB != 4 || p.Neither != 1 || !p.Comparable || p.P < 0.0025 || p.P > 0.0027 {
		t.Errorf("%+v", p)
	}
	if c.Runs[0].Accuracy != 0.95 || c.Runs[1].Accuracy != 0.8 || c.Runs[0].N != 100 || c.Runs[0].BestEpoch != 1 || c.Runs[0].Seconds != 3 {
		t.Errorf("%+v", c.Runs)
	}
	for _, x := range []struct {
		other string
		says  string
	}{
		{bad, good + " is better than " + bad + " by 15.0 points, more than chance"},
		{judged(t, "photos", 100, func(i int) bool { return i < 7 }), "by 2.0 points, which may be chance"},
		{judged(t, "photos", 100, func(i int) bool { return i < 5 }), "equally accurate"},
		{judged(t, "photos", 90, func(i int) bool { return i < 5 }), "not comparable: they were judged on different pictures: 100 and 90, 90 of them the same"},
	} {
		c, err := Compare([]string{good, x.other})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Pairs[0].Verdict(); !strings.Contains(got, x.says) {
			t.Errorf("%s, want %s", got, x.says)
		}
	}
	if c, err = Compare([]string{good, bad, bad}); err != nil || len(c.Pairs) != 3 || c.Pairs[0].Adjusted < 2.9*c.Pairs[0].P {
		t.Errorf("three runs: %+v %v", c, err)
	}
	file := filepath.Join(t.TempDir(), "curves.png")
	if err := c.Draw(file); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(b), "\x89PNG") {
		t.Errorf("no picture of curves: %v", err)
	}
}

func TestCompareWithoutAnswers(t *testing.T) {
	a, b := judged(t, "photos", 9, func(int) bool { return false }), judged(t, "photos", 9, func(int) bool { return false })
	if err := os.Remove(filepath.Join(b, rundir.PredictionsFile)); err != nil {
		t.Fatal(err)
	}
	c, err := Compare([]string{a, b})
	if err != nil || c.Runs[1].Accuracy != 0.5 || !strings.Contains(c.Pairs[0].Verdict(), "keeps no answers") {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := Compare([]string{a, t.TempDir()}); err == nil || !strings.Contains(err.Error(), "is no run") {
		t.Errorf("a folder was taken for a run: %v", err)
	}
}

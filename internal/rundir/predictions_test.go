package rundir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPredictionsRoundTrip(t *testing.T) {
	d := create(t)
	if _, err := ReadPredictions(d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without any: %v", err)
	}
	want := []Prediction{
		{Path: "val/dog & \"cat\"/1.jpg", Part: "val", Class: 1, Logits: []float32{-1.25, 3.1415927}},
		{Path: "test/é.jpg", Part: "test", Class: 0, Logits: []float32{1e-30, -1e30}},
	}
	if err := d.WritePredictions(want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPredictions(d.Path)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestDamagedPredictionsAreNamed(t *testing.T) {
	whole := `{"path":"a","part":"val","class":0,"logits":[1,2]}` + "\n"
	for name, c := range map[string]struct{ line, want string }{
		"part":   {`{"path":"b","part":"train","class":0,"logits":[1,2]}`, "neither val nor test"},
		"class":  {`{"path":"b","part":"test","class":2,"logits":[1,2]}`, "class 2"},
		"logits": {`{"path":"b","part":"test","class":0,"logits":[1]}`, "1 logits"},
		"torn":   {`{"path":"b","part":"te`, "EOF"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, PredictionsFile), []byte(whole+c.line), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPredictions(dir); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRoundKeepsEveryNumberANumber(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1e-310: 0, -5e-324: 0, 1.2345678: 1.23457, -98765432: -98765400} {
		if got := Round(v); got != want {
			t.Errorf("%g is rounded to %g, not %g", v, got, want)
		}
	}
}

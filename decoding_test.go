package graft

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"graft/internal/dataset"
	"graft/internal/rundir"
)

// TestFastDecodingIsAPartOfTheModel: what it learnt from is what it sees later,
// whoever asks, unless told otherwise.
func TestFastDecodingIsAPartOfTheModel(t *testing.T) {
	c := small(t)
	c.Decode = DecodeFast
	run := mustTrain(t, c)
	config, err := rundir.ReadConfig(run.Dir)
	if err != nil || config.Data.Decode != "fast" {
		t.Fatalf("config %+v, %v", config.Data, err)
	}
	shoes, _ := filepath.Glob("../shared/data/clothing/shoes/*.jpg")
	if len(shoes) == 0 {
		t.Skip("missing: ../shared/data/clothing")
	}
	data, err := os.ReadFile(shoes[0])
	if err != nil {
		t.Fatal(err)
	}
	read := func(d Decoding) (seen, want []float32) {
		m, err := OpenWith(run.Dir, OpenOptions{Decode: d})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if seen, _, err = m.Tensors([][]byte{data}); err != nil {
			t.Fatal(err)
		}
		enough := 0
		if d != DecodeExact {
			enough = m.pre.Resize * 3 / 2
		}
		pic, err := dataset.Decode(data, dataset.DecodeOptions{Enough: enough})
		if err != nil {
			t.Fatal(err)
		}
		want = make([]float32, len(seen))
		m.pre.Normalize(want, m.pre.Eval(pic))
		return seen, want
	}
	fast, want := read("")
	exact, wantExact := read(DecodeExact)
	if !slices.Equal(fast, want) || !slices.Equal(exact, wantExact) {
		t.Error("the network sees another picture than the one decoded as recorded")
	}
	if slices.Equal(fast, exact) {
		t.Error("a picture of 192 pixels for a network of 32 is not read at reduced size")
	}
	e, err := Evaluate(context.Background(), EvalConfig{Model: run.Dir, Data: "clothing"})
	if err != nil || e.Accuracy != run.BestTestAcc {
		t.Errorf("evaluated %v, in training it was %v (%v)", e.Accuracy, run.BestTestAcc, err)
	}
	if _, err := OpenWith(run.Dir, OpenOptions{Decode: "quick"}); err == nil {
		t.Error("opened with decoding quick")
	}
}

package graft

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/model"
	"graft/internal/transform"
)

func TestTrainSide(t *testing.T) {
	for _, c := range []struct {
		model string
		size  int
		share float64
		want  int
	}{
		{"squeezenet1_1", 224, 0.86, 192}, {"squeezenet1_1", 224, 0, 224}, {"squeezenet1_1", 224, 1, 224}, {"squeezenet1_1", 224, 0.01, 32},
		{"squeezenet1_1", 250, 0.99, 250}, {"resnet20", 32, 0.5, 32}, {"vit_b_16", 224, 0.5, 224},
	} {
		m, err := model.Find(c.model)
		if err != nil {
			t.Fatal(err)
		}
		s := &session{model: m, graph: m.Build(2, c.size), pre: transform.Preprocess{Crop: c.size}}
		if got := s.trainSide(c.share); got != c.want {
			t.Errorf("%s, %g of %d: %d, want %d", c.model, c.share, c.size, got, c.want)
		}
	}
}

// smaller learns from a quarter of the pixels that it is judged by, with batch norm and a
// moving average, whose weights are judged too.
func smaller(t *testing.T) Config {
	c := small(t)
	c.ImageSize, c.Epochs = 64, 3
	c.Adjust = func(r *Recipe) { r.TrainSize, r.EMA = 0.5, 0.9 }
	return c
}

// A model is judged in training as it is used afterwards, and learns from what it is told to.
func TestTrainSize(t *testing.T) {
	c := smaller(t)
	var best Epoch
	c.Events = func(e Event) {
		switch e := e.(type) {
		case Plan:
			if e.Size != 64 {
				t.Errorf("used at %d pixels", e.Size)
			}
		case Epoch:
			if e.Best {
				best = e
			}
		}
	}
	run := mustTrain(t, c)
	got, err := Evaluate(context.Background(), EvalConfig{Model: filepath.Join(run.Dir, "best.safetensors"), Data: "clothing"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Accuracy != best.Test.Accuracy || math.Abs(got.Loss-best.Test.Loss) > 1e-4 {
		t.Errorf("in training accuracy %v and loss %v, afterwards %v and %v", best.Test.Accuracy, best.Test.Loss, got.Accuracy, got.Loss)
	}
	of := func(share float64) []byte {
		c := smaller(t)
		c.Epochs, c.Adjust = 1, func(r *Recipe) { r.TrainSize = share }
		data, err := os.ReadFile(filepath.Join(mustTrain(t, c).Dir, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	if half, whole := of(0.5), of(1); bytes.Equal(half, whole) {
		t.Error("half the side taught the same")
	}
}

func TestTrainSizeResumes(t *testing.T) {
	whole := mustTrain(t, smaller(t))
	c := smaller(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.Events = func(e Event) {
		if e, ok := e.(Epoch); ok && e.Epoch == 2 {
			cancel()
		}
	}
	part, err := Train(ctx, c)
	if err != nil || !part.Interrupted {
		t.Fatalf("%+v, %v", part, err)
	}
	if _, err := Resume(context.Background(), ResumeConfig{Run: part.Dir}); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"model.safetensors", "best.safetensors"} {
		a, err := os.ReadFile(filepath.Join(whole.Dir, file))
		b, err2 := os.ReadFile(filepath.Join(part.Dir, file))
		if err != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s is another after an interruption (%v, %v)", file, err, err2)
		}
	}
}

// Phases may have sizes of their own: progressive resizing.
func TestTrainSizeOfPhases(t *testing.T) {
	c := smaller(t)
	c.Weights = filepath.Join(mustTrain(t, small(t)).Dir, "model.safetensors")
	c.Adjust = func(r *Recipe) {
		r.Phases = []RecipePhase{{Name: "small", TrainSize: 0.5, Epochs: 1}, {Name: "large", Epochs: 1}}
	}
	var names []string
	c.Events = func(e Event) {
		if p, ok := e.(Phase); ok {
			names = append(names, p.Name)
		}
	}
	if mustTrain(t, c); strings.Join(names, ",") != "small,large" {
		t.Errorf("phases %v", names)
	}
}

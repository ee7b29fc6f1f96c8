package graft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"graft/internal/dataset"
	"graft/internal/eval"
	"graft/internal/rundir"
	"graft/internal/train"
)

// An EvalConfig says which model to measure on which pictures.
type EvalConfig struct {
	Model string // a run directory or a model file
	Data  string
	// All measures on every picture. Otherwise a folder with a test or validation
	// part is measured on that, and one without on what the run held out of it.
	All       bool
	TTA       bool // as OpenOptions has it
	Threads   int
	Precision Precision
	Decode    Decoding    // "" is as the model was trained
	Memory    int64       // cap in bytes, as OpenOptions has it
	Events    func(Event) // Checking, Fetching, Finding, Warning; may be nil
}

// An Evaluation is what a model got right.
type Evaluation struct {
	N         int
	Loss      float64 // mean cross-entropy
	Accuracy  float64
	Classes   []eval.Class
	Confusion [][]int // [label][predicted], in the order of Classes
	Part      string  // which pictures: test, val, held-out, all
	// Reliability says whether the probabilities are to be believed, before and after the
	// calibration that Temperature stands for (0: the model has none). Nil of more than
	// 20 million probabilities.
	Reliability *eval.Reliability
	Temperature float64
}

// Evaluate measures a model on labelled pictures. Classes are matched by name.
func Evaluate(ctx context.Context, e EvalConfig) (*Evaluation, error) {
	if e.Events == nil {
		e.Events = func(Event) {}
	}
	c, err := OpenWith(e.Model, OpenOptions{Threads: e.Threads, Precision: e.Precision, Decode: e.Decode, Memory: e.Memory, TTA: e.TTA})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	d, err := dataset.Open(ctx, e.Data, dataset.Options{
		Check: true, Evaluate: true, AllowBad: true, Threads: e.Threads, Decode: dataset.DecodeOptions{}.For(c.pre),
		Progress:      func(done, total int) { e.Events(Checking{done, total}) },
		FetchProgress: func(done, total int64) { e.Events(Fetching{e.Data, done, total}) },
	})
	if err != nil {
		return nil, err
	}
	part, samples, err := e.samples(c, d)
	if err != nil {
		return nil, err
	}
	for _, f := range d.Findings {
		e.Events(f)
	}
	ahead := 0
	if e.Memory > 0 {
		ahead = aheadCapped
	}
	l := dataset.NewLoader(samples, dataset.LoaderOptions{Batch: c.batch, Ahead: ahead, Preprocess: c.pre, Workers: e.Threads,
		Warn: func(err error) { e.Events(Warning{"left out: " + err.Error()}) }})
	var answers []eval.Labelled
	classes := len(c.Classes)
	keep := len(samples)*classes <= train.AnswersLimit
	r, err := eval.Run(ctx, c.net, classes, l.Epoch(ctx, 0), func(b *dataset.Batch, logits []float32) error {
		for i := 0; keep && i < b.N; i++ {
			answers = append(answers, eval.Labelled{Logits: slices.Clone(logits[i*classes : (i+1)*classes]), Class: int(b.Labels[i])})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	v := &Evaluation{N: r.N, Loss: r.Loss, Accuracy: r.Accuracy, Classes: r.Classes(c.Classes), Confusion: r.Confusion, Part: part}
	if keep {
		v.Reliability = c.calibration.Measure(answers)
	}
	if c.calibration != nil {
		v.Temperature = c.calibration.Temperature
	}
	return v, nil
}

// samples chooses the pictures to measure on, labelled as the model numbers its classes.
func (e *EvalConfig) samples(c *Classifier, d *dataset.Dataset) (string, []dataset.Sample, error) {
	part := "all"
	split, err := os.ReadFile(filepath.Join(filepath.Dir(c.Path), rundir.SplitFile))
	switch {
	case err != nil && !errors.Is(err, os.ErrNotExist):
		return "", nil, err
	case e.All:
	case len(d.Test) > 0:
		part = "test"
	case len(d.Valid) > 0:
		part = "val"
	case err == nil:
		if err := d.ApplySplit(split); err != nil {
			return "", nil, fmt.Errorf("%s: %w", e.Data, err)
		}
		part = "held-out"
	}
	if err := d.Relabel(c.Classes); err != nil {
		return "", nil, err
	}
	switch part {
	case "test", "held-out":
		return part, d.Test, nil
	case "val":
		return part, d.Valid, nil
	}
	return part, append(append(append([]dataset.Sample(nil), d.Train...), d.Valid...), d.Test...), nil
}

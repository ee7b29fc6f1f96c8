package graft

import (
	"context"
	"errors"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/train"
)

// calibrate fits on the validation pictures' answers; nil where there are none. Test pictures
// only measure.
func (s *session) calibrate(answers []train.Answer) *eval.Calibration {
	var validation, test []eval.Labelled
	for _, a := range answers {
		l := eval.Labelled{Logits: a.Logits, Class: a.Class}
		if a.Part == train.Validating || len(s.data.Test) == 0 {
			validation = append(validation, l)
		} else {
			test = append(test, l)
		}
	}
	if len(validation) == 0 {
		return nil
	}
	return eval.Calibrate(validation, test)
}

// neighbourLimit is how many training pictures a model knows the features of (more where it
// has many classes), and how many validation pictures say what distance is usual: a second or two of
// work, and half a megabyte in the model file.
const neighbourLimit = 512

// knowNeighbours adds to the best model what training pictures look like to it.
func (s *session) knowNeighbours(ctx context.Context, run *Run) error {
	if run.Interrupted || len(s.data.Valid) == 0 {
		return nil
	}
	s.net.Close() // its memory is needed
	m, err := rundir.ReadModel(s.dir.Path)
	if err != nil {
		return err
	}
	g := s.model.Build(len(m.Classes), m.Preprocess.Crop)
	values, err := model.Restore(g, m.State)
	if err != nil {
		return err
	}
	tapped, size, ok := graph.Tap(g)
	if !ok {
		return errors.New("the network has no features below its output layer")
	}
	net, err := s.engine.Compile(tapped, engine.Config{Batch: min(s.part, batchSize)})
	if err != nil {
		return err
	}
	defer net.Close()
	train.Load(net, values)
	training, err := s.tap(ctx, net, size, ofEachClass(s.data.Train, len(m.Classes), max(neighbourLimit, 4*len(m.Classes))))
	if err != nil {
		return err
	}
	validation, err := s.tap(ctx, net, size, evenly(s.data.Valid, neighbourLimit))
	if err != nil {
		return err
	}
	if len(training) == 0 || len(validation) == 0 {
		return errors.New("the pictures cannot be read any more")
	}
	return s.dir.WriteNeighbours(eval.NewNeighbours(training, validation, size))
}

// tap returns the features of samples, size values each.
func (s *session) tap(ctx context.Context, net engine.Network, size int, samples []dataset.Sample) ([]float32, error) {
	classes := len(s.data.Classes)
	out := make([]float32, batchSize*(classes+size))
	var features []float32
	for b, err := range s.source(samples, false).Batches(ctx, 0, 0) {
		if err == nil {
			err = net.Infer(b.X, b.N, out)
		}
		if err != nil {
			return nil, err
		}
		for i := range b.N {
			features = append(features, out[i*(classes+size)+classes:(i+1)*(classes+size)]...)
		}
	}
	return features, nil
}

// ofEachClass are up to so many samples, equally many of each class where they are enough.
func ofEachClass(samples []dataset.Sample, classes, limit int) (chosen []dataset.Sample) {
	if len(samples) <= limit {
		return samples
	}
	byClass := make([][]dataset.Sample, classes)
	for _, s := range samples {
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	for _, of := range byClass {
		chosen = append(chosen, evenly(of, limit/classes)...)
	}
	return chosen
}

// evenly are up to n of a list, evenly.
func evenly(list []dataset.Sample, n int) []dataset.Sample {
	if len(list) <= n {
		return list
	}
	few := make([]dataset.Sample, n)
	for i := range few {
		few[i] = list[i*len(list)/n]
	}
	return few
}

package graft

import (
	"context"
	"fmt"
	"runtime"

	"graft/internal/check"
	"graft/internal/dataset"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/train"
	"graft/internal/transform"
)

// labels finds likely wrong labels with the network of a run: a body makes features
// of every picture, and heads that never saw a picture's fold answer for it. The body
// is the published one that the run began with, since it has seen no label; where it began
// otherwise, the run's.
func (c *CheckConfig) labels(ctx context.Context, d *dataset.Dataset, r *check.Report) error {
	file, err := rundir.Find(c.Run)
	if err != nil {
		return err
	}
	m, err := rundir.ReadModel(file)
	if err != nil {
		return err
	}
	arch, err := model.Find(m.Name)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(d.Classes) < 2 {
		return fmt.Errorf("%s has one class: labels are judged against each other", c.Data)
	}
	g := arch.Build(len(m.Classes), m.Preprocess.Crop)
	values, err := c.body(ctx, g, arch, m)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	samples, parts := everything(d)
	features, err := c.features(ctx, g, values, m.Preprocess, samples)
	if err != nil {
		return err
	}
	threads := c.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	probs, err := check.OutOfSample(ctx, d, samples, features, 0, threads)
	if err != nil {
		return err
	}
	r.AddLabels(d, parts, samples, probs)
	return nil
}

// body is the values of g's parameters to make features with.
func (c *CheckConfig) body(ctx context.Context, g *graph.Graph, arch *model.Model, m *rundir.Model) ([][]float32, error) {
	if w := arch.Default(); w != nil && rundir.BeganWith(c.Run) == "auto" {
		state, err := model.LoadWeights(ctx, arch, w, func(done, total int64) { c.Events(Fetching{w.File.Name, done, total}) })
		if err != nil {
			return nil, err
		}
		return model.Graft(g, state, 0)
	}
	return model.Restore(g, m.State)
}

func everything(d *dataset.Dataset) (samples []dataset.Sample, parts []dataset.Split) {
	for _, part := range []dataset.Split{dataset.Train, dataset.Valid, dataset.Test} {
		for _, s := range d.Samples(part) {
			samples, parts = append(samples, s), append(parts, part)
		}
	}
	return samples, parts
}

// features are the means over all places of what the body makes of each picture.
func (c *CheckConfig) features(ctx context.Context, g *graph.Graph, values [][]float32, pre transform.Preprocess, samples []dataset.Sample) ([]float32, error) {
	e, err := newEngine(c.Threads, Auto)
	if err != nil {
		return nil, err
	}
	b, err := newBody(e, g)
	if err != nil {
		return nil, err
	}
	defer b.net.Close()
	train.Load(b.net, values)
	l := dataset.NewLoader(samples, dataset.LoaderOptions{Batch: batchSize, Preprocess: pre, Workers: c.Threads, Decode: dataset.DecodeOptions{MaxPixels: c.MaxPixels}})
	return b.of(ctx, l, func(done, total int) { c.Events(Keeping{done, total}) })
}

// average writes the mean of the rows of maps, each as long as mean.
func average(mean, maps []float32) {
	for at := 0; at < len(maps); at += len(mean) {
		for k := range mean {
			mean[k] += maps[at+k]
		}
	}
	n := float32(len(maps) / len(mean))
	for k := range mean {
		mean[k] /= n
	}
}

package graft

import (
	"context"
	"fmt"
	"iter"
	"strconv"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/features"
	"graft/internal/graph"
	"graft/internal/train"
)

// A Phase begins: what of the network learns now. Recipe fast has three.
type Phase struct {
	Name   string // "output layer", "upper part", "whole network"
	Epochs int
	Kept   int // pictures of which the frozen part's features are kept; 0 for none
}

// A phase is a part of a run in which the same parameters learn.
type phase struct {
	name   string
	frozen []bool
	recipe train.Recipe
	images int // the most training pictures of an epoch, 0 for all
}

// phases are those of the run's recipe.
func (s *session) phases() ([]phase, error) {
	if s.recipe.Name != "fast" {
		return []phase{{frozen: s.frozen, recipe: s.recipe}}, nil
	}
	if s.c.Freeze != "" {
		return nil, fmt.Errorf("recipe fast freezes and thaws by itself: leave out what to freeze (%s), or take the recipe plain", s.c.Freeze)
	}
	if s.c.Weights == "none" {
		return nil, fmt.Errorf("recipe fast begins with a trained network's features: from scratch take the recipe plain")
	}
	// The figures below are measured: docs/performance.md.
	head, upper, whole := s.recipe, s.recipe, s.recipe
	upper.Epochs, upper.HeadLRX = 1, 1
	whole.Epochs, whole.HeadLRX, whole.LR = 1, 1, s.recipe.LR/4
	all, err := graph.Freeze(s.graph, "all")
	if err != nil {
		return nil, err
	}
	lower, err := graph.Freeze(s.graph, strconv.Itoa(s.lowerBlocks()))
	if err != nil {
		return nil, err
	}
	return []phase{
		{"output layer", all, head, 0},
		{"upper part", lower, upper, 0},
		{"whole network", make([]bool, len(s.graph.Params)), whole, 4 * s.recipe.Batch},
	}, nil
}

// lowerBlocks is how many blocks make three quarters of the network's work, the
// output layer's block left out.
func (s *session) lowerBlocks() int {
	blocks := graph.Blocks(s.graph)
	var total, sum int64
	for _, b := range blocks {
		total += b.MACs
	}
	for i, b := range blocks {
		if sum += b.MACs; 4*sum >= 3*total {
			return min(i, len(blocks)-2)
		}
	}
	return 0
}

// compile makes the network that the frozen parameters ask for: the whole, or where
// a lower part can be cut off, that part and the upper one, which learns from its features.
func (s *session) compile(values [][]float32) (err error) {
	trainable := func(param int) bool { return !s.frozen[param] }
	lower, upper, ok := graph.Split(s.graph, s.frozen)
	s.learns = s.graph
	if ok {
		s.learns = upper
	}
	if err := s.fit(trainable, lower); err != nil {
		return err
	}
	if s.net, err = s.engine.Compile(s.learns, engine.Config{Batch: s.part, Train: true, Trainable: trainable}); err != nil {
		return err
	}
	s.lower = nil
	if ok {
		if s.lower, err = s.engine.Compile(lower, engine.Config{Batch: min(s.part, batchSize)}); err != nil {
			return err
		}
		n := &features.Network{Network: s.net, Lower: s.lower, InLower: make([]bool, len(s.graph.Params))}
		for i := range lower.Nodes {
			for _, p := range lower.Nodes[i].Params {
				n.InLower[p] = true
			}
		}
		s.net = n
	}
	train.Load(s.net, values)
	return nil
}

// sources are where a phase's batches come from, for training, validation (nil
// where there is none) and test, and what to close behind it.
func (s *session) sources(ctx context.Context, images int) (learn train.Source, val *train.Source, test train.Source, end func(), err error) {
	valid, held := s.data.Valid, s.data.Test
	if len(valid) > 0 && len(held) == 0 {
		valid, held = nil, valid
	}
	var stores []*features.Store
	end = func() {
		for _, f := range stores {
			f.Close()
		}
	}
	source := func(samples []dataset.Sample, learns bool) (train.Source, error) {
		if s.lower == nil {
			return s.source(samples, learns), nil
		}
		f, err := s.keepFeatures(ctx, samples, learns)
		if err != nil {
			return train.Source{}, err
		}
		stores = append(stores, f)
		batch := min(s.part, batchSize)
		if learns {
			batch = s.batch()
		}
		return train.Source{Batches: f.Batches(batch, learns, s.c.Seed), Images: f.Images()}, nil
	}
	if learn, err = source(s.data.Train, true); err != nil {
		return learn, nil, test, end, err
	}
	if images > 0 && images < learn.Images {
		learn = train.Source{Batches: first(images, learn.Batches), Images: images}
	}
	if len(valid) > 0 {
		v, err := source(valid, false)
		if err != nil {
			return learn, nil, test, end, err
		}
		val = &v
	}
	test, err = source(held, false)
	return learn, val, test, end, err
}

// first are the batches of an epoch up to so many pictures.
func first(images int, all func(context.Context, int) iter.Seq2[*dataset.Batch, error]) func(context.Context, int) iter.Seq2[*dataset.Batch, error] {
	return func(ctx context.Context, epoch int) iter.Seq2[*dataset.Batch, error] {
		return func(yield func(*dataset.Batch, error) bool) {
			seen := 0
			for b, err := range all(ctx, epoch) {
				if err == nil {
					seen += b.N
				}
				if !yield(b, err) || seen >= images {
					return
				}
			}
		}
	}
}

// defaultFeatureBytes are what kept features may take in memory without a cap.
const defaultFeatureBytes = 1 << 30

// keepFeatures runs the lower part over samples.
func (s *session) keepFeatures(ctx context.Context, samples []dataset.Sample, learns bool) (*features.Store, error) {
	variants := 1
	if learns {
		variants = max(1, s.c.AugmentCache)
	}
	limit := defaultFeatureBytes
	if s.c.Memory > 0 {
		limit = s.images / 2
	}
	if learns {
		limit -= limit / 8 // of held-out pictures there are fewer
	} else {
		limit /= 16
	}
	f, err := features.New(features.Options{Samples: len(samples), Variants: variants, Size: s.learns.Input().Len(), Limit: limit})
	if err != nil {
		return nil, err
	}
	l := dataset.NewLoader(samples, dataset.LoaderOptions{
		Batch: min(s.part, batchSize), Preprocess: s.pre, Augment: learns && s.c.AugmentCache > 0, Seed: s.c.Seed, Workers: s.c.Threads, Cache: s.cache,
		Decode: dataset.DecodeOptions{MaxPixels: s.c.MaxPixels},
		Warn:   func(err error) { s.c.Events(Warning{"left out: " + err.Error()}) },
	})
	err = f.Fill(ctx, s.lower, l.Epoch, func(n, total int) { s.c.Events(Keeping{n, total}) })
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Keeping is how many pictures have gone through the frozen part.
type Keeping struct{ Done, Total int }

// run trains the phases one after another.
func (s *session) run(ctx context.Context) (train.Done, error) {
	phases, err := s.phases()
	if err != nil {
		return train.Done{}, err
	}
	var all train.Done
	epochs := 0
	for _, p := range phases {
		epochs += p.recipe.Epochs
	}
	finished := 0
	for i, p := range phases {
		if i > 0 {
			values := train.Capture(s.net, s.graph, 0, 0).Params
			s.net.Close()
			s.frozen = p.frozen
			if err := s.compile(values); err != nil {
				return all, err
			}
		}
		done, err := s.phase(ctx, p, &all, finished, epochs)
		if done.Last != nil {
			all.Last, all.Best, all.Steps = done.Last, done.Best, all.Steps+done.Steps
			all.ImagesPerSec = done.ImagesPerSec
		}
		all.Interrupted = done.Interrupted
		if err != nil || done.Interrupted {
			return all, err
		}
		if i == 0 && len(phases) > 1 {
			score := done.Best.Test
			s.headAlone = &score
			s.c.Events(HeadAlone{Epoch: done.Best.Epoch, Test: score})
		}
		finished += p.recipe.Epochs
	}
	s.c.Events(all)
	return all, nil
}

// HeadAlone is what the output layer reached on the untouched body's features.
type HeadAlone struct {
	Epoch int
	Test  train.Score
}

func (s *session) phase(ctx context.Context, p phase, before *train.Done, finished, epochs int) (train.Done, error) {
	kept := 0
	if s.lower != nil {
		kept = len(s.data.Train) + len(s.data.Valid) + len(s.data.Test)
	}
	if p.name != "" {
		s.c.Events(Phase{Name: p.name, Epochs: p.recipe.Epochs, Kept: kept})
	}
	learn, val, test, end, err := s.sources(ctx, p.images)
	defer end()
	if err != nil {
		if ctx.Err() != nil {
			return train.Done{Last: before.Last, Best: before.Best, Interrupted: true}, nil
		}
		return train.Done{}, err
	}
	job := train.Job{Net: s.net, Graph: s.learns, Whole: s.graph, Recipe: p.recipe, Seed: s.c.Seed, Part: s.part, Train: learn, Val: val, Test: test,
		Finished: finished, Epochs: epochs, Best: before.Best, Keep: s.keep}
	job.Emit = func(e train.Event) {
		if _, is := e.(train.Done); !is {
			s.c.Events(e)
		}
	}
	job.Recipe.Batch = s.batch()
	if train.DropsLast(s.learns, learn.Images, job.Recipe.Batch) {
		s.c.Events(Warning{"the last batch of an epoch has a single picture, of which batch normalisation has no variance: it is left out"})
	}
	return train.Run(ctx, job)
}

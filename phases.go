package graft

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

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
	phased train.Phased
	added  bool // it extends the run
	cut    cut
}

// phases are those of the run's recipe. What --freeze names is frozen in all of them;
// where that leaves a phase nothing that the one before it has not, it is left out.
func (s *session) phases() ([]phase, error) {
	asked, err := graph.Freeze(s.graph, s.c.Freeze)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.model.Name, err)
	}
	stages := s.recipe.Stages()
	if len(stages) == 0 {
		return []phase{{frozen: asked, recipe: s.recipe.For(train.Phased{}, true)}}, nil
	}
	if s.c.Weights == "none" {
		return nil, fmt.Errorf("recipe %s begins with a trained network's features: from scratch take the recipe scratch, plain or d2l", s.recipe.Name)
	}
	var list []phase
	for _, p := range stages {
		frozen, err := s.freeze(p.Freeze)
		if err != nil {
			return nil, fmt.Errorf("recipe %s, phase %s: %w", s.recipe.Name, p.Name, err)
		}
		for k := range frozen {
			frozen[k] = frozen[k] || asked[k]
		}
		if n := len(list); n > 0 && s.recipe.Unfreeze != "" {
			if k := refrozen(list[n-1].frozen, frozen); k >= 0 {
				return nil, fmt.Errorf("unfreeze: %s would freeze %s again; stages thaw more and more", p.Freeze, s.graph.Params[k].Name)
			}
		}
		if n := len(list); n > 0 && slices.Equal(list[n-1].frozen, frozen) && slices.Contains(asked, true) {
			continue
		}
		list = append(list, phase{name: p.Name, frozen: frozen, images: p.Batches * s.recipe.Batch, phased: p})
	}
	if len(list) == 1 && s.c.Epochs > 0 {
		list[0].phased.Epochs = s.c.Epochs
	}
	for i := range list {
		list[i].recipe = s.recipe.For(list[i].phased, i == len(list)-1)
	}
	return list, nil
}

// refrozen is the first parameter that is frozen and was not before, or -1.
func refrozen(before, now []bool) int {
	for k := range now {
		if now[k] && !before[k] {
			return k
		}
	}
	return -1
}

// freeze is graph.Freeze, and understands a share of the network's work, as 75%.
func (s *session) freeze(what string) ([]bool, error) {
	if share, ok := strings.CutSuffix(what, "%"); ok {
		percent, err := strconv.ParseFloat(share, 64)
		if err != nil || !(percent > 0 && percent < 100) {
			return nil, fmt.Errorf("freeze %q: a share is above 0%% and below 100%%", what)
		}
		what = strconv.Itoa(s.lowerBlocks(percent / 100))
	}
	return graph.Freeze(s.graph, what)
}

// lowerBlocks is how many blocks make a share of the network's work, the output
// layer's block left out.
func (s *session) lowerBlocks(share float64) int {
	blocks := graph.Blocks(s.graph)
	var total, sum int64
	for _, b := range blocks {
		total += b.MACs
	}
	for i, b := range blocks {
		if sum += b.MACs; float64(sum) >= share*float64(total) {
			return min(i, len(blocks)-2)
		}
	}
	return 0
}

// A cut says which networks a phase compiles: the one that learns and, where there is one, another
// for inference beside it, which makes the features it learns from, or judges larger pictures than it learns from.
type cut struct {
	learns, beside *graph.Graph
	features       bool
}

// cut is that of a phase.
func (s *session) cut(p phase) (cut, error) {
	if lower, upper, ok := graph.Split(s.graph, p.frozen); ok {
		return cut{learns: upper, beside: lower, features: true}, nil
	}
	side := s.trainSide(p.recipe.TrainSize)
	if side == s.pre.Crop {
		return cut{learns: s.graph}, nil
	}
	g := s.model.Build(len(s.data.Classes), side)
	return cut{learns: g, beside: s.graph}, s.drop(g)
}

// compile makes the network that a phase's frozen parameters ask for: the whole, or where
// a lower part can be cut off, that part and the upper one, which learns from its features; or the whole
// for two sizes of pictures.
func (s *session) compile(p phase, values [][]float32) (err error) {
	s.frozen = p.frozen
	trainable := func(param int) bool { return !s.frozen[param] }
	c := p.cut
	s.learns = c.learns
	if err := s.fit(trainable, c, p.recipe.Slots()); err != nil {
		return err
	}
	if s.net, err = s.engine.Compile(s.learns, engine.Config{Batch: s.part, Train: true, Trainable: trainable, Slots: p.recipe.Slots()}); err != nil {
		return err
	}
	s.lower = nil
	if c.beside != nil {
		beside, err := s.engine.Compile(c.beside, engine.Config{Batch: min(s.part, batchSize)})
		if err != nil {
			return err
		}
		if c.features {
			s.lower = beside
			s.net = features.Join(s.net, beside, c.beside)
		} else {
			s.net = newResized(s.net, beside, s.graph)
		}
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
		of, kept, err := s.pictures(ctx, samples, learns)
		if kept != nil {
			stores = append(stores, kept)
		}
		return of, err
	}
	if learn, err = source(s.data.Train, true); err != nil {
		return learn, nil, test, end, err
	}
	if images > 0 && images < learn.Images {
		learn = train.Source{Batches: first(images, s.batch(), learn.Batches), Images: images}
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

// pictures is a source of samples or, where a lower part is cut off, of their features; the
// store of these, nil where there is none, is the caller's to close.
func (s *session) pictures(ctx context.Context, samples []dataset.Sample, learns bool) (train.Source, *features.Store, error) {
	if s.lower == nil {
		return s.source(samples, learns), nil, nil
	}
	started := time.Now()
	f, err := s.keepFeatures(ctx, samples, learns)
	s.clock.add("features of the frozen part", time.Since(started))
	if err != nil {
		return train.Source{}, nil, err
	}
	batch := min(s.part, batchSize)
	if learns {
		batch = s.batch()
	}
	return train.Source{Batches: f.Batches(batch, learns, learns && s.recipe.Balanced, s.c.Seed), Images: f.Images()}, f, nil
}

// batches are those of an epoch, from one on.
type batches = func(ctx context.Context, epoch, from int) iter.Seq2[*dataset.Batch, error]

// first are the batches of an epoch up to so many pictures.
func first(images, batch int, all batches) batches {
	return func(ctx context.Context, epoch, from int) iter.Seq2[*dataset.Batch, error] {
		return func(yield func(*dataset.Batch, error) bool) {
			seen := from * batch
			if seen >= images {
				return
			}
			for b, err := range all(ctx, epoch, from) {
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
	if learns && s.c.AugmentCache == 0 && s.c.Augment != "" {
		s.c.Events(Warning{"features of the frozen part are kept of pictures as evaluation sees them: --augment-cache K keeps those of K augmented ones"})
	}
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
		Batch: min(s.part, batchSize), Preprocess: s.pre, Augment: learns && s.c.AugmentCache > 0, Augmentation: s.augment, Seed: s.c.Seed, Workers: s.c.Threads, Cache: s.cache,
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
	var all train.Done
	first, epochs := 0, 0
	if s.resume != nil {
		first, all.At = s.resume.Position.Phase, s.resume.Position
		epochs = all.At.Started
		all.Last, all.Best, s.headAlone = all.At.Last, all.At.Best, all.At.Head
	}
	for _, p := range s.stages[first:] {
		epochs += p.recipe.Epochs
	}
	for i := first; i < len(s.stages); i++ {
		p := s.stages[i]
		if i > first {
			values := train.Capture(s.net, s.graph, 0, 0).Params
			s.net.Close()
			if err := s.compile(p, values); err != nil {
				return all, err
			}
		}
		all.At.Phase, all.At.Head = i, s.headAlone
		done, err := s.phase(ctx, p, all, epochs)
		if done.Last != nil {
			all.Last, all.Best, all.ImagesPerSec = done.Last, done.Best, done.ImagesPerSec
		}
		all.Training, all.Judging = all.Training+done.Training, all.Judging+done.Judging
		all.At, all.Interrupted, all.Stopped = done.At, done.Interrupted, done.Stopped
		all.Steps = done.At.Steps + done.At.Step
		if err != nil || done.Interrupted {
			return all, err
		}
		if done.Stopped != "" {
			s.c.Events(Stopped{Epoch: done.Last.Epoch, Why: done.Stopped})
		}
		if i == 0 && len(s.stages) > 1 {
			score := done.At.Best.Test
			s.headAlone = &score
			s.c.Events(HeadAlone{Epoch: done.At.Best.Epoch, Test: score})
		}
		epochs -= p.recipe.Epochs - (done.At.Finished - done.At.Started)
		all.At.Steps = all.Steps
		if done.Over {
			break
		}
		s.resume = nil
	}
	s.c.Events(all)
	return all, nil
}

// Stopped says why a phase ended before its epochs did.
type Stopped struct {
	Epoch int
	Why   string
}

// HeadAlone is what the output layer reached on the untouched body's features.
type HeadAlone struct {
	Epoch int
	Test  train.Score
}

func (s *session) phase(ctx context.Context, p phase, before train.Done, epochs int) (train.Done, error) {
	kept := 0
	if s.lower != nil {
		kept = len(s.data.Train) + len(s.data.Valid) + len(s.data.Test)
	}
	if p.name != "" {
		s.c.Events(Phase{Name: p.name, Epochs: p.recipe.Epochs, Kept: kept})
	}
	finished := 0
	if s.resume != nil {
		finished = before.At.Finished - before.At.Started
	}
	s.live.phase(p.name, p.recipe.Epochs-finished, len(s.stages)-1-before.At.Phase)
	learn, val, test, end, err := s.sources(ctx, p.images)
	defer end()
	if err != nil {
		if ctx.Err() != nil {
			before.Interrupted = true
			return before, nil
		}
		return train.Done{}, err
	}
	weights, err := s.classWeights()
	if err != nil {
		return train.Done{}, err
	}
	job := train.Job{Net: s.net, Graph: s.learns, Whole: s.graph, Recipe: p.recipe, Seed: s.c.Seed, Part: s.part, Frozen: s.frozen, Train: learn, Val: val, Test: test,
		At: before.At, Epochs: epochs, Resume: s.resume, Begun: s.begun, Weights: weights, Pixels: s.lower == nil, Keep: s.keep, Stepped: s.live.step}
	job.At.Best, job.At.Last = before.Best, before.Last
	if s.c.Checkpoint >= 0 {
		job.Save, job.Interval = s.save, cmp.Or(s.c.Checkpoint, 5*time.Minute)
	}
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

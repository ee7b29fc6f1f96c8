package graft

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"graft/internal/engine"
	"graft/internal/fetch"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/weights"
)

// build compiles the network and gives it its first parameters.
func (s *session) build(ctx context.Context) (err error) {
	s.graph = s.model.Build(len(s.data.Classes), s.pre.Crop)
	if s.engine, err = engineFor(s.graph, s.c.Threads, s.c.Precision); err != nil {
		return err
	}
	if err := s.drop(s.graph); err != nil {
		return err
	}
	s.checkSize()
	if _, err := s.classWeights(); err != nil {
		return err
	}
	if s.stages, err = s.phases(); err != nil {
		return err
	}
	s.stages = append(s.stages, s.extensions()...)
	if s.resumes != "" {
		if err := s.findCheckpoint(); err != nil {
			return err
		}
	}
	for i := range s.stages { // a cap too small for any of them is said before weights are fetched
		p := &s.stages[len(s.stages)-1-i]
		s.frozen = p.frozen
		if p.cut, err = s.cut(*p); err != nil {
			return err
		}
		s.learns = p.cut.learns
		if err := s.fit(func(param int) bool { return !s.frozen[param] }, p.cut, p.recipe.Slots()); err != nil {
			return err
		}
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	s.clock.lap("building the network")
	return nil
}

// start compiles the first phase, or that of the checkpoint to go on from.
func (s *session) start(ctx context.Context) error {
	first := 0
	var values [][]float32
	if s.resume != nil {
		if first = s.resume.Position.Phase; first >= len(s.stages) {
			return fmt.Errorf("the checkpoint is of phase %d, and the recipe has %d", first+1, len(s.stages))
		}
		values = s.resume.Params
	}
	if s.resume == nil || s.recipe.L2SP != 0 {
		begun, err := s.values(ctx)
		if err != nil {
			return err
		}
		if s.recipe.L2SP != 0 {
			s.begun = begun
		}
		if values == nil {
			values = begun
		}
	}
	return s.compile(s.stages[first], values)
}

// drop sets what the recipe says of dropout and stochastic depth.
func (s *session) drop(g *graph.Graph) error {
	if p := s.recipe.Dropout; p != nil {
		graph.SetDropout(g, *p)
	}
	if p := s.recipe.StochDepth; p != nil && !graph.SetStochasticDepth(g, *p) && *p > 0 {
		return fmt.Errorf("stochastic-depth: %s has no blocks that can be left out", s.model.Name)
	}
	return nil
}

// fit chooses the part of a batch that the cap allows, and leaves decoded pictures
// and kept features the rest.
func (s *session) fit(trainable func(int) bool, c cut, slots []engine.Slot) error {
	s.part = min(s.recipe.Batch, s.batch())
	if s.c.Memory <= 0 {
		return nil
	}
	l := &memoryLimit{engine: s.engine, cut: c, bytes: s.c.Memory, batch: s.batch(), train: true, trainable: trainable, slots: slots, evaluated: 1}
	if len(s.data.Valid) > 0 && len(s.data.Test) > 0 {
		l.evaluated = 2
	}
	fitting, err := l.fit()
	if err != nil {
		return err
	}
	s.part = min(s.part, fitting.part)
	s.images = min(s.images, int(l.bytes-fitting.bytes))
	if c.features {
		s.cache.Limit(s.images / 2)
	} else {
		s.cache.Limit(s.images)
	}
	return nil
}

// values are the parameters that training begins with.
func (s *session) values(ctx context.Context) ([][]float32, error) {
	s.origin.Asked = s.c.Weights
	var state *weights.StateDict
	var err error
	switch asked := s.c.Weights; {
	case asked == "none":
		return model.Initialise(s.graph, s.c.Seed), nil
	case asked == "auto":
		w := s.model.Default()
		if w == nil {
			return nil, fmt.Errorf("no weights are published for %s: give a file, or train from scratch with --weights none", s.model.Name)
		}
		s.origin.Name, s.origin.Source = s.model.Name+"."+w.Tag, w.Origin
		state, err = model.LoadWeights(ctx, s.model, w, func(done, total int64) { s.c.Events(Fetching{w.File.Name, done, total}) })
	case s.found != nil:
		s.origin.Source, state = asked, s.found
	case strings.HasPrefix(asked, "http://") || strings.HasPrefix(asked, "https://"):
		file := fetch.File{Name: "given/" + path.Base(strings.SplitN(asked, "?", 2)[0]), URL: asked}
		s.origin.Source = asked
		var at string
		if at, err = fetch.Get(ctx, file, func(done, total int64) { s.c.Events(Fetching{asked, done, total}) }); err == nil {
			state, err = weights.Open(at)
		}
	default:
		s.origin.Source = asked
		state, err = weights.Open(asked)
		if errors.Is(err, os.ErrNotExist) {
			err = fmt.Errorf("--weights %s: no such file (auto, none, a file or an address)", asked)
		}
	}
	if err != nil {
		return nil, err
	}
	s.origin.SHA256 = state.SHA256
	values, err := model.Graft(s.graph, state, s.c.Seed)
	if err != nil {
		return nil, fmt.Errorf("%s with the weights %s: %w", s.model.Name, s.c.Weights, err)
	}
	return values, s.reuseHead(values, state)
}

// batch is the pictures of a step.
func (s *session) batch() int { return min(s.recipe.BatchSize(), max(len(s.data.Train), 1)) }

func (s *session) weightsName() string {
	switch {
	case s.origin.Name != "":
		return s.origin.Name
	case s.origin.Asked == "none":
		return "none, from random initialisation"
	}
	return s.origin.Source
}

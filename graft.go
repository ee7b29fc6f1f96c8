// Package graft fine-tunes image classifiers on a CPU: it takes a network
// trained on ImageNet, keeps everything but the output layer, grafts a new one
// on for the classes of a folder of pictures, and trains the whole.
//
//	run, err := graft.Train(ctx, graft.Config{Data: "photos", Model: "squeezenet1_1"})
//	c, err := graft.Open(run.Dir)
//	predictions, err := c.Predict(ctx, img)
//
// The command graft is this package with flags.
package graft

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/report"
	"graft/internal/rundir"
	"graft/internal/train"
	"graft/internal/transform"
	"graft/internal/weights"
)

// A Run is what training ended with.
type Run struct {
	Dir          string
	Device       string
	BestEpoch    int // 0 if no epoch was finished
	BestTestAcc  float64
	TestPictures int     // that the accuracies are measured on
	TestAcc      float64 // of the last epoch, as the next three
	TrainAcc     float64 // running, over augmented batches
	Loss         float64
	ImagesPerSec float64       // of training steps, waits for data included
	Took         time.Duration // training and judging, earlier processes' share included
	Interrupted  bool
	HeadAcc      *float64 // recipe fast: of the output layer alone, on the untouched body's features
}

// A session is a training run being prepared.
type session struct {
	c         Config
	recipe    train.Recipe
	model     *model.Model
	data      *dataset.Dataset
	cache     *dataset.Cache
	pre       transform.Preprocess
	augment   *transform.Augmentation
	augmented string             // augment in words
	found     *weights.StateDict // weights that came with their preprocessing, or nil
	origin    rundir.Weights
	graph     *graph.Graph
	engine    engine.Engine
	net       engine.Network
	learns    *graph.Graph   // what net trains: graph, or its upper part
	lower     engine.Network // the lower part, nil where net is the whole
	stages    []phase
	begun     [][]float32 // the parameters that training began with, for L2-SP
	resumes   string      // the run to go on with, "" for a new one
	resume    *train.Checkpoint
	extended  []train.Extension // after the recipe's phases
	extends   bool              // the last of them is new
	frozen    []bool            // by parameter
	headAlone *train.Score      // of recipe fast
	part      int               // pictures that go through the network at once
	images    int               // bytes left for decoded pictures under a cap
	dir       *rundir.Dir
	clock     clock
	live      *live
	views     func() ([]report.View, error) // what the report shows of training pictures
}

// Train fine-tunes a model and writes a run directory. A cancelled context ends
// it after the step under way; what was reached is kept and returned, with
// Interrupted set and no error.
func Train(ctx context.Context, c Config) (*Run, error) {
	s := &session{c: c}
	return s.begin(ctx)
}

func (s *session) begin(ctx context.Context) (*Run, error) {
	if s.c.Events == nil {
		s.c.Events = func(Event) {}
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	defer func() { s.net.Close() }()
	return s.train(ctx)
}

// prepare does everything that can fail before the first step.
func (s *session) prepare(ctx context.Context) error {
	c := &s.c
	if c.Out != "" && s.resumes == "" {
		if err := rundir.Check(c.Out, c.Force); err != nil {
			return err
		}
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	s.views = sync.OnceValues(func() ([]report.View, error) { return s.makeViews(context.WithoutCancel(ctx)) })
	go s.views() // while networks are built, on one processor
	if err := s.build(ctx); err != nil {
		return err
	}
	if s.resumes != "" {
		return s.reopen()
	}
	if c.Out == "" {
		c.Out = freeName(filepath.Join("runs", s.data.Name+"-"+s.model.Name))
	}
	return s.createRun()
}

// open opens the data, and what says how the network sees them.
func (s *session) open(ctx context.Context) (err error) {
	c := &s.c
	s.clock.start()
	if err := s.from(); err != nil {
		return err
	}
	if c.Model == "" {
		c.Model = "resnet18"
	}
	if c.Weights == "" {
		c.Weights = "auto"
	}
	if s.model, err = model.Find(c.Model); err != nil {
		return err
	}
	if s.resumes == "" {
		if s.recipe, err = c.recipe(); err != nil {
			return err
		}
		if c.From != "" && s.recipe.ReuseHead == "" {
			s.recipe.ReuseHead = "auto" // the classes that it has keep their rows
		}
	}
	if _, err = c.Precision.resolve(); err != nil {
		return err
	}
	s.pre = s.model.Preprocess()
	found, ok, err := s.model.Open(ctx, c.Weights, func(file string, done, total int64) { s.c.Events(Fetching{file, done, total}) })
	if err != nil {
		return err
	}
	if ok {
		s.found, s.pre = found.State, found.Preprocess
	}
	if c.EXIF != "" {
		s.pre.EXIF = c.EXIF
	}
	if err := s.see(); err != nil {
		return err
	}
	if err := s.pre.Validate(); err != nil {
		return err
	}
	s.clock.lap("weights")
	if err := s.openData(ctx); err != nil {
		return err
	}
	s.clock.lap("opening the pictures")
	return nil
}

func (s *session) train(ctx context.Context) (*Run, error) {
	defer limitHeap(s.c.Memory, s.net.Bytes())()
	started := time.Now()
	if s.resume != nil {
		started = started.Add(-s.resume.Position.Spent)
	}
	ctx, endTelling := s.tell(ctx)
	defer endTelling()
	done, err := s.run(ctx)
	if s.live.asked() {
		s.c.Events(Warning{"the run was asked to stop"})
	}
	run := &Run{Dir: s.dir.Path, Device: s.engine.Device(), ImagesPerSec: done.ImagesPerSec, Interrupted: done.Interrupted, Took: time.Since(started)}
	s.clock.add("training", done.Training)
	s.clock.add("evaluation", done.Judging)
	if done.Last != nil {
		run.TestAcc, run.TrainAcc, run.Loss = done.Last.Test.Accuracy, done.Last.TrainAcc, done.Last.Loss
		run.BestEpoch, run.BestTestAcc, run.TestPictures = done.Best.Epoch, done.Best.Test.Accuracy, done.Best.Test.N
	}
	if s.headAlone != nil {
		run.HeadAcc = Float(s.headAlone.Accuracy)
	}
	if err == nil && run.BestEpoch > 0 {
		s.finish(ctx, run)
	}
	end := run.metrics()
	end.Stages = s.clock.rounded()
	end.Failed = err != nil
	if e := s.dir.WriteDone(end); err == nil {
		err = e
	}
	if err != nil {
		if run.BestEpoch > 0 {
			err = fmt.Errorf("%w (the best model so far, of epoch %d, is kept in %s)", err, run.BestEpoch, run.Dir)
		}
		return run, err
	}
	return run, nil
}

func (r *Run) metrics() rundir.Done {
	d := rundir.Done{Event: "done", Run: r.Dir, BestEpoch: r.BestEpoch, BestTestAcc: rundir.Round(r.BestTestAcc), TestAcc: rundir.Round(r.TestAcc),
		TrainAcc: rundir.Round(r.TrainAcc), Loss: rundir.Round(r.Loss), ImagesPerSec: rundir.Round(r.ImagesPerSec), Seconds: rundir.Round(r.Took.Seconds()), Interrupted: r.Interrupted}
	if r.HeadAcc != nil {
		d.HeadAcc = Float(rundir.Round(*r.HeadAcc))
	}
	return d
}

// keep writes an epoch's model and metrics.
func (s *session) keep(e train.Epoch, state *train.State) error {
	m := &rundir.Model{Name: s.model.Name, Classes: s.data.Classes, Preprocess: s.pre, Data: s.data.Fingerprint, Version: Version,
		Graph: s.graph, Params: state.Params, Steps: state.Steps, Calibration: s.calibrate(state.Answers)}
	if e.Best {
		if err := s.dir.WriteBest(m); err != nil {
			return err
		}
		if state.Answers != nil {
			if err := s.dir.WritePredictions(s.predictions(state.Answers)); err != nil {
				return err
			}
		}
	}
	if err := s.dir.WriteLast(m); err != nil {
		return err
	}
	if err := s.live.epoch(e, state.Answers); err != nil {
		return err
	}
	return s.dir.WriteEpoch(EpochMetrics(e))
}

// EpochMetrics is an epoch as metrics.jsonl and --json have it.
func EpochMetrics(e Epoch) rundir.Epoch {
	m := rundir.Epoch{Event: "epoch", Epoch: e.Epoch, Loss: rundir.Round(e.Loss), TrainAcc: rundir.Round(e.TrainAcc), TestAcc: rundir.Round(e.Test.Accuracy),
		TestLoss: rundir.Round(e.Test.Loss), LR: e.Rate, ImagesPerSec: rundir.Round(e.ImagesPerSec), Best: e.Best, Seconds: rundir.Round(e.Spent.Seconds())}
	if e.Val != nil {
		m.ValAcc, m.ValLoss = Float(rundir.Round(e.Val.Accuracy)), Float(rundir.Round(e.Val.Loss))
	}
	return m
}

// DoneMetrics is a run's end as metrics.jsonl and --json have it.
func DoneMetrics(r *Run) rundir.Done { return r.metrics() }

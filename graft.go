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
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"graft/internal/check"
	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/fetch"
	"graft/internal/graph"
	"graft/internal/model"
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
	ImagesPerSec float64 // of training steps, waits for data included
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
	frozen    []bool       // by parameter
	headAlone *train.Score // of recipe fast
	part      int          // pictures that go through the network at once
	images    int          // bytes left for decoded pictures under a cap
	dir       *rundir.Dir
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
func (s *session) prepare(ctx context.Context) (err error) {
	c := &s.c
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
	if c.Out != "" && s.resumes == "" {
		if err := rundir.Check(c.Out, c.Force); err != nil {
			return err
		}
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
	if err := s.openData(ctx); err != nil {
		return err
	}
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

// see settles what the network sees of a picture.
func (s *session) see() (err error) {
	c := &s.c
	if c.ImageSize != 0 {
		if c.ImageSize < 32 || c.ImageSize > 1024 {
			return fmt.Errorf("an image size of %d is not between 32 and 1024 pixels", c.ImageSize)
		}
		s.pre = s.pre.WithSize(c.ImageSize)
	}
	if c.Crop != "" {
		if s.pre.Fit, err = transform.ParseFit(c.Crop); err != nil {
			return err
		}
	}
	if s.augment, err = transform.ParseAugmentation(c.Augment, s.pre.Fit); err != nil {
		return err
	}
	return c.Decode.apply(&s.pre)
}

func (s *session) openData(ctx context.Context) (err error) {
	c := &s.c
	split := c.Split
	if split == 0 {
		split = 0.2
	}
	bytes := c.CacheBytes
	if bytes == 0 {
		bytes = dataset.DefaultCacheBytes
	}
	s.images = max(bytes, 0)
	if c.Memory > 0 {
		s.images = int(min(int64(s.images), c.Memory))
	}
	s.cache = dataset.NewCache(s.images)
	s.data, err = dataset.Open(ctx, c.Data, dataset.Options{
		ValidSplit: split, GroupBy: c.GroupBy, SplitFile: c.SplitFile, Limit: c.Limit, Seed: c.Seed, Leaks: c.Leaks, AllowBad: c.AllowBad, Check: true, Threads: c.Threads, Cache: s.cache,
		Decode:        dataset.DecodeOptions{MaxPixels: c.MaxPixels}.For(s.pre),
		Progress:      func(done, total int) { c.Events(Checking{done, total}) },
		FetchProgress: func(done, total int64) { c.Events(Fetching{c.Data, done, total}) },
	})
	if err != nil {
		return err
	}
	for _, f := range s.data.Findings {
		c.Events(f)
	}
	if odd := check.Summary(s.data); odd != "" {
		c.Events(Finding{Kind: "odd", Text: odd + " (graft check " + c.Data + " names them)"})
	}
	return s.data.HoldValidation(s.recipe.Validation, c.Seed)
}

// build compiles the network and gives it its first parameters.
func (s *session) build(ctx context.Context) (err error) {
	s.graph = s.model.Build(len(s.data.Classes), s.pre.Crop)
	if s.engine, err = engineFor(s.graph, s.c.Threads, s.c.Precision); err != nil {
		return err
	}
	if err := s.drop(); err != nil {
		return err
	}
	if _, err := s.classWeights(); err != nil {
		return err
	}
	if s.resumes != "" {
		if err := s.findCheckpoint(); err != nil {
			return err
		}
	}
	if s.stages, err = s.phases(); err != nil {
		return err
	}
	for i := range s.stages { // a cap too small for any of them is said before weights are fetched
		p := s.stages[len(s.stages)-1-i]
		s.frozen = p.frozen
		lower, upper, ok := graph.Split(s.graph, s.frozen)
		if s.learns = s.graph; ok {
			s.learns = upper
		}
		if err := s.fit(func(param int) bool { return !s.frozen[param] }, lower, p.recipe.Slots()); err != nil {
			return err
		}
	}
	return s.start(ctx)
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
func (s *session) drop() error {
	if p := s.recipe.Dropout; p != nil {
		graph.SetDropout(s.graph, *p)
	}
	if p := s.recipe.StochDepth; p != nil && !graph.SetStochasticDepth(s.graph, *p) && *p > 0 {
		return fmt.Errorf("stochastic-depth: %s has no blocks that can be left out", s.model.Name)
	}
	return nil
}

// fit chooses the part of a batch that the cap allows, and leaves decoded pictures
// and kept features the rest. lower is the part that makes features, or nil.
func (s *session) fit(trainable func(int) bool, lower *graph.Graph, slots []engine.Slot) error {
	s.part = min(s.recipe.Batch, s.batch())
	if s.c.Memory <= 0 {
		return nil
	}
	l := &memoryLimit{engine: s.engine, graph: s.learns, bytes: s.c.Memory, batch: s.batch(), train: true, trainable: trainable, slots: slots, evaluated: 1}
	if planner, ok := s.engine.(engine.Planner); ok && lower != nil {
		p, err := planner.Plan(lower, engine.Config{Batch: batchSize})
		if err != nil {
			return err
		}
		l.bytes -= int64(p.Total)
	}
	if len(s.data.Valid) > 0 && len(s.data.Test) > 0 {
		l.evaluated = 2
	}
	part, plan, err := l.part()
	if err != nil {
		return err
	}
	s.part = min(s.part, part)
	s.images = min(s.images, int(l.bytes)-plan.Total-l.loading(part))
	if lower == nil {
		s.cache.Limit(s.images)
	} else {
		s.cache.Limit(s.images / 2)
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

// freeName is the path, or the path with the first number that is free.
func freeName(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

func (s *session) createRun() (err error) {
	c, r, d := &s.c, s.recipe, s.data
	part, sentence := d.ChosenOn()
	chosen := "test"
	if part == dataset.Valid {
		chosen = "val"
	}
	loss := "mean"
	if r.Sum {
		loss = "sum"
	}
	threads := c.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var findings []string
	for _, f := range d.Findings {
		findings = append(findings, f.Text)
	}
	split := 0.0
	if d.Held {
		split = max(c.Split, 0)
		if split == 0 {
			split = 0.2
		}
	}
	leaks := c.Leaks
	if leaks == "" {
		leaks = "keep"
	}
	call, err := json.Marshal(c)
	if err != nil {
		return err
	}
	s.dir, err = rundir.Create(c.Out, c.Force, &rundir.Config{
		Graft: Version, Command: c.Command, Started: time.Now().UTC().Truncate(time.Second),
		Model: s.model.Name, Weights: s.origin,
		Data: rundir.Data{Location: c.Data, Name: d.Name, Fingerprint: d.Fingerprint, Classes: d.Classes,
			Train: len(d.Train), Val: len(d.Valid), Test: len(d.Test), ChosenOn: chosen, Findings: findings,
			Split: split, Leaks: leaks, EXIF: s.pre.EXIF, Decode: string(decodingOf(s.pre)), AllowBad: c.AllowBad, MaxPixels: int64(c.MaxPixels), GroupBy: c.GroupBy, SplitFile: c.SplitFile, Limit: c.Limit},
		Settings: rundir.Settings{Recipe: r.Name, Epochs: r.Epochs, Batch: r.Batch, LR: r.LR, HeadLRX: r.HeadLRX, Momentum: r.Momentum,
			WeightDecay: r.WeightDecay, ParamGroups: r.Groups, Loss: loss, Size: s.pre.Crop, Crop: string(s.pre.Fit), Augment: c.Augment, Seed: c.Seed, Threads: threads, Freeze: c.Freeze, Memory: c.Memory, Part: s.partSetting()},
		Full: r, Call: call,
		Machine: rundir.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuName(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Device: s.engine.Device()},
	})
	if err != nil {
		return err
	}
	if d.Held || d.Validated {
		if err := s.dir.WriteSplit(json.RawMessage(d.SplitFile())); err != nil {
			return err
		}
	}
	s.announce(sentence, loss, threads)
	return nil
}

// announce tells what will run.
func (s *session) announce(sentence, loss string, threads int) {
	c, r, d := &s.c, s.recipe, s.data
	r.Phases = nil // those that are left
	for _, p := range s.stages {
		if p.name != "" {
			r.Phases = append(r.Phases, p.phased)
		}
	}
	params, _ := graph.Counts(s.graph)
	trainable := params
	for i, p := range s.graph.Params {
		if s.frozen[i] && !p.Buffer() {
			trainable -= p.Len()
		}
	}
	c.Events(Plan{Dir: c.Out, Device: s.engine.Device(), Model: s.model.Name, Weights: s.weightsName(), WeightsHash: s.origin.SHA256, Data: d.Name, Classes: d.Classes,
		Train: len(d.Train), Valid: len(d.Valid), Test: len(d.Test), ChosenOn: sentence, Recipe: r,
		Size: s.pre.Crop, Crop: string(s.pre.Fit), Augment: c.Augment, Seed: c.Seed, Threads: threads, Parameters: params, Trainable: trainable, Freeze: c.Freeze, MegabytesEngine: s.net.Bytes() >> 20,
		Memory: c.Memory, Part: s.part, PartStatistics: train.Normalises(s.learns) && s.part < s.batch(), CacheBytes: s.images, Decode: decodingOf(s.pre)})
}

// batch is the pictures of a step.
func (s *session) batch() int { return min(s.recipe.BatchSize(), max(len(s.data.Train), 1)) }

// partSetting is the part of a batch as the run's settings have it: 0 for the whole.
func (s *session) partSetting() int {
	if s.part < s.batch() {
		return s.part
	}
	return 0
}

func (s *session) weightsName() string {
	switch {
	case s.origin.Name != "":
		return s.origin.Name
	case s.origin.Asked == "none":
		return "none, from random initialisation"
	}
	return s.origin.Source
}

// cpuName is the processor's name where the system tells it.
func cpuName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return ""
}

func (s *session) source(samples []dataset.Sample, augment bool) train.Source {
	batch, ahead := s.batch(), 0
	if !augment {
		batch = min(s.part, batchSize) // evaluation needs no large ones, and each holds memory
	}
	if s.c.Memory > 0 {
		ahead = aheadCapped
	}
	l := dataset.NewLoader(samples, dataset.LoaderOptions{
		Batch: batch, Preprocess: s.pre, Augment: augment, Augmentation: s.augment, Shuffle: augment, Balance: augment && s.recipe.Balanced, Seed: s.c.Seed, Workers: s.c.Threads, Ahead: ahead, Cache: s.cache,
		Decode: dataset.DecodeOptions{MaxPixels: s.c.MaxPixels},
		Warn:   func(err error) { s.c.Events(Warning{"left out: " + err.Error()}) },
	})
	return train.Source{Batches: l.EpochFrom, Images: len(samples)}
}

func (s *session) train(ctx context.Context) (*Run, error) {
	defer limitHeap(s.c.Memory, s.net.Bytes())()
	done, err := s.run(ctx)
	run := &Run{Dir: s.dir.Path, Device: s.engine.Device(), ImagesPerSec: done.ImagesPerSec, Interrupted: done.Interrupted}
	if done.Last != nil {
		run.TestAcc, run.TrainAcc, run.Loss = done.Last.Test.Accuracy, done.Last.TrainAcc, done.Last.Loss
		run.BestEpoch, run.BestTestAcc, run.TestPictures = done.Best.Epoch, done.Best.Test.Accuracy, done.Best.Test.N
	}
	if s.headAlone != nil {
		run.HeadAcc = Float(s.headAlone.Accuracy)
	}
	end := run.metrics()
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
		TrainAcc: rundir.Round(r.TrainAcc), Loss: rundir.Round(r.Loss), ImagesPerSec: rundir.Round(r.ImagesPerSec), Interrupted: r.Interrupted}
	if r.HeadAcc != nil {
		d.HeadAcc = Float(rundir.Round(*r.HeadAcc))
	}
	return d
}

// keep writes an epoch's model and metrics.
func (s *session) keep(e train.Epoch, state *train.State) error {
	m := &rundir.Model{Name: s.model.Name, Classes: s.data.Classes, Preprocess: s.pre, Data: s.data.Fingerprint, Version: Version,
		Graph: s.graph, Params: state.Params, Steps: state.Steps}
	if e.Best {
		if err := s.dir.WriteBest(m); err != nil {
			return err
		}
	}
	if err := s.dir.WriteLast(m); err != nil {
		return err
	}
	return s.dir.WriteEpoch(EpochMetrics(e))
}

// EpochMetrics is an epoch as metrics.jsonl and --json have it.
func EpochMetrics(e Epoch) rundir.Epoch {
	m := rundir.Epoch{Event: "epoch", Epoch: e.Epoch, Loss: rundir.Round(e.Loss), TrainAcc: rundir.Round(e.TrainAcc), TestAcc: rundir.Round(e.Test.Accuracy),
		TestLoss: rundir.Round(e.Test.Loss), LR: e.Rate, ImagesPerSec: rundir.Round(e.ImagesPerSec), Best: e.Best}
	if e.Val != nil {
		m.ValAcc, m.ValLoss = Float(rundir.Round(e.Val.Accuracy)), Float(rundir.Round(e.Val.Loss))
	}
	return m
}

// DoneMetrics is a run's end as metrics.jsonl and --json have it.
func DoneMetrics(r *Run) rundir.Done { return r.metrics() }

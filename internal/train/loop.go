// Package train is the training loop: epochs of steps, each gradients, a seam
// and an update; an evaluation after every epoch; the best epoch kept.
//
// It knows engine.Network, never an engine; recipes, parameter groups and
// schedules as data; and it reports what happens as events. It knows neither
// files nor terminals: a run's keeper is a function.
package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
)

// A Source gives the batches of an epoch, counted from 0 as these are, from one on,
// and says how many pictures an epoch holds.
type Source struct {
	Batches func(ctx context.Context, epoch, from int) iter.Seq2[*dataset.Batch, error]
	Images  int
}

// A Job is a run to do.
type Job struct {
	Net    engine.Network // compiled for training, its parameters loaded
	Graph  *graph.Graph   // what it was compiled from
	Whole  *graph.Graph   // whose parameters Keep gets; nil is Graph
	Recipe Recipe
	Seed   uint64
	Part   int    // the most samples of one pass; larger batches go in parts. 0 is no limit
	Frozen []bool // by parameter; nil is none
	Train  Source
	Val    *Source // chooses the best epoch; nil leaves that to Test
	Test   Source

	// At is where a run goes on that has several phases: after the ones before. Epochs
	// are those of all; 0 is the recipe's.
	At     Position
	Epochs int
	// Resume goes on from a checkpoint of this phase, whose parameters Net has; nil begins it.
	Resume *Checkpoint
	// Begun are the parameters that training began with, for L2-SP.
	Begun [][]float32
	// Weights are those of the classes in the loss; nil is 1 each.
	Weights []float32
	// Pixels says that the batches are pictures, which mixup and cutmix may blend.
	Pixels bool

	// Schedule gives the rate; nil is constant at Recipe.LR.
	Schedule Schedule
	// Seam is called between gradients and update; nil does nothing. Here
	// gradients are clipped, or summed over machines.
	Seam func(net engine.Network) error
	// Keep is called after every epoch that was finished.
	Keep func(e Epoch, s *State) error
	// Save is called with a checkpoint after every epoch, when Interval has gone by
	// within one (0 is never), and when the context was cancelled; nil is never.
	Save     func(c *Checkpoint) error
	Interval time.Duration
	// Stepped is called after every update; nil does nothing.
	Stepped func(Step)
	// Emit receives the events; nil drops them.
	Emit func(Event)
}

// A NotFiniteError says at which step the loss was no number.
type NotFiniteError struct {
	Loss        float64
	Epoch, Step int // from 1; the step within the epoch
	Rate        float64
	Batch       []int // the samples, as the loader numbers them
}

func (e *NotFiniteError) Error() string {
	return fmt.Sprintf("the loss became %v in epoch %d at step %d (rate %g, batch of %d pictures): try a smaller --lr",
		e.Loss, e.Epoch, e.Step, e.Rate, len(e.Batch))
}

// interval is the shortest time between two Progress events.
const interval = 100 * time.Millisecond

// run is a Job under way.
type run struct {
	Job
	groups   []Group
	update   engine.Update
	schedule Schedule
	ticker   ticker
	mixer    mixer
	skipOne  bool // leave out a last batch of a single picture
	steps    int  // of the phase
	at       Position
	started  time.Time     // of this process's share of the run
	saved    time.Time     // the last checkpoint
	judging  time.Duration // what the last evaluation took
	judged   time.Duration // what all took
	images   int           // trained on, over all epochs
	answers  []Answer      // of the last evaluation
	busy     time.Duration // spent in training steps, waits for data included
}

// Run trains. A cancelled context ends it after the step under way, with
// Done.Interrupted and no error: what was reached is kept. The Done is
// returned beside an error too, and tells what was reached before it.
func Run(ctx context.Context, job Job) (Done, error) {
	if err := job.Recipe.Check(); err != nil {
		return Done{}, err
	}
	r := newRun(job)
	var err error
	for err == nil && ctx.Err() == nil && r.at.Over == "" && !r.late() && r.at.Finished < r.at.Started+r.Recipe.Epochs {
		err = r.epoch(ctx, r.at.Finished+1)
	}
	d := Done{Last: r.at.Last, Best: r.at.Best, Steps: r.at.Step, ImagesPerSec: perSecond(r.images, r.busy), At: r.at, Stopped: r.at.Over, Training: r.busy, Judging: r.judged}
	d.At.Spent, d.Over = r.spent(), r.at.Ends
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		d.Interrupted, err = true, nil
		if r.Save != nil {
			err = r.Save(r.checkpoint())
		}
	}
	if err == nil {
		if r.Recipe.EMA != 0 && !d.Interrupted {
			r.Net.Swap() // what was judged is what there is
		}
		r.Emit(d)
	}
	return d, err
}

func newRun(job Job) *run {
	r := &run{Job: job, groups: Groups(job.Graph, job.Recipe), schedule: job.Schedule, ticker: ticker{interval: interval}, started: time.Now(), saved: time.Now(), at: job.At}
	if r.Emit == nil {
		r.Emit = func(Event) {}
	}
	if r.Epochs == 0 {
		r.Epochs = job.At.Finished + job.Recipe.Epochs
	}
	if r.Whole == nil {
		r.Whole = job.Graph
	}
	n, c := len(job.Graph.Params), job.Recipe
	r.update = engine.Update{Rate: make([]float32, n), Decay: make([]float32, n), Momentum: float32(c.Momentum), Nesterov: c.Nesterov,
		Adam: c.Optimiser == "adamw", Beta2: float32(c.Beta2), Eps: float32(c.Eps)}
	if c.L2SP != 0 {
		r.update.Anchor = make([]float32, n)
		for i := range r.Begun {
			r.Net.LoadSlot(engine.Anchor, i, r.Begun[i])
		}
	}
	r.skipOne = DropsLast(job.Graph, job.Train.Images, c.Batch)
	perEpoch := (job.Train.Images + c.Batch - 1) / c.Batch
	if r.skipOne {
		perEpoch--
	}
	r.steps = c.Epochs * perEpoch
	if r.schedule == nil {
		r.schedule = c.schedule(perEpoch)
	}
	r.at.Started, r.at.Step, r.at.Batches, r.at.Updates, r.at.Plateau, r.at.Over = r.at.Finished, 0, 0, 0, Plateau{}, ""
	r.at.Own = nil
	if job.Resume != nil {
		r.restore(job.Resume)
	} else if c.EMA != 0 {
		r.average()
	}
	return r
}

// average begins the moving average with the weights.
func (r *run) average() {
	for i, v := range Capture(r.Net, r.Whole, 0, 0).Params {
		if !r.Whole.Params[i].Buffer() {
			r.Net.LoadSlot(engine.Average, i, v)
		}
	}
}

// spent is the time that the run has taken, earlier processes' included.
func (r *run) spent() time.Duration { return r.Job.spentBefore() + time.Since(r.started) }

func (j *Job) spentBefore() time.Duration {
	if j.Resume != nil {
		return j.Resume.Position.Spent
	}
	return j.At.Spent
}

// DropsLast reports whether an epoch of n pictures leaves its last one out: a
// batch of one picture has no variance for batch normalisation to use.
func DropsLast(g *graph.Graph, n, batch int) bool {
	if n%batch != 1 || n == 1 {
		return false
	}
	return Normalises(g)
}

func (r *run) epoch(ctx context.Context, epoch int) error {
	e := Epoch{Epoch: epoch}
	if err := r.trainEpoch(ctx, &e); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.judge(ctx, &e); err != nil {
		return err
	}
	r.at.Finished, r.at.Batches, r.at.Loss, r.at.Correct, r.at.Images = epoch, 0, 0, 0, 0
	r.at.Last = &e
	if e.Best {
		r.at.Best = &e
	}
	if r.Recipe.better(&e, r.at.Own, r.at.Started) {
		r.at.Own = &e
	}
	if r.Recipe.Schedule == "plateau" {
		r.at.Plateau.See(e.held().Loss, r.Recipe.Gamma, r.Recipe.Plateau)
	}
	r.decide(&e)
	if r.Save != nil {
		if err := r.save(); err != nil {
			return err
		}
	}
	r.Emit(e)
	return nil
}

// judge evaluates the network, with the moving average of its weights where there is one,
// and hands it to Keep.
func (r *run) judge(ctx context.Context, e *Epoch) error {
	started := time.Now()
	if r.Recipe.EMA != 0 {
		r.Net.Swap()
		defer r.Net.Swap()
	}
	var err error
	r.answers = nil
	if r.Val != nil {
		if e.Val, err = r.evaluate(ctx, Validating, r.Val, e.Epoch); err != nil {
			return err
		}
	}
	test, err := r.evaluate(ctx, Testing, &r.Test, e.Epoch)
	if err != nil {
		return err
	}
	e.Test = *test
	if h := e.held(); math.IsNaN(h.Loss) || math.IsInf(h.Loss, 0) {
		return fmt.Errorf("the loss on held-out pictures became %v after epoch %d (rate %g): try a smaller --lr", h.Loss, e.Epoch, e.Rate)
	}
	e.Best, e.Spent = r.Recipe.better(e, r.at.Best, r.at.Started), r.spent()
	r.judging = time.Since(started)
	r.judged += r.judging
	if r.Keep != nil {
		state := Capture(r.Net, r.Whole, e.Epoch, r.at.Steps+r.at.Step)
		state.Answers = r.answers
		return r.Keep(*e, state)
	}
	return nil
}

// decide ends the phase where nothing is to be gained.
func (r *run) decide(e *Epoch) {
	c := r.Recipe
	switch {
	case c.TargetAccuracy > 0 && e.held().Accuracy >= c.TargetAccuracy:
		r.at.Over, r.at.Ends = fmt.Sprintf("the held-out accuracy reached %g", c.TargetAccuracy), true
	case c.Patience > 0 && e.Epoch-r.at.Own.Epoch >= c.Patience && e.Epoch < r.at.Started+c.Epochs:
		r.at.Over = fmt.Sprintf("%d epochs were no better", c.Patience)
	}
}

func (r *run) save() error {
	r.saved = time.Now()
	return r.Save(r.checkpoint())
}

// trainEpoch goes through the training pictures once.
func (r *run) trainEpoch(ctx context.Context, e *Epoch) error {
	started, before := time.Now(), r.at.Images
	for b, err := range r.Train.Batches(ctx, e.Epoch-1, r.at.Batches) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil || r.late() {
			break
		}
		r.at.Batches++
		if b.N == 1 && r.skipOne && r.at.Images == r.Train.Images-1 {
			continue
		}
		if err := r.batch(b, e); err != nil {
			return err
		}
		if r.ticker.due() || r.at.Images == r.Train.Images {
			r.Emit(Progress{Phase: Training, Epoch: e.Epoch, Epochs: r.Epochs, Images: r.at.Images, TotalImages: r.Train.Images,
				Loss: e.Loss, Accuracy: e.TrainAcc, ImagesPerSec: perSecond(r.at.Images-before, time.Since(started))})
		}
		if r.Save != nil && r.Interval > 0 && time.Since(r.saved) >= r.Interval {
			if err := r.save(); err != nil {
				return err
			}
		}
	}
	e.report(r.at)
	took := time.Since(started)
	r.busy += took
	e.ImagesPerSec = perSecond(r.at.Images-before, took)
	if r.at.Images == 0 && ctx.Err() == nil && r.at.Over == "" {
		return fmt.Errorf("there is no training picture")
	}
	return nil
}

// report gives the epoch the running loss and accuracy.
func (e *Epoch) report(at Position) {
	if at.Images > 0 {
		e.Loss, e.TrainAcc = at.Loss/float64(at.Images), float64(at.Correct)/float64(at.Images)
	}
}

// late reports whether the time that the recipe has for training is over, the
// evaluation that is to come included.
func (r *run) late() bool {
	if r.Recipe.Time > 0 && r.spent()+r.judging >= r.Recipe.Time {
		r.at.Over, r.at.Ends = fmt.Sprintf("%v were over", r.Recipe.Time), true
	}
	return r.at.Over != ""
}

// batch is one step and what it adds to the epoch.
func (r *run) batch(b *dataset.Batch, e *Epoch) error {
	e.Rate = r.rate()
	res, err := r.trainStep(b, e.Rate, e.Epoch)
	if err != nil {
		return err
	}
	if math.IsNaN(res.Loss) || math.IsInf(res.Loss, 0) {
		return &NotFiniteError{Loss: res.Loss, Epoch: e.Epoch, Step: r.at.Batches, Rate: e.Rate, Batch: append([]int(nil), b.Index[:b.N]...)}
	}
	r.at.Loss += res.Loss
	r.at.Correct += res.Correct
	r.at.Images += b.N
	r.at.Step++
	r.images += b.N
	e.report(r.at)
	if r.Stepped != nil {
		r.Stepped(Step{Step: r.at.Steps + r.at.Step, Loss: res.Loss, N: b.N, Rate: e.Rate, Epoch: e.Epoch, Of: r.steps / r.Recipe.Epochs})
	}
	return nil
}

// rate is that of the next step. Where time is what ends training, the number of steps
// is as many as the ones so far let expect.
func (r *run) rate() float64 {
	steps := r.steps
	if r.Recipe.Time > 0 && r.at.Step > 0 {
		gone, all := r.spent()-r.Job.At.Spent, r.Recipe.Time-r.Job.At.Spent
		steps = max(r.at.Step+1, int(float64(r.at.Step)*float64(all)/float64(max(gone, 1))))
	}
	return r.schedule(min(r.at.Step, steps), steps) * r.at.Plateau.factor()
}

// trainStep is one update: gradients, the finite check, the seam, the change.
// A loss that is no number changes nothing.
func (r *run) trainStep(b *dataset.Batch, rate float64, epoch int) (engine.Result, error) {
	pass := engine.Pass{Seed: dropoutSeed(r.Seed, epoch, r.at.Step), Soft: engine.Soft{Smoothing: r.Recipe.LabelSmoothing, Weights: r.Weights}}
	if r.mixes(epoch) {
		r.mixer.mixup, r.mixer.cutmix, r.mixer.shape = r.Recipe.Mixup, r.Recipe.Cutmix, r.Graph.Input()
		r.mixer.mix(b, &pass.Soft, rand.New(rand.NewPCG(pass.Seed, 1)))
	}
	if r.Recipe.Sum {
		pass.Scale = 1
	} else if r.Weights != nil {
		pass.Scale = float32(1 / weight(b, &pass.Soft))
	}
	res, err := gradients(r.Net, b, pass, r.Part)
	if err != nil || math.IsNaN(res.Loss) || math.IsInf(res.Loss, 0) {
		return res, err
	}
	if r.Seam != nil {
		if err := r.Seam(r.Net); err != nil {
			return res, err
		}
	}
	u := &r.update
	setRates(u, r.groups, rate)
	u.Scale = 1
	if c := r.Recipe.Clip; c > 0 {
		u.Scale = float32(min(1, c/(r.Net.GradientNorm()+1e-6)))
	}
	u.Step = r.at.Updates + r.at.Step + 1
	u.Average = float32(averageDecay(r.Recipe.EMA, r.at.Updates+r.at.Step))
	r.Net.Update(*u)
	return res, nil
}

// averageDecay is that of the moving average after so many updates: smaller at first, so
// that the first weights are soon forgotten, as tf.train.ExponentialMovingAverage has it.
func averageDecay(decay float64, step int) float64 {
	return min(decay, float64(1+step)/float64(10+step))
}

// mixes reports whether pictures are blended in an epoch.
func (r *run) mixes(epoch int) bool {
	c := r.Recipe
	return r.Pixels && (c.Mixup > 0 || c.Cutmix > 0) && float64(epoch-r.at.Started) <= float64(c.Epochs)*(1-c.MixEnd)
}

// weight is what a batch's samples count together.
func weight(b *dataset.Batch, soft *engine.Soft) (sum float64) {
	for i, label := range b.Labels[:b.N] {
		sum += soft.Weight(i, int(label))
	}
	return sum
}

// evaluate measures the network on a held-out source.
func (r *run) evaluate(ctx context.Context, phase Phase, s *Source, epoch int) (*Score, error) {
	started := time.Now()
	seen := 0
	classes := r.Graph.Classes()
	keep := r.heldOut()*classes <= AnswersLimit
	res, err := eval.Run(ctx, r.Net, classes, s.Batches(ctx, 0, 0), func(b *dataset.Batch, logits []float32) error {
		seen += b.N
		for i := 0; keep && i < b.N; i++ {
			r.answers = append(r.answers, Answer{phase, b.Index[i], int(b.Labels[i]), slices.Clone(logits[i*classes : (i+1)*classes])})
		}
		if r.ticker.due() || seen == s.Images {
			r.Emit(Progress{Phase: phase, Epoch: epoch, Epochs: r.Epochs, Images: seen, TotalImages: s.Images,
				ImagesPerSec: perSecond(seen, time.Since(started))})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &Score{Loss: res.Loss, Accuracy: res.Accuracy, N: res.N}, nil
}

// heldOut is the number of pictures that judge an epoch.
func (r *run) heldOut() int {
	n := r.Test.Images
	if r.Val != nil {
		n += r.Val.Images
	}
	return n
}

// dropoutSeed gives every step of every run its own draws.
func dropoutSeed(seed uint64, epoch, step int) uint64 {
	return rand.NewPCG(seed, uint64(epoch)<<32|uint64(uint32(step))).Uint64()
}

func perSecond(images int, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(images) / d.Seconds()
}

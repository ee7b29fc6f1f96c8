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
	"time"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
)

// A Source gives the batches of an epoch, counted from 0, and how many
// pictures they hold.
type Source struct {
	Batches func(ctx context.Context, epoch int) iter.Seq2[*dataset.Batch, error]
	Images  int
}

// A Job is a run to do.
type Job struct {
	Net    engine.Network // compiled for training, its parameters loaded
	Graph  *graph.Graph   // what it was compiled from
	Whole  *graph.Graph   // whose parameters Keep gets; nil is Graph
	Recipe Recipe
	Seed   uint64
	Part   int // the most samples of one pass; larger batches go in parts. 0 is no limit
	Train  Source
	Val    *Source // chooses the best epoch; nil leaves that to Test
	Test   Source

	// A run may go on from another: Finished are the epochs before this one, Epochs all of both (0
	// is those of Recipe), Best the best before.
	Finished, Epochs int
	Best             *Epoch

	// Schedule gives the rate; nil is constant at Recipe.LR.
	Schedule Schedule
	// Seam is called between gradients and update; nil does nothing. Here
	// gradients are clipped, or summed over machines.
	Seam func(net engine.Network) error
	// Keep is called after every epoch that was finished.
	Keep func(e Epoch, s *State) error
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
	skipOne  bool // leave out a last batch of a single picture
	step     int
	steps    int
	images   int           // trained on, over all epochs
	busy     time.Duration // spent in training steps, waits for data included
	best     *Epoch
	last     *Epoch
}

// Run trains. A cancelled context ends it after the step under way, with
// Done.Interrupted and no error: what was reached is kept. The Done is
// returned beside an error too, and tells what was reached before it.
func Run(ctx context.Context, job Job) (Done, error) {
	if err := job.Recipe.Check(); err != nil {
		return Done{}, err
	}
	r := &run{Job: job, groups: Groups(job.Graph, job.Recipe), schedule: job.Schedule, ticker: ticker{interval: interval}}
	if r.schedule == nil {
		r.schedule = Constant(job.Recipe.LR)
	}
	if r.Emit == nil {
		r.Emit = func(Event) {}
	}
	n := len(job.Graph.Params)
	r.update = engine.Update{Rate: make([]float32, n), Decay: make([]float32, n), Momentum: float32(job.Recipe.Momentum)}
	r.skipOne = DropsLast(job.Graph, job.Train.Images, job.Recipe.Batch)
	perEpoch := (job.Train.Images + job.Recipe.Batch - 1) / job.Recipe.Batch
	if r.skipOne {
		perEpoch--
	}
	r.steps = job.Recipe.Epochs * perEpoch
	r.best = job.Best
	if r.Epochs == 0 {
		r.Epochs = job.Recipe.Epochs
	}
	if r.Whole == nil {
		r.Whole = job.Graph
	}

	var err error
	for epoch := job.Finished + 1; epoch <= job.Finished+job.Recipe.Epochs && err == nil && ctx.Err() == nil; epoch++ {
		err = r.epoch(ctx, epoch)
	}
	d := Done{Last: r.last, Best: r.best, Steps: r.step, ImagesPerSec: perSecond(r.images, r.busy)}
	if ctx.Err() != nil && (err == nil || errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))) {
		d.Interrupted, err = true, nil
	}
	if err == nil {
		r.Emit(d)
	}
	return d, err
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
	var err error
	if r.Val != nil {
		if e.Val, err = r.evaluate(ctx, Validating, r.Val, epoch); err != nil {
			return err
		}
	}
	test, err := r.evaluate(ctx, Testing, &r.Test, epoch)
	if err != nil {
		return err
	}
	e.Test = *test
	if h := e.held(); math.IsNaN(h.Loss) || math.IsInf(h.Loss, 0) {
		return fmt.Errorf("the loss on held-out pictures became %v after epoch %d (rate %g): try a smaller --lr", h.Loss, epoch, e.Rate)
	}
	e.Best = e.better(r.best)
	r.last = &e
	if e.Best {
		r.best = &e
	}
	if r.Keep != nil {
		if err := r.Keep(e, Capture(r.Net, r.Whole, epoch, r.step)); err != nil {
			return err
		}
	}
	r.Emit(e)
	return nil
}

// trainEpoch goes through the training pictures once.
func (r *run) trainEpoch(ctx context.Context, e *Epoch) error {
	started := time.Now()
	loss, correct, images, step := 0.0, 0, 0, 0
	for b, err := range r.Train.Batches(ctx, e.Epoch-1) {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
		if b.N == 1 && r.skipOne && images == r.Train.Images-1 {
			continue
		}
		step++
		rate := r.schedule(r.step, r.steps)
		res, err := r.trainStep(b, rate, e.Epoch)
		if err != nil {
			return err
		}
		if math.IsNaN(res.Loss) || math.IsInf(res.Loss, 0) {
			return &NotFiniteError{Loss: res.Loss, Epoch: e.Epoch, Step: step, Rate: rate, Batch: append([]int(nil), b.Index[:b.N]...)}
		}
		loss += res.Loss
		correct += res.Correct
		images += b.N
		r.step++
		r.images += b.N
		e.Loss, e.TrainAcc, e.Rate = loss/float64(images), float64(correct)/float64(images), rate
		if r.ticker.due() || images == r.Train.Images {
			r.Emit(Progress{Phase: Training, Epoch: e.Epoch, Epochs: r.Epochs, Images: images, TotalImages: r.Train.Images,
				Loss: e.Loss, Accuracy: e.TrainAcc, ImagesPerSec: perSecond(images, time.Since(started))})
		}
	}
	took := time.Since(started)
	r.busy += took
	e.ImagesPerSec = perSecond(images, took)
	if images == 0 && ctx.Err() == nil {
		return fmt.Errorf("there is no training picture")
	}
	return nil
}

// trainStep is one update: gradients, the finite check, the seam, the change.
// A loss that is no number changes nothing.
func (r *run) trainStep(b *dataset.Batch, rate float64, epoch int) (engine.Result, error) {
	pass := engine.Pass{Seed: dropoutSeed(r.Seed, epoch, r.step)}
	if r.Recipe.Sum {
		pass.Scale = 1
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
	setRates(&r.update, r.groups, rate)
	r.Net.Update(r.update)
	return res, nil
}

// evaluate measures the network on a held-out source.
func (r *run) evaluate(ctx context.Context, phase Phase, s *Source, epoch int) (*Score, error) {
	started := time.Now()
	seen := 0
	res, err := eval.Run(ctx, r.Net, r.Graph.Classes(), s.Batches(ctx, 0), func(b *dataset.Batch, _ []float32) error {
		seen += b.N
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

package serve

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync/atomic"
	"time"

	"graft"
)

// A batcher feeds one network. What arrives while the network is busy goes through it
// together as soon as it is free, which costs nobody a wait. With wait, a picture
// also waits for others while they are being decoded.
type batcher struct {
	predict func(context.Context, ...*graft.Input) ([]graft.Prediction, error)
	most    int
	wait    time.Duration
	seen    func(pictures int, took time.Duration) // for the metrics
	jobs    chan *job                              // has room for every picture admitted
	waiting atomic.Int64                           // pictures admitted and not yet answered
	coming  atomic.Int64                           // of which being decoded
	ended   chan struct{}
}

// A job is a picture that waits for its answer.
type job struct {
	ctx    context.Context
	input  *graft.Input
	answer chan answered // has room for one
}

type answered struct {
	graft.Prediction
	err error
}

func newBatcher(c Config, predict func(context.Context, ...*graft.Input) ([]graft.Prediction, error), seen func(int, time.Duration)) *batcher {
	b := &batcher{predict: predict, most: c.Batch, wait: c.BatchWait, seen: seen, jobs: make(chan *job, c.Queue), ended: make(chan struct{})}
	go b.run()
	return b
}

// admit takes places for n pictures, or none if there are not so many.
func (b *batcher) admit(n int) bool {
	if b.waiting.Add(int64(n)) > int64(cap(b.jobs)) {
		b.waiting.Add(int64(-n))
		return false
	}
	return true
}

// done gives n places back.
func (b *batcher) done(n int) { b.waiting.Add(int64(-n)) }

// ask makes a picture that was admitted ready and gets its answer.
func (b *batcher) ask(ctx context.Context, ready func() (*graft.Input, error)) (graft.Prediction, error) {
	j := &job{ctx: ctx, answer: make(chan answered, 1)}
	if err := b.queue(j, ready); err != nil {
		return graft.Prediction{}, err
	}
	select {
	case a := <-j.answer:
		return a.Prediction, a.err
	case <-ctx.Done():
		return graft.Prediction{}, ctx.Err()
	}
}

func (b *batcher) queue(j *job, ready func() (*graft.Input, error)) (err error) {
	b.coming.Add(1)
	defer b.coming.Add(-1)
	if j.input, err = ready(); err != nil {
		return err
	}
	select { // room is short only while pictures that nobody waits for any more are in it
	case b.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

func (b *batcher) run() {
	defer close(b.ended)
	for first := range b.jobs {
		b.infer(b.gather(first))
	}
}

// gather makes the next batch of the pictures that are there.
func (b *batcher) gather(first *job) []*job {
	batch := []*job{first}
	var late <-chan time.Time
	for len(batch) < b.most {
		select {
		case j, ok := <-b.jobs:
			if !ok {
				return batch
			}
			batch = append(batch, j)
			continue
		default:
		}
		if b.wait <= 0 || b.coming.Load() == 0 {
			return batch
		}
		if late == nil {
			late = time.After(b.wait)
		}
		select {
		case j, ok := <-b.jobs:
			if !ok {
				return batch
			}
			batch = append(batch, j)
		case <-late:
			return batch
		}
	}
	return batch
}

// infer answers a batch; those who went away meanwhile are left out.
func (b *batcher) infer(batch []*job) {
	live := batch[:0]
	var inputs []*graft.Input
	for _, j := range batch {
		if j.ctx.Err() == nil {
			live = append(live, j)
			inputs = append(inputs, j.input)
		}
	}
	if len(live) == 0 {
		return
	}
	start := time.Now()
	answers, err := b.guarded(inputs)
	b.seen(len(live), time.Since(start))
	for i, j := range live {
		if err != nil {
			j.answer <- answered{err: err}
			continue
		}
		j.answer <- answered{Prediction: answers[i]}
	}
}

// guarded turns a panic of the network's into an error of this batch.
func (b *batcher) guarded(inputs []*graft.Input) (p []graft.Prediction, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r), debug.Stack()}
		}
	}()
	return b.predict(context.Background(), inputs...)
}

// close ends the batcher once all jobs are answered; none may come after it.
func (b *batcher) close() {
	close(b.jobs)
	<-b.ended
}

// panicked is an error that was a panic.
type panicked struct {
	text  string
	stack []byte
}

func (p *panicked) Error() string { return "panic: " + p.text }

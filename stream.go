package graft

import (
	"context"
	"iter"
	"os"
	"runtime"
	"sync"
)

// A Source is a picture to answer for.
type Source struct {
	Path string
	Data []byte // the file's bytes; nil reads Path
	Err  error  // why there is no picture, which becomes the answer's
}

// An Answer is what a classifier says of a source. Err says why nothing; the answers after it go on.
type Answer struct {
	Path string
	Prediction
	Err error
}

// PredictStream answers for any number of pictures, in their order: they are read and decoded
// ahead, on all processors, while the network computes whole batches. What waits is bounded, so
// memory does not grow with their number, and each answer has the bits that PredictFile gives.
// The error ends the sequence: the context's, or the engine's.
func (c *Classifier) PredictStream(ctx context.Context, sources iter.Seq[Source]) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		queue := c.ready(ctx, sources, &all)
		batch := make([]*waiting, 0, c.batch)
		for more := true; more; {
			w, ok := <-queue
			if more = ok; ok {
				<-w.done
				batch = append(batch, w)
			}
			if len(batch) == c.batch || !more {
				if !c.answerAll(ctx, batch, yield) {
					return
				}
				batch = batch[:0]
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Answer{}, err)
		}
	}
}

// A waiting source is being decoded until done is closed.
type waiting struct {
	Source
	input *Input
	done  chan struct{}
}

// ready gives the sources in their order while they are being decoded, two batches ahead at most.
func (c *Classifier) ready(ctx context.Context, sources iter.Seq[Source], all *sync.WaitGroup) <-chan *waiting {
	queue, jobs := make(chan *waiting, 2*c.batch), make(chan *waiting)
	all.Go(func() {
		defer close(queue)
		defer close(jobs)
		for s := range sources {
			w := &waiting{Source: s, done: make(chan struct{})}
			select {
			case queue <- w:
			case <-ctx.Done():
				return
			}
			jobs <- w // workers always take it
		}
	})
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for w := range jobs {
				if ctx.Err() == nil {
					c.decode(w)
				}
				close(w.done)
			}
		})
	}
	return queue
}

func (c *Classifier) decode(w *waiting) {
	if w.Err != nil {
		return
	}
	data := w.Data
	if data == nil {
		if data, w.Err = os.ReadFile(w.Path); w.Err != nil {
			return
		}
	}
	w.input, w.Err = c.Input(data, 0)
	w.Data = nil
}

// answerAll yields a batch's answers; false ends the stream.
func (c *Classifier) answerAll(ctx context.Context, batch []*waiting, yield func(Answer, error) bool) bool {
	var inputs []*Input
	for _, w := range batch {
		if w.input != nil {
			inputs = append(inputs, w.input)
		}
	}
	if ctx.Err() != nil {
		return true // said at the end
	}
	predictions, err := c.PredictInputs(ctx, inputs...)
	if err != nil {
		yield(Answer{}, err)
		return false
	}
	for _, w := range batch {
		a := Answer{Path: w.Path, Err: w.Err}
		if w.input != nil {
			a.Prediction, predictions = predictions[0], predictions[1:]
		}
		if !yield(a, nil) {
			return false
		}
	}
	return true
}

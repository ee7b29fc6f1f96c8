package dataset

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime"
	"sync"

	"graft/internal/transform"
)

// LoaderOptions say how samples become batches.
type LoaderOptions struct {
	Batch      int
	Preprocess transform.Preprocess
	Augment    bool // by Augmentation; else as in evaluation
	// Augmentation is what happens to each picture; nil is a random crop and flip.
	Augmentation *transform.Augmentation
	Shuffle      bool   // a new order each epoch
	Balance      bool   // with Shuffle: every class equally often
	Seed         uint64 // of order and augmentation
	Workers      int    // 0 is one a processor
	Ahead        int    // batches made before they are asked for; 0 is 2
	Cache        *Cache // may be nil
	Decode       DecodeOptions
	// Warn hears of samples that could not be read and are left out of their batch.
	// Without it such a sample ends the epoch with its error.
	Warn func(error)
}

// A Batch is samples ready for the engine. It is valid until the next one is asked for.
type Batch struct {
	X      []float32 // NHWC, N x crop x crop x 3, normalised
	Labels []int32   // N
	Index  []int     // N: which samples, by their place in the loader's list
	N      int
}

// A Loader makes batches ahead of their use. What a batch holds depends on the
// options, the epoch and the samples, never on timing or the number of workers.
type Loader struct {
	samples []Sample
	o       LoaderOptions
	ring    []*slot
}

// A slot is a batch being made.
type slot struct {
	batch   Batch
	errs    []error
	pending sync.WaitGroup
}

// resize sets the number of samples of a batch, within its buffers.
func (s *slot) resize(n, size int) {
	b := &s.batch
	b.X, b.Labels, b.Index, b.N = b.X[:n*size], b.Labels[:n], b.Index[:n], n
}

// NewLoader prepares to load the samples. Its buffers are made at first use and reused.
func NewLoader(samples []Sample, o LoaderOptions) *Loader {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Ahead <= 0 {
		o.Ahead = 2
	}
	o.Batch = max(o.Batch, 1)
	if o.Augmentation == nil {
		o.Augmentation = &transform.Augmentation{Crop: transform.DefaultCrop, Flip: true}
	}
	o.Decode = o.Decode.For(o.Preprocess)
	return &Loader{samples: samples, o: o}
}

// Len is the number of samples.
func (l *Loader) Len() int { return len(l.samples) }

// Batches is the number of batches of an epoch; the last may be smaller.
func (l *Loader) Batches() int { return (len(l.samples) + l.o.Batch - 1) / l.o.Batch }

// size is the number of values of a sample.
func (l *Loader) size() int { return 3 * l.o.Preprocess.Crop * l.o.Preprocess.Crop }

func (l *Loader) slots() []*slot {
	if l.ring == nil {
		n := min(l.o.Batch, len(l.samples))
		for range l.o.Ahead + 1 {
			l.ring = append(l.ring, &slot{
				batch: Batch{X: make([]float32, n*l.size()), Labels: make([]int32, n), Index: make([]int, n)},
				errs:  make([]error, n),
			})
		}
	}
	return l.ring
}

// order is the sequence of samples in an epoch.
func (l *Loader) order(epoch int) []int {
	if l.o.Shuffle && l.o.Balance {
		return BalancedOrder(len(l.samples), func(i int) int { return l.samples[i].Class }, l.source(epoch, -1))
	}
	if l.o.Shuffle {
		return l.source(epoch, -1).Perm(len(l.samples))
	}
	order := make([]int, len(l.samples))
	for i := range order {
		order[i] = i
	}
	return order
}

// source gives the random numbers of a sample in an epoch, or with -1 those of
// the epoch's order. Seed, epoch and sample are hashed together, so that no two
// sources are alike.
func (l *Loader) source(epoch, sample int) *rand.Rand {
	x := mix(mix(l.o.Seed) + uint64(epoch))
	return rand.New(rand.NewPCG(x, mix(x+uint64(sample))))
}

// mix is the finaliser of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

type job struct {
	slot *slot
	at   int // in the batch
}

// Epoch yields the batches of an epoch. A loader runs one epoch at a time.
func (l *Loader) Epoch(ctx context.Context, epoch int) iter.Seq2[*Batch, error] {
	return l.EpochFrom(ctx, epoch, 0)
}

// EpochFrom yields the batches of an epoch from one on, counted from 0, without reading
// the pictures of those before.
func (l *Loader) EpochFrom(ctx context.Context, epoch, from int) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if len(l.samples) == 0 {
			return
		}
		ctx, stop := context.WithCancel(ctx)
		slots := l.slots()
		free, ready := make(chan *slot, len(slots)), make(chan *slot, len(slots))
		for _, s := range slots {
			free <- s
		}
		jobs := make(chan job)
		var all sync.WaitGroup
		defer all.Wait()
		defer stop()
		for range l.o.Workers {
			all.Go(func() {
				for j := range jobs {
					if ctx.Err() == nil {
						j.slot.errs[j.at] = l.make(j.slot, j.at, epoch)
					}
					j.slot.pending.Done()
				}
			})
		}
		order := l.order(epoch)
		all.Go(func() { l.feed(ctx, order[min(from*l.o.Batch, len(order)):], free, ready, jobs) })
		for range max(0, l.Batches()-from) {
			var s *slot
			select {
			case s = <-ready:
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			}
			s.pending.Wait()
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if err := l.settle(s); err != nil {
				yield(nil, err)
				return
			}
			if s.batch.N > 0 && !yield(&s.batch, nil) {
				return
			}
			free <- s
		}
	}
}

// feed hands out the work of one batch after another.
func (l *Loader) feed(ctx context.Context, order []int, free <-chan *slot, ready chan<- *slot, jobs chan<- job) {
	defer close(jobs)
	for len(order) > 0 {
		var s *slot
		select {
		case s = <-free:
		case <-ctx.Done():
			return
		}
		n := min(l.o.Batch, len(order))
		s.resize(n, l.size())
		copy(s.batch.Index[:n], order)
		order = order[n:]
		s.pending.Add(n)
		ready <- s
		for i := range n {
			jobs <- job{s, i} // workers always take it, if only to drop it
		}
	}
}

// make reads, decodes, transforms and normalises one sample into its place.
func (l *Loader) make(s *slot, at, epoch int) error {
	i := s.batch.Index[at]
	sample := &l.samples[i]
	pic, err := l.picture(sample)
	if err != nil {
		return fmt.Errorf("%s: %w", sample.Path, err)
	}
	p := &l.o.Preprocess
	size := l.size()
	x := s.batch.X[at*size : (at+1)*size]
	if !l.o.Augment {
		p.Normalize(x, p.Eval(pic))
	} else {
		random := l.source(epoch, i)
		p.Normalize(x, l.o.Augmentation.Apply(*p, pic, random))
		l.o.Augmentation.EraseFrom(x, p.Crop, random)
	}
	release(pic)
	s.batch.Labels[at] = int32(sample.Class)
	return nil
}

func (l *Loader) picture(s *Sample) (*transform.Picture, error) {
	if p := l.o.Cache.get(s.Path, l.o.Decode); p != nil {
		return p.picture(), nil
	}
	data, err := s.Read()
	if err != nil {
		return nil, err
	}
	p, err := decode(data, l.o.Decode)
	if err != nil {
		return nil, err
	}
	l.o.Cache.put(s.Path, l.o.Decode, p)
	return p.picture(), nil
}

// settle closes the gaps that unreadable samples leave in a batch.
func (l *Loader) settle(s *slot) error {
	b := &s.batch
	size := l.size()
	to := 0
	for i := range b.N {
		if err := s.errs[i]; err != nil {
			if l.o.Warn == nil {
				return err
			}
			l.o.Warn(err)
			continue
		}
		if to != i {
			copy(b.X[to*size:(to+1)*size], b.X[i*size:])
			b.Labels[to], b.Index[to] = b.Labels[i], b.Index[i]
		}
		to++
	}
	s.resize(to, size)
	return nil
}

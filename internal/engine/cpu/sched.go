package cpu

import (
	"sync"
	"sync/atomic"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// A task is an operation's work cut into items that can run in any order, on
// any worker: each item writes memory of its own. That alone makes results
// independent of the number of threads.
type task interface {
	// items is the number of pieces for a batch of n samples.
	items(n int) int
	// run does piece i on worker w.
	run(w *worker, i, n int)
}

// A worker has the scratch memory that one goroutine may use while it runs an item.
type worker struct {
	rows []uintptr // tables of row addresses, made large enough at compile time
	out  []uintptr
	taps []uintptr
	// The kernels' arguments live here, since a call through a function value
	// would move a local variable to the heap.
	tile     kernel.TileArgs
	grad     kernel.GradArgs
	deep     kernel.DepthwiseArgs
	deepGrad kernel.DepthwiseGradArgs

	x, dy   lineReader
	slots   [3][]float32    // rows of virtual tensors, and of scaled gradients
	zeros   unsafe.Pointer  // as the network's
	scratch []float32       // operands rounded
	planes  []float32       // of a block of Winograd's tiles
	wino    []float32       // the transforms' own
	tileIn  [4 * 36]uintptr // of a tile or a pair, and of the next
	tileOut [4 * 16]uintptr
	tileAdd [16]uintptr
}

// A pool keeps workers waiting between tasks. The caller of do is one of them.
type pool struct {
	workers []*worker
	wake    []chan struct{}
	done    sync.WaitGroup

	task  task
	n     int
	items int64
	next  atomic.Int64
}

func newPool(threads int) *pool {
	p := &pool{workers: make([]*worker, threads)}
	for i := range p.workers {
		p.workers[i] = &worker{}
		if i == 0 {
			continue
		}
		wake := make(chan struct{}, 1)
		p.wake = append(p.wake, wake)
		go func() {
			for range wake {
				p.work(p.workers[i])
				p.done.Done()
			}
		}()
	}
	return p
}

// do runs every item of t for a batch of n samples and returns when all are done.
func (p *pool) do(t task, n int) {
	items := t.items(n)
	if items == 0 {
		return
	}
	if items == 1 || len(p.workers) == 1 {
		for i := range items {
			t.run(p.workers[0], i, n)
		}
		return
	}
	p.task, p.n, p.items = t, n, int64(items)
	p.next.Store(0)
	helpers := min(len(p.wake), items-1)
	p.done.Add(helpers)
	for _, c := range p.wake[:helpers] {
		c <- struct{}{}
	}
	p.work(p.workers[0])
	p.done.Wait()
	p.task = nil
}

func (p *pool) work(w *worker) {
	for {
		i := p.next.Add(1) - 1
		if i >= p.items {
			return
		}
		p.task.run(w, int(i), p.n)
	}
}

func (p *pool) close() {
	for _, c := range p.wake {
		close(c)
	}
	p.wake = nil
	p.workers = p.workers[:1]
}

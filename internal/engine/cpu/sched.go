package cpu

import (
	"runtime"
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
	steps    [len(strassenSteps)]kernel.TileArgs
	grad     kernel.GradArgs
	deep     kernel.DepthwiseArgs
	deepGrad kernel.DepthwiseGradArgs
	slide    kernel.Depthwise3Args
	slideDW  kernel.Depthwise3GradArgs
	slide5   kernel.Depthwise5Args
	slideDW5 kernel.Depthwise5GradArgs

	x, dy   lineReader
	slots   [3][]float32   // rows of virtual tensors, and of scaled gradients
	zeros   unsafe.Pointer // as the network's
	scratch []float32      // operands rounded
	aside   aside
	chunk   []float32       // of a gradient that is written aside
	planes  []float32       // of a block of Winograd's tiles
	wino    []float32       // the transforms' own
	tiles   tiles           // of the block
	tileIn  [4 * 81]uintptr // of a tile or a pair, and of the next
	tileOut [2 * 64]uintptr
	tileAdd [64]uintptr
}

// A pool keeps workers waiting between tasks. The caller of do is one of them.
type pool struct {
	workers []*worker
	starts  []gate // of the workers but the first
	done    gate

	task  task // nil ends the workers
	n     int
	items int64
	next  atomic.Int64
}

func newPool(threads int) *pool {
	p := &pool{workers: make([]*worker, threads), starts: make([]gate, threads-1)}
	watch := watchTime
	if threads > runtime.GOMAXPROCS(0) {
		watch = 0 // who watches would be in the way of who works
	}
	p.done.init(watch)
	for i := range p.workers {
		p.workers[i] = &worker{}
		if i == 0 {
			continue
		}
		start := &p.starts[i-1]
		start.init(watch)
		start.shut(1)
		go func() {
			for start.pass(); p.task != nil; start.pass() {
				p.work(p.workers[i])
				p.done.arrive()
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
	helpers := p.starts[:min(len(p.starts), items-1)]
	p.done.shut(len(helpers))
	for i := range helpers {
		helpers[i].arrive()
	}
	p.work(p.workers[0])
	for i := range helpers {
		if helpers[i].enter() { // one that has not begun is not waited for
			p.done.arrive()
		}
	}
	p.done.pass()
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
	for i := range p.starts {
		p.starts[i].arrive()
	}
	p.starts, p.workers = nil, p.workers[:1]
}

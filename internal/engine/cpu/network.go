// Package cpu is the fast engine: convolution, batch normalisation and the rest
// on a CPU's vector units, in pure Go and Go assembly.
//
// Compile lowers a graph into two programs, one of a training step and one of
// inference: lists of tasks over buffers whose places in one arena are planned
// once. Activations are NHWC with channels rounded up to whole vectors; weights,
// their gradients and momentum lie in the panels the kernels read. Tasks are cut
// into items that write memory of their own, so results are the same bits for
// any number of threads.
//
// It knows graphs and kernels (package kernel). It knows nothing of training
// loops, files or pictures.
package cpu

import (
	"fmt"
	"runtime"
	"unsafe"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Options choose how the engine runs.
type Options struct {
	Threads int         // 0 is as many as Go may use (GOMAXPROCS)
	Set     *kernel.Set // nil is the best the processor has, or GRAFT_CPU's
	Direct  bool        // no Winograd: slower, rounds less; for comparison
	BF16    bool        // activations are stored and multiplied in bfloat16; an error where the processor does not
}

// An Engine compiles networks for one instruction set.
type Engine struct {
	set       *kernel.Set
	threads   int
	direct    bool
	bf16      bool
	aside     int // see asideBytes
	expansion int // see expansionBytes
}

// New returns an engine; the error names an instruction set the processor lacks.
func New(o Options) (*Engine, error) {
	e := &Engine{set: o.Set, threads: o.Threads, direct: o.Direct, bf16: o.BF16, aside: asideBytes, expansion: expansionBytes}
	if e.threads <= 0 {
		e.threads = runtime.GOMAXPROCS(0)
	}
	if e.set == nil {
		s, err := kernel.Select()
		if err != nil {
			return nil, err
		}
		e.set = s
	}
	if e.bf16 && e.set.BF16 == nil {
		return nil, fmt.Errorf("bf16 needs a processor with AVX512_BF16; this one runs %s without: use fp32", e.set.Name)
	}
	return e, nil
}

// BF16 reports whether it computes in bfloat16 what can be.
func (e *Engine) BF16() bool { return e.bf16 }

// Device is, for example, "cpu avx512 bf16, 2 threads".
func (e *Engine) Device() string {
	name := e.set.Name
	if e.bf16 {
		name += " bf16"
	}
	if e.threads == 1 {
		return fmt.Sprintf("cpu %s, 1 thread", name)
	}
	return fmt.Sprintf("cpu %s, %d threads", name, e.threads)
}

// A network is a compiled graph; see engine.Network for its methods.
type network struct {
	set       *kernel.Set
	rows      *kernel.Set // for activations: set, or that of bfloat16
	value     int         // bytes of an activation
	threads   int
	batch     int
	direct    bool
	aside     int
	expansion int
	g         *graph.Graph
	pool      *pool

	layouts        []layout
	weights, grads []float32
	slots          [engine.SlotCount][]float32 // nil where nothing is kept
	// weights changed since they were packed for input gradients, folded for inference
	packStale, foldStale bool

	step, infer *program
	pack, fold  []task
	trained     []bool // parameters with a gradient
	updates     *updateTask
	norms       *normTask
	arena       []byte
	system      [][]byte // other memory taken from the system
	zeros       unsafe.Pointer
	zeroPanel   []float32
	inferLogits *tensor

	// what tables the workers need
	tableRows, tableOut, tableTaps, zeroFloats, planeFloats, slotFloats, scratchFloats, asideFloats int

	// the call in progress
	input      []float32
	labels     []int32
	logits     []float32
	count      int
	scale      float32
	seed       uint64
	first      int // place of the first sample in the whole batch
	accumulate bool
	soft       engine.Soft
	update     engine.Update
	result     engine.Result
}

// zeroRow is the bytes of zeros that stand for padding: the widest row of channels.
const zeroRow = 64 << 10

// Compile plans a network for batches of up to c.Batch pictures.
func (e *Engine) Compile(g *graph.Graph, c engine.Config) (engine.Network, error) {
	net, bytes, err := e.plan(g, c)
	if err != nil {
		return nil, err
	}
	if net.arena, err = newArena(bytes + line); err != nil {
		net.release()
		return nil, fmt.Errorf("cpu engine: %d MB for a batch of %d: %w", bytes>>20, c.Batch, err)
	}
	net.infer.bind(net.arena)
	if net.step != nil {
		net.step.bind(net.arena)
	}
	net.pool = newPool(e.threads)
	for _, w := range net.pool.workers {
		w.rows = make([]uintptr, net.tableRows+1)
		w.out = make([]uintptr, net.tableOut+1)
		w.taps = make([]uintptr, net.tableTaps+1)
		w.planes = net.floats(net.planeFloats + 1)
		for i := range w.slots {
			w.slots[i] = net.floats(net.slotFloats + 1)
		}
		w.zeros = net.zeros
		w.chunk = net.floats(net.asideFloats + 1)
		w.scratch = net.floats(net.scratchFloats + 1)
		w.wino = floats(kernel.WinoScratch / 4)
	}
	return net, nil
}

// plan lowers a graph and returns the bytes that its arena needs. Nothing that
// it takes from the system has been touched, so that none of it is resident yet.
func (e *Engine) plan(g *graph.Graph, c engine.Config) (*network, int, error) {
	err := graph.Verify(g)
	if err != nil {
		return nil, 0, err
	}
	for i := range g.Nodes {
		if err := checkTransformer(&g.Nodes[i]); err != nil {
			return nil, 0, err
		}
		if n := &g.Nodes[i]; n.Op == graph.Conv && n.Window.Groups != 1 && n.In[0] == 0 {
			return nil, 0, fmt.Errorf("cpu engine: %s: the first layer cannot be a grouped convolution", n.Name)
		}
	}
	if g.Features && c.Train {
		return nil, 0, fmt.Errorf("cpu engine: %s gives features, which nothing can be trained on", g.Name)
	}
	if c.Batch < 1 {
		return nil, 0, fmt.Errorf("cpu engine: batch of %d", c.Batch)
	}
	net := &network{set: e.set, rows: e.set, value: 4, threads: e.threads, direct: e.direct, aside: e.aside, expansion: e.expansion, batch: c.Batch, g: g, packStale: true, foldStale: true}
	if e.bf16 && Halves(g) {
		net.rows, net.value = halfOf(e.set), 2
	}
	rowTaps := func(node int) bool { return g.Nodes[node].In[0] == 0 }
	var total int
	net.layouts, total = layouts(g, e.set.NR, rowTaps)
	net.weights = net.floats(total)
	net.zeroPanel = floats(max(e.set.NR, zeroRow/4))
	net.zeros = unsafe.Pointer(&net.zeroPanel[0])
	net.logits = make([]float32, c.Batch*g.Outputs())
	if c.Train {
		net.grads, net.slots[engine.Momentum] = net.floats(total), net.floats(total)
		for _, s := range c.Slots {
			net.slots[s] = net.floats(total)
		}
		step := graph.Grad(g, c.Trainable)
		t := lowerStep(net, step)
		net.step, net.pack = t.p, t.pack
		net.planUpdates(step, c.Trainable)
	}
	inf := lowerInference(net, g)
	net.infer, net.fold, net.inferLogits = inf.p, inf.fold, inf.widened(inf.value[inf.g.Logits])
	net.infer.emit(&logitsTask{net, net.inferLogits}, net.inferLogits)
	if net.zeroFloats*4 > zeroRow {
		net.release()
		return nil, 0, fmt.Errorf("cpu engine: a layer of %d channels is wider than %d", net.zeroFloats, zeroRow/4)
	}
	bytes := net.infer.plan(c.Batch)
	if net.step != nil {
		bytes = max(bytes, net.step.plan(c.Batch))
	}
	return net, bytes, nil
}

// pointer is the address of the weight at an offset of the flat array.
func (net *network) pointer(offset int) unsafe.Pointer { return unsafe.Pointer(&net.weights[offset]) }

func (net *network) run(tasks []task, n int) {
	for _, t := range tasks {
		net.pool.do(t, n)
	}
}

func (net *network) Gradients(b engine.Batch, p engine.Pass) (engine.Result, error) {
	if net.step == nil {
		return engine.Result{}, fmt.Errorf("cpu engine: the network was compiled for inference only")
	}
	if err := net.check(b.X, b.N); err != nil {
		return engine.Result{}, err
	}
	for i, l := range b.Labels[:b.N] {
		if l < 0 || int(l) >= net.g.Classes() {
			return engine.Result{}, fmt.Errorf("sample %d: %w: %d of %d", i, engine.ErrLabel, l, net.g.Classes())
		}
	}
	net.input, net.labels, net.count = b.X, b.Labels, b.N
	net.seed, net.first, net.accumulate, net.scale = p.Seed, p.First, p.Accumulate, p.Scale
	net.soft = p.Soft
	if net.scale == 0 {
		net.scale = 1 / float32(b.N)
	}
	if net.packStale {
		net.run(net.pack, b.N)
		net.packStale = false
	}
	net.run(net.step.tasks, b.N)
	net.foldStale = true // running statistics have moved
	net.input, net.labels, net.soft = nil, nil, engine.Soft{}
	return net.result, nil
}

func (net *network) check(x []float32, n int) error {
	if n < 1 || n > net.batch {
		return fmt.Errorf("cpu engine: %d samples in a batch; the network is planned for 1 to %d", n, net.batch)
	}
	if want := n * net.g.Input().Len(); len(x) < want {
		return fmt.Errorf("cpu engine: %d values are no %d pictures of %v", len(x), n, net.g.Input())
	}
	return nil
}

func (net *network) Logits(dst []float32) { copy(dst, net.logits[:net.count*net.g.Classes()]) }

func (net *network) Infer(x []float32, n int, logits []float32) error {
	if err := net.check(x, n); err != nil {
		return err
	}
	if net.foldStale {
		net.run(net.fold, n)
		net.foldStale = false
	}
	net.input, net.count = x, n
	net.run(net.infer.tasks, n)
	net.input = nil
	copy(logits, net.logits[:n*net.g.Outputs()])
	return nil
}

// A logitsTask copies the logits out of the arena.
type logitsTask struct {
	net *network
	x   *tensor
}

func (t *logitsTask) items(int) int { return 1 }

func (t *logitsTask) run(_ *worker, _, n int) {
	c := t.x.c
	for i := range n * t.x.pixels() {
		copy(t.net.logits[i*c:(i+1)*c], unsafe.Slice((*float32)(t.x.row(i)), c))
	}
}

func (net *network) Load(param int, src []float32) {
	net.layouts[param].load(net.weights, src)
	net.packStale, net.foldStale = true, true
}

func (net *network) Read(param int, dst []float32) { net.layouts[param].read(net.weights, dst) }

func (net *network) Gradient(param int, dst []float32) {
	if net.trained == nil || !net.trained[param] {
		clear(dst)
		return
	}
	net.layouts[param].read(net.grads, dst)
}

func (net *network) SetGradient(param int, src []float32) {
	net.layouts[param].load(net.grads, src)
}

func (net *network) Bytes() int {
	n := len(net.arena)
	for _, b := range net.system {
		n += len(b)
	}
	return n
}

func (net *network) Close() {
	if net.arena == nil {
		return
	}
	net.pool.close()
	freeArena(net.arena)
	net.arena = nil
	net.release()
}

// floats takes n zeroed floats from the system, beside the garbage-collected
// heap, until release. They are resident where they were touched only.
func (net *network) floats(n int) []float32 {
	b, err := newArena(n*4 + line + slack)
	if err != nil {
		return floats(n)
	}
	net.system = append(net.system, b)
	return unsafe.Slice((*float32)(align(b)), n)
}

func (net *network) release() {
	for _, b := range net.system {
		freeArena(b)
	}
	net.system, net.weights, net.grads, net.slots = nil, nil, nil, [engine.SlotCount][]float32{}
}

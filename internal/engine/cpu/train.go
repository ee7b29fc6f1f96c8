package cpu

import (
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// A training lowers the graph of a step: the forward pass with batch
// statistics, the loss, and the gradients.
type training struct {
	*lowering
	fused     map[int]bool // nodes that run as part of another
	ends      map[int]fusedNorm
	states    map[int]*normState
	args      map[int]*tensor
	grads     []gradient
	producers map[*tensor]*producer
	deferred  map[int]bool           // convolutions whose gradients run together
	masked    map[int]bool           // ReLUs whose mask is applied already, or to what their gradient is made of
	wholeSums map[*tensor]*partials  // over pixels, of the gradients of concatenations
	packed    map[int]*transposeTask // by parameter
	pack      []task                 // runs after the weights have changed
	done      map[int]bool           // gradient nodes that are lowered already
}

// A fusedNorm is a BatchNorm that runs where its result is complete: behind
// the addition of a residual and a ReLU.
type fusedNorm struct {
	norm     int
	residual int // node, or 0
	act      kernel.Act
}

func lowerStep(net *network, g *graph.Graph) *training {
	t := &training{lowering: newLowering(net, g), fused: map[int]bool{}, ends: map[int]fusedNorm{},
		states: map[int]*normState{}, args: map[int]*tensor{}, masked: map[int]bool{},
		producers: map[*tensor]*producer{}, wholeSums: map[*tensor]*partials{}, deferred: map[int]bool{}, done: map[int]bool{},
		grads: make([]gradient, len(g.Nodes)), packed: map[int]*transposeTask{}}
	t.house()
	for i := range g.Nodes {
		if g.Nodes[i].Op == graph.BatchNorm && g.Nodes[i].Kind == graph.Forward {
			t.fuseNorm(i)
		}
	}
	for i := 1; i < len(g.Nodes); i++ {
		t.p.node = i
		switch {
		case t.done[i]:
		case i < g.Loss:
			t.forward(i)
		case i == g.Loss:
			logits := t.widened(t.value[g.Logits])
			d := t.p.tensor("loss", g.Nodes[i].Out, 4)
			t.p.emit(&lossTask{net, logits, d}, logits, d)
			if t.grads[i] = (gradient{t: d}); logits != t.value[g.Logits] {
				t.grads[i].t = t.tensor(i, "loss in bfloat16")
				t.convert(t.grads[i].t, d)
			}
		case g.Nodes[i].Kind == graph.Forward:
			t.sum(i)
		case g.Nodes[i].Kind == graph.ParamGrad:
			t.paramGrad(i)
		default:
			t.inputGrad(i)
		}
	}
	return t
}

func (t *training) fuseNorm(i int) {
	f := fusedNorm{norm: i}
	end := i
	if add, residual := t.addition(i); add != 0 {
		f.residual = residual
		t.fused[end] = true
		end = add
	}
	// Behind an addition the activation's input is kept by nobody: only ReLU, whose
	// gradient follows from its output, can be fused there.
	if user, act := t.activationOf(end); user != 0 && (f.residual == 0 || act == kernel.ReLU) {
		t.fused[end] = true
		end, f.act = user, act
	}
	t.ends[end] = f
}

func (t *training) forward(i int) {
	if f, ok := t.ends[i]; ok {
		t.normalize(i, f)
		return
	}
	if t.fused[i] {
		if t.g.Nodes[i].Op == graph.BatchNorm {
			t.statistics(i)
		}
		return
	}
	n := &t.g.Nodes[i]
	switch n.Op {
	case graph.Mul:
		if x := t.in(n, 0); x.virtual != nil {
			t.excite(i, x)
			return
		}
		t.simple(i)
	case graph.Conv, graph.Linear:
		if depthwise(t.g, n) {
			t.depthwiseConv(i)
			return
		}
		t.conv(i)
	case graph.MaxPool:
		if t.args[i] == nil { // else it ran as part of the convolution before
			t.args[i] = t.emitMaxPool(i).args
		}
	case graph.StochasticDepth:
		x, y := t.in(n, 0), t.out(i)
		t.stochasticDepth(n, i, y, x)
	case graph.Dropout:
		x, y := t.in(n, 0), t.out(i)
		t.dropout(n, i, y, x)
	default:
		t.simple(i)
	}
}

// conv lowers a convolution; a ReLU or the statistics of a BatchNorm that
// follows belong to its epilogue.
func (t *training) conv(i int) {
	n := &t.g.Nodes[i]
	end, lo := i, -inf
	if relu := t.only(i, graph.ReLU); relu != 0 {
		end, lo = relu, 0
		t.fused[relu] = true
	}
	if pool := t.stem(i, end); pool != 0 {
		t.value[end] = t.unstored(end)
		c := t.gather(n, t.value[end])
		c.lo = lo
		if c.in.value == 2 {
			t.pack = append(t.pack, t.halve(c, n.Window.Kernel))
		}
		t.args[pool] = t.emitStem(c, pool).args
		return
	}
	c := t.gather(n, t.out(end))
	c.lo = lo
	norm := t.only(i, graph.BatchNorm)
	if norm == 0 || t.g.Nodes[norm].Frozen {
		t.emitConv(n, c, n.Window, false, "")
		return
	}
	state := t.normState(&t.g.Nodes[norm])
	t.states[norm] = state
	t.emitConv(n, c, n.Window, false, n.Name+".moments")
	t.p.emit(&normMergeTask{c.stats, c.out.pixels(), t.normParams(&t.g.Nodes[norm]), state}, c.stats.buf)
}

// depthwiseConv lowers a depthwise convolution; the statistics of a BatchNorm
// that follows belong to its epilogue.
func (t *training) depthwiseConv(i int) {
	c := t.lowering.depthwise(&t.g.Nodes[i], t.out(i))
	norm := t.only(i, graph.BatchNorm)
	if norm == 0 || t.g.Nodes[norm].Frozen {
		t.emitDepthwise(c)
		return
	}
	state := t.normState(&t.g.Nodes[norm])
	t.states[norm] = state
	c.stats = t.p.newPartials(t.g.Nodes[i].Name+".moments", c.out, c.band*c.out.w, t.net.batch)
	t.emitDepthwise(c)
	t.p.emit(&normMergeTask{c.stats, c.out.pixels(), t.normParams(&t.g.Nodes[norm]), state}, c.stats.buf)
}

// dropout lowers it; node's number decides what is dropped.
func (t *training) dropout(n *graph.Node, node int, y, x *tensor) {
	t.p.emit(&dropoutTask{t.chunked(y), y, x, n.P, node, t.net}, x, y)
}

// stochasticDepth lowers it; node's number decides which samples are dropped.
func (t *training) stochasticDepth(n *graph.Node, node int, y, x *tensor) {
	keep := everywhere(float32(1/(1-n.P)), y.cp)
	t.net.zeroFloats = max(t.net.zeroFloats, y.cp)
	t.p.emit(&depthTask{t.kernels(y), y, x, n.P, node, keep, t.net}, y, x)
}

// emitConv adds a convolution, by tiles where that is faster. Unless "", moments
// names room for those of its output. flip says that it is an input gradient.
func (t *training) emitConv(n *graph.Node, c *gatherTask, w graph.Window, flip bool, moments string) {
	keep := func(chunk int) {
		if moments != "" {
			c.stats = t.p.newPartials(moments, c.out, chunk, t.net.batch)
		}
	}
	tiles := t.winograd(n, c.in, c.out, flip)
	if tiles == nil {
		if c.in.value == 2 {
			t.pack = append(t.pack, t.halve(c, w.Kernel))
		}
		keep(c.block)
		if w.Kernel == 1 && w.Stride == 1 {
			t.producers[c.out] = &producer{len(t.p.tasks), c.block, &c.after}
		}
		t.emitGather(c)
		return
	}
	u := t.p.whole("transformed weights", c.panels*winoPoints*winoTap(c.tapBytes, c.set.NR), t.net.batch)
	tiled, pack := t.tiled(c, tiles, u, flip, moments != "")
	keep(tiled.grid.chunk(c.out))
	tiled.stats = c.stats
	t.p.emit(pack, u)
	if c.in.value == 2 {
		half := t.p.whole("rounded weights", c.panels*winoPoints*c.tapBytes/2, t.net.batch)
		t.p.emit(tiled.roundWeights(t.lowering, half), u, half)
		u = half
	}
	t.p.emit(tiled, u, c.in, c.out, c.add, c.stats.tensor())
}

// statistics makes sure that a BatchNorm's scale and shift are known.
func (t *training) statistics(i int) *normState {
	if s := t.states[i]; s != nil {
		return s
	}
	n := &t.g.Nodes[i]
	s := t.normState(n)
	t.states[i] = s
	if n.Frozen {
		t.p.emit(&normFrozenTask{t.normParams(n), s})
		return s
	}
	x := t.in(n, 0)
	c := t.chunked(x)
	p := t.p.newPartials(n.Name+".moments", x, c.chunk, t.net.batch)
	t.p.emit(&momentsTask{c, x, p}, x, p.buf)
	t.p.emit(&normMergeTask{p, x.pixels(), t.normParams(n), s}, p.buf)
	return s
}

func (t *training) normalize(i int, f fusedNorm) {
	n := &t.g.Nodes[f.norm]
	s := t.statistics(f.norm)
	x := t.in(n, 0)
	if f.residual == 0 && x.virtual == nil && t.opens(i) && t.excitable(i) {
		t.value[i] = t.virtual(n.Name, t.g.Nodes[i].Out, &virtual{set: t.kernels(x), x: x, state: s, act: f.act})
		return
	}
	y := t.out(i)
	if _, _, clamps := limits(f.act); !clamps || f.act == kernel.ReLU6 {
		t.p.emit(&normActivateTask{t.chunked(y), y, x, s, f.act}, x, y)
		return
	}
	task := &normalizeTask{chunked: t.chunked(y), y: y, x: x, state: s, lo: -inf}
	if f.residual != 0 {
		task.residual = t.value[f.residual]
	}
	if f.act == kernel.ReLU {
		task.lo = 0
	}
	t.p.emit(task, x, y, task.residual)
}

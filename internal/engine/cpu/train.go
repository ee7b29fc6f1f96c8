package cpu

import (
	"graft/internal/graph"
)

// A training lowers the graph of a step: the forward pass with batch
// statistics, the loss, and the gradients.
type training struct {
	*lowering
	fused  map[int]bool // nodes that run as part of another
	ends   map[int]fusedNorm
	states map[int]*normState
	args   map[int]*tensor
	wins   map[int]*windows
	grads  []gradient
	masked map[int]bool           // ReLUs whose mask is applied behind a pool
	packed map[int]*transposeTask // by parameter
	pack   []task                 // runs after the weights have changed
}

// A fusedNorm is a BatchNorm that runs where its result is complete: behind
// the addition of a residual and a ReLU.
type fusedNorm struct {
	norm     int
	residual int // node, or 0
	relu     bool
}

func lowerStep(net *network, g *graph.Graph) *training {
	t := &training{lowering: newLowering(net, g), fused: map[int]bool{}, ends: map[int]fusedNorm{},
		states: map[int]*normState{}, args: map[int]*tensor{}, wins: map[int]*windows{}, masked: map[int]bool{},
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
		case i < g.Loss:
			t.forward(i)
		case i == g.Loss:
			logits := t.value[g.Logits]
			d := t.p.tensor("loss", g.Nodes[i].Out)
			t.p.emit(&lossTask{net, logits, d}, logits, d)
			t.grads[i] = gradient{t: d}
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
	if relu := t.only(end, graph.ReLU); relu != 0 {
		t.fused[end] = true
		end, f.relu = relu, true
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
	case graph.Conv, graph.Linear:
		t.conv(i)
	case graph.MaxPool:
		t.args[i], t.wins[i] = t.maxPool(i)
	case graph.Dropout:
		x, y := t.in(n, 0), t.out(i)
		t.p.emit(&dropoutTask{t.chunked(y), y, x, n.P, i, t.net}, x, y)
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
	c := t.gather(n, t.out(end))
	c.lo = lo
	norm := t.only(i, graph.BatchNorm)
	if norm == 0 || t.g.Nodes[norm].Frozen {
		t.emitConv(c, n.Window, false, "")
		return
	}
	state := t.normState(&t.g.Nodes[norm])
	t.states[norm] = state
	t.emitConv(c, n.Window, false, n.Name+".moments")
	t.p.emit(&normMergeTask{c.stats, c.out.pixels(), t.normParams(&t.g.Nodes[norm]), state}, c.stats.buf)
}

// emitConv adds a convolution, by tiles where that is faster. Unless "", moments
// names room for those of its output. flip says that it is an input gradient.
func (t *training) emitConv(c *gatherTask, w graph.Window, flip bool, moments string) {
	keep := func(chunk int) {
		if moments != "" {
			c.stats = t.p.newPartials(moments, c.out, chunk, t.net.batch)
		}
	}
	if !t.winograd(c.in, c.out, w) {
		keep(c.block)
		t.emitGather(c)
		return
	}
	u := t.p.whole("transformed weights", c.panels*winoPoints*c.tapBytes, t.net.batch)
	tiled, pack := t.tiled(c, u, flip, moments != "")
	keep(tiled.grid.chunk(c.out))
	tiled.stats = c.stats
	t.p.emit(pack, u)
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
	x, y := t.in(n, 0), t.out(i)
	task := &normalizeTask{chunked: t.chunked(y), y: y, x: x, state: s, lo: -inf}
	if f.residual != 0 {
		task.residual = t.value[f.residual]
	}
	if f.relu {
		task.lo = 0
	}
	t.p.emit(task, x, y, task.residual)
}

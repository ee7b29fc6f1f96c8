package cpu

import (
	"slices"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// An inference lowers the forward pass with running statistics: a BatchNorm
// behind a convolution is folded into its weights, the addition of a residual
// and a ReLU into its epilogue.
type inference struct {
	*lowering
	fused  map[int]bool
	pooled map[int]bool // MaxPools that run as part of the convolution before
	ends   map[int]chain
	fold   []task // runs after the weights have changed
}

// A chain is a convolution or linear layer with what runs as part of it.
type chain struct {
	conv, norm int // norm is 0 where there is none
	residual   int
	act        kernel.Act
}

func lowerInference(net *network, g *graph.Graph) *inference {
	g = bypass(g)
	t := &inference{lowering: newLowering(net, g), fused: map[int]bool{}, pooled: map[int]bool{}, ends: map[int]chain{}}
	t.house()
	for i := range g.Nodes {
		if op := g.Nodes[i].Op; op == graph.Conv || op == graph.Linear {
			t.fuse(i)
		}
	}
	for i := 1; i < len(g.Nodes); i++ {
		t.p.node = i
		t.forward(i)
	}
	return t
}

// bypass returns the graph with what only training does left out: whoever reads a
// Dropout or StochasticDepth reads its input instead.
func bypass(g *graph.Graph) *graph.Graph {
	s := *g
	s.Nodes = slices.Clone(g.Nodes)
	source := make([]int, len(g.Nodes))
	for i := range s.Nodes {
		n := &s.Nodes[i]
		n.In = slices.Clone(n.In)
		for k, j := range n.In {
			n.In[k] = source[j]
		}
		source[i] = i
		if n.Op == graph.Dropout || n.Op == graph.StochasticDepth {
			source[i], n.In = n.In[0], nil
		}
	}
	s.Logits = source[g.Logits]
	return &s
}

func (t *inference) fuse(i int) {
	c := chain{conv: i}
	end := i
	absorb := func(next int) {
		t.fused[end] = true
		end = next
	}
	if norm := t.only(end, graph.BatchNorm); norm != 0 {
		c.norm = norm
		absorb(norm)
	}
	if add, residual := t.addition(end); !depthwise(t.g, &t.g.Nodes[i]) && add != 0 && t.homes[add] == nil && t.homes[residual] == nil && residual != 0 {
		if act, _ := t.activationOf(add); act == 0 || t.homes[act] == nil {
			c.residual = residual
			absorb(add)
		}
	}
	if user, act := t.activationOf(end); user != 0 {
		c.act = act
		absorb(user)
	}
	t.ends[end] = c
}

func (t *inference) forward(i int) {
	if c, ok := t.ends[i]; ok {
		t.chain(i, c)
		return
	}
	if t.fused[i] {
		return
	}
	n := &t.g.Nodes[i]
	switch n.Op {
	case graph.BatchNorm:
		t.norm(i)
	case graph.MaxPool:
		if !t.pooled[i] {
			t.emitMaxPool(i)
		}
	case graph.Dropout, graph.StochasticDepth:
		// nobody reads it: see bypass
	default:
		t.simple(i)
	}
}

func (t *inference) chain(i int, c chain) {
	n := &t.g.Nodes[c.conv]
	t.p.node = c.conv
	if depthwise(t.g, n) {
		t.depthwiseChain(i, c)
		return
	}
	pool := t.stem(c.conv, i)
	if _, _, clamps := limits(c.act); !clamps || c.residual != 0 {
		pool = 0
	}
	var out *tensor
	if pool != 0 {
		out = t.unstored(i)
		t.pooled[pool] = true
	} else {
		out = t.out(i)
	}
	g := t.gather(n, out)
	if c.residual != 0 {
		g.add = t.value[c.residual]
	}
	var norm *normState
	if c.norm != 0 {
		norm = t.foldState(n, &t.g.Nodes[c.norm])
		g.bias = unsafe.Pointer(&norm.shift[0])
	}
	lay := &t.net.layouts[n.Params[0]]
	rows, src := lay.taps*lay.kr, t.net.weights[lay.offset:lay.offset+lay.size]
	var dst *tensor
	var pairs *pairTask
	if form := t.winograd(n, g.in, g.out, false); form != nil {
		if g.act = c.act; c.act == kernel.ReLU { // the transform back limits from below only
			g.act, g.lo = kernel.Identity, 0
		}
		rows, src = winoPoints*(lay.kr+1), nil // winoTap has a row more
		bytes := lay.panels * rows * lay.nr * 4
		dst = t.p.kept(n.Name+foldedSuffix, bytes, t.net.batch)
		tiled, pack := t.tiled(g, form, dst, false, false)
		t.fold = append(t.fold, pack)
		if g.in.value == 2 {
			pairs = tiled.roundWeights(t.lowering, own(bytes/2))
		}
		t.p.emit(tiled, g.in, g.out, g.add)
	} else if lo, hi, clamps := limits(c.act); clamps && t.strassen(n, g) {
		g.lo, g.hi = lo, hi
		u := t.p.kept(n.Name+foldedSuffix, lay.size*strassenProducts, t.net.batch)
		task, pack := t.quartered(g, norm, u)
		t.fold = append(t.fold, pack)
		t.p.emit(task, g.in, g.out, g.add)
		return
	} else {
		if norm != nil {
			dst = t.p.kept(n.Name+foldedSuffix, lay.size*4, t.net.batch)
			g.source = dst
		}
		var clamps bool
		if g.lo, g.hi, clamps = limits(c.act); !clamps {
			g.act = c.act
		}
		if g.in.value == 2 {
			pairs = t.halve(g, lay.kernel)
		} else if dst != nil {
			t.p.bound = append(t.p.bound, func() { g.weights = dst.base })
		}
		if pool != 0 {
			t.emitStem(g, pool)
		} else {
			t.emitGather(g)
		}
	}
	if norm != nil {
		t.fold = append(t.fold, &foldTask{set: t.wide, src: src, dst: dst, panels: lay.panels, rows: rows, nr: lay.nr, state: norm, zero: t.net.zeroPanel})
	}
	if pairs != nil {
		t.fold = append(t.fold, pairs) // of the folded weights
	}
}

// depthwiseChain lowers a depthwise convolution with what runs as part of it.
func (t *inference) depthwiseChain(i int, c chain) {
	n := &t.g.Nodes[c.conv]
	d := t.lowering.depthwise(n, t.out(i))
	var clamps bool
	if d.lo, d.hi, clamps = limits(c.act); !clamps {
		d.act = c.act
	}
	if c.norm != 0 {
		norm := t.foldState(n, &t.g.Nodes[c.norm])
		d.bias = unsafe.Pointer(&norm.shift[0])
		lay := &t.net.layouts[n.Params[0]]
		dst := t.p.kept(n.Name+foldedSuffix, lay.size*4, t.net.batch)
		t.fold = append(t.fold, &foldTask{set: t.wide, src: d.weights, dst: dst, panels: 1, rows: lay.taps, nr: lay.nr, state: norm, zero: t.net.zeroPanel})
		t.p.bound = append(t.p.bound, func() { d.weights = unsafe.Slice((*float32)(dst.base), lay.size) })
	}
	t.emitDepthwise(d)
}

// foldState makes one scale and shift of a BatchNorm and the bias of the convolution before it.
func (t *inference) foldState(conv, norm *graph.Node) *normState {
	s := t.normState(norm)
	state := &foldStateTask{params: t.normParams(norm), state: s}
	if len(conv.Params) > 1 {
		b := &t.net.layouts[conv.Params[1]]
		state.bias = t.net.weights[b.offset : b.offset+b.out]
	}
	t.fold = append(t.fold, state)
	return s
}

// norm lowers a BatchNorm that follows no convolution.
func (t *inference) norm(i int) {
	n := &t.g.Nodes[i]
	s := t.normState(n)
	t.fold = append(t.fold, &normFrozenTask{t.normParams(n), s})
	x, y := t.in(n, 0), t.out(i)
	t.p.emit(&normalizeTask{chunked: t.chunked(y), y: y, x: x, state: s, lo: -inf}, x, y)
}

// A foldStateTask finds a BatchNorm's scale and shift, the convolution's bias included.
type foldStateTask struct {
	params normParams
	state  *normState
	bias   []float32
}

func (t *foldStateTask) items(int) int { return 1 }

func (t *foldStateTask) run(_ *worker, _, _ int) {
	t.state.fromRunning(&t.params)
	for c, b := range t.bias {
		t.state.shift[c] += b * t.state.scale[c]
	}
}

package cpu

import (
	"unsafe"

	"graft/internal/graph"
)

// An inference lowers the forward pass with running statistics: a BatchNorm
// behind a convolution is folded into its weights, the addition of a residual
// and a ReLU into its epilogue.
type inference struct {
	*lowering
	fused map[int]bool
	ends  map[int]chain
	fold  []task // runs after the weights have changed
}

// A chain is a convolution or linear layer with what runs as part of it.
type chain struct {
	conv, norm int // norm is 0 where there is none
	residual   int
	relu       bool
}

func lowerInference(net *network, g *graph.Graph) *inference {
	t := &inference{lowering: newLowering(net, g), fused: map[int]bool{}, ends: map[int]chain{}}
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
	if add, residual := t.addition(end); add != 0 && t.homes[add] == nil && t.homes[residual] == nil && residual != 0 {
		if relu := t.only(add, graph.ReLU); relu == 0 || t.homes[relu] == nil {
			c.residual = residual
			absorb(add)
		}
	}
	if relu := t.only(end, graph.ReLU); relu != 0 {
		c.relu = true
		absorb(relu)
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
		t.maxPool(i)
	case graph.Dropout:
		t.value[i] = t.in(n, 0)
	default:
		t.simple(i)
	}
}

func (t *inference) chain(i int, c chain) {
	n := &t.g.Nodes[c.conv]
	t.p.node = c.conv
	g := t.gather(n, t.out(i))
	if c.relu {
		g.lo = 0
	}
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
	if n.Op == graph.Conv && t.winograd(g.in, g.out, n.Window) {
		rows, src = winoPoints*lay.kr, nil
		dst = t.p.kept(n.Name+foldedSuffix, lay.panels*rows*lay.nr*4, t.net.batch)
		tiled, pack := t.tiled(g, dst, false, false)
		t.fold = append(t.fold, pack)
		t.p.emit(tiled, g.in, g.out, g.add)
	} else {
		if norm != nil {
			dst = t.p.kept(n.Name+foldedSuffix, lay.size*4, t.net.batch)
			t.p.bound = append(t.p.bound, func() { g.weights = dst.base })
		}
		t.emitGather(g)
	}
	if norm != nil {
		t.fold = append(t.fold, &foldTask{set: t.set, src: src, dst: dst, panels: lay.panels, rows: rows, nr: lay.nr, state: norm, zero: t.net.zeroPanel})
	}
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

package cpu

import (
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// A lowering turns a graph into a program: it decides which operations run
// together, which share buffers, and in which order. train.go lowers a step,
// infer.go an inference; what both need is here.
type lowering struct {
	net        *network
	set        *kernel.Set // for activations
	wide       *kernel.Set // for float32
	valueBytes int         // bytes of an activation
	g          *graph.Graph
	p          *program

	wideNode []bool // of each node, whether its output is float32 in any case
	wideCopy map[*tensor]*tensor

	value  []*tensor // output of each forward node
	stages map[stageKey]*stage
	// users are the forward nodes that read a node's output.
	users [][]int
	// lastUser is the last node of any kind that names a node as input.
	lastUser []int
	// homes are slices of concatenations that nodes write straight into.
	homes map[int]*tensor
	// rowStats are the means and deviations that LayerNorms keep.
	rowStats map[int]*tensor
}

type stageKey struct {
	pad  int
	rows bool
}

func newLowering(net *network, g *graph.Graph) *lowering {
	l := &lowering{net: net, set: net.rows, wide: net.set, valueBytes: net.value, wideNode: wideNodes(g), wideCopy: map[*tensor]*tensor{}, g: g, p: &program{},
		value: make([]*tensor, len(g.Nodes)), stages: map[stageKey]*stage{},
		users: make([][]int, len(g.Nodes)), lastUser: make([]int, len(g.Nodes)), homes: map[int]*tensor{}, rowStats: map[int]*tensor{}}
	for i := range g.Nodes {
		for _, j := range g.Nodes[i].In {
			l.lastUser[j] = i
			if g.Nodes[i].Kind == graph.Forward && (g.Loss == 0 || i < g.Loss) {
				l.users[j] = append(l.users[j], i)
			}
		}
	}
	return l
}

// only returns the single forward user of a node if it is of that operation, else 0.
func (l *lowering) only(i int, op graph.Op) int {
	if len(l.users[i]) == 1 && l.g.Nodes[l.users[i][0]].Op == op && i != l.g.Logits {
		return l.users[i][0]
	}
	return 0
}

// activationOf returns the activation that is the single forward user of a node, or 0.
func (l *lowering) activationOf(i int) (node int, act kernel.Act) {
	if len(l.users[i]) != 1 || i == l.g.Logits {
		return 0, kernel.Identity
	}
	user := l.users[i][0]
	if act = activation(l.g.Nodes[user].Op); act == kernel.Identity {
		return 0, act
	}
	return user, act
}

// addition returns the node where x + residual is complete if x's single user
// is an addition of which it is the first operand, with the other operand.
func (l *lowering) addition(x int) (add, residual int) {
	add = l.only(x, graph.Add)
	if add == 0 || l.g.Nodes[add].In[0] != x || l.g.Nodes[add].In[1] == x {
		return 0, 0
	}
	return add, l.g.Nodes[add].In[1]
}

// stage returns the input as a convolution with that padding wants it.
func (l *lowering) stage(pad int, rows bool) *stage {
	key := stageKey{pad, rows}
	if s := l.stages[key]; s != nil {
		return s
	}
	in := l.g.Input()
	s := &stage{pad: pad, rowPixels: in.W + 2*pad, channels: in.C, h: in.H, w: in.W, c: in.C}
	if !rows {
		s.channels = roundUp(in.C, vec)
	}
	bytes := (in.H + 2*pad) * s.rowPixels * s.channels * l.valueBytes
	if rows && l.valueBytes == 2 {
		bytes += 4 // a pair that begins with the last value
	}
	s.tensor = l.p.raw("input", bytes)
	s.tensor.h, s.tensor.w, s.tensor.c, s.tensor.cp, s.tensor.value, s.tensor.stride = in.H, in.W, in.C, s.channels, l.valueBytes, s.channels*l.valueBytes
	l.stages[key] = s
	l.p.emit(&stageTask{net: l.net, to: s}, s.tensor)
	return s
}

// picture is the input as a convolution of kernel rows reads it.
func (l *lowering) picture(w graph.Window) *stage { return l.stage(w.Reach(l.g.Input()), true) }

// in is the value of a node's input number k; the network's input is staged by need.
func (l *lowering) in(n *graph.Node, k int) *tensor {
	if n.In[k] == 0 {
		return l.stage(0, false).tensor
	}
	return l.value[n.In[k]]
}

// out makes the tensor that node i writes: a slice of a concatenation, or a new one.
func (l *lowering) out(i int) *tensor {
	if h := l.homes[i]; h != nil {
		l.value[i] = h
		return h
	}
	l.value[i] = l.tensor(i, l.g.Nodes[i].Name)
	return l.value[i]
}

// house gives the inputs of concatenations their places, where whole vectors
// of channels allow it; other concatenations copy.
func (l *lowering) house() {
	for i := range l.g.Nodes {
		n := &l.g.Nodes[i]
		if n.Op != graph.Concat || n.Kind != graph.Forward {
			continue
		}
		fits := true
		seen := map[int]bool{}
		for _, j := range n.In {
			op := l.g.Nodes[j].Op
			fits = fits && l.g.Nodes[j].Out.C%vec == 0 && l.homes[j] == nil && !seen[j] &&
				op != graph.Input && op != graph.Concat && op != graph.Dropout
			seen[j] = true
		}
		if !fits {
			continue
		}
		whole := l.tensor(i, n.Name)
		l.value[i] = whole
		at := 0
		for _, j := range n.In {
			c := l.g.Nodes[j].Out.C
			l.homes[j] = l.p.slice(whole, at, c)
			at += c
		}
	}
}

func (l *lowering) chunked(t *tensor) chunked {
	return chunked{set: l.kernels(t), pixels: t.pixels(), chunk: rowChunk(t)}
}

// gather plans a convolution or linear layer: its weights, and its window over x.
func (l *lowering) gather(n *graph.Node, out *tensor) *gatherTask {
	lay := &l.net.layouts[n.Params[0]]
	t := &gatherTask{threads: l.net.threads, out: out, k: lay.k, taps: lay.taps,
		tapBytes: lay.tapBytes(), panels: lay.panels, lo: -inf, hi: inf, zeros: l.net.zeros,
		weights: l.net.pointer(lay.offset)}
	var w graph.Window
	t.in, w = l.window(n)
	t.set = l.kernels(t.in)
	if t.rowTaps = lay.rowTaps; t.rowTaps {
		t.classes = []class{rowClass(l.picture(w), out, w)}
	} else {
		t.classes = []class{forwardClass(t.in, out, w)}
	}
	t.block = blockPixels(l.set.MR, max(lay.k, t.in.c)*lay.kernel)
	if lay.band != nil {
		t.bands(l.net, lay.band)
	}
	if len(n.Params) > 1 {
		t.bias = l.net.pointer(l.net.layouts[n.Params[1]].offset)
	}
	return t
}

// window is the input and the window of a convolution or linear layer.
func (l *lowering) window(n *graph.Node) (*tensor, graph.Window) {
	if n.Op == graph.Linear {
		return l.widened(l.in(n, 0)), graph.Window{Kernel: 1, Stride: 1, Groups: 1}
	}
	if n.In[0] == 0 {
		return l.picture(n.Window).tensor, n.Window
	}
	return l.in(n, 0), n.Window
}

// emitGather adds a gather task and makes the workers' tables large enough.
func (l *lowering) emitGather(t *gatherTask) {
	l.tables(t)
	l.slot(t.in, t.block)
	l.p.emit(t, t.in, t.out, t.add, t.stats.tensor())
}

// tables makes the workers' large enough.
func (l *lowering) tables(t *gatherTask) {
	rows, out := t.tableSize()
	l.net.tableRows = max(l.net.tableRows, rows)
	l.net.tableOut = max(l.net.tableOut, out)
	l.net.zeroFloats = max(l.net.zeroFloats, t.k)
}

// simple lowers the operations that training and inference run alike.
func (l *lowering) simple(i int) {
	n := &l.g.Nodes[i]
	switch n.Op {
	case graph.ReLU:
		x, y := l.in(n, 0), l.out(i)
		l.p.emit(&clampTask{l.chunked(y), y, x, 0, inf}, x, y)
	case graph.ReLU6, graph.HardSwish, graph.SiLU, graph.Sigmoid, graph.HardSigmoid, graph.GELU:
		x, y := l.in(n, 0), l.out(i)
		l.p.emit(&activateTask{l.chunked(y), y, x, activation(n.Op)}, x, y)
	case graph.Mul:
		x, s, y := l.in(n, 0), l.in(n, 1), l.out(i)
		l.net.zeroFloats = max(l.net.zeroFloats, y.cp)
		l.p.emit(&scaleTask{l.kernels(y), y, x, s, l.net.zeros}, y, x, s)
	case graph.Add:
		a, b, y := l.in(n, 0), l.in(n, 1), l.out(i)
		l.p.emit(&addTask{l.chunked(y), y, a, b}, y, a, b)
	case graph.GlobalAvgPool:
		x, y := l.in(n, 0), l.out(i)
		l.slot(x, rowChunk(x))
		l.p.emit(&avgPoolTask{l.kernels(x), l.wide, y, x}, y, x)
	case graph.Shortcut:
		x, y := l.in(n, 0), l.out(i)
		t := &copyTask{chunked: l.chunked(y), y: y, x: x, to: (y.c - x.c) / 2, c: x.c, fresh: true}
		for h := range y.h {
			for w := range y.w {
				t.pixel = append(t.pixel, int32(h*n.Window.Stride*x.w+w*n.Window.Stride))
			}
		}
		l.p.emit(t, y, x)
	case graph.Concat:
		if l.value[i] != nil {
			break // its inputs were written in place
		}
		y := l.out(i)
		at := 0
		for k := range n.In {
			x := l.in(n, k)
			l.p.emit(&copyTask{chunked: l.chunked(y), y: y, x: x, to: at, c: x.c, fresh: k == 0}, y, x)
			at += x.c
		}
	case graph.LayerNorm, graph.LayerScale, graph.Tokens, graph.Attention, graph.FirstToken:
		l.transformer(i)
	default:
		panic("cpu: no lowering for " + n.Op.String())
	}
}

// maxPool plans a pooling of x. Only a training step notes where the maxima were.
func (l *lowering) maxPool(i int, x *tensor) *maxPoolTask {
	n, y := &l.g.Nodes[i], l.out(i)
	tables := outputWindows(x, y, n.Window).tables(func(t []int32, pixel int) []int32 {
		return append(t, int32(pixel*y.stride), int32(pixel*y.cp))
	}, func(t []int32, pixel int32, _ uint8) []int32 { return append(t, pixel*int32(x.stride)) })
	t := &maxPoolTask{l.chunked(y), y, x, nil, tables}
	if l.g.Loss != 0 {
		t.args = l.p.raw(n.Name+".args", y.pixels()*y.cp)
	}
	return t
}

func (l *lowering) emitMaxPool(i int) *maxPoolTask {
	t := l.maxPool(i, l.in(&l.g.Nodes[i], 0))
	l.p.emit(t, t.y, t.x, t.args)
	return t
}

// normParams are views of a BatchNorm's parameters in the network.
func (l *lowering) normParams(n *graph.Node) normParams {
	v := func(k int) []float32 {
		lay := &l.net.layouts[n.Params[k]]
		return l.net.weights[lay.offset : lay.offset+lay.size]
	}
	return normParams{n.Out.C, v(0), v(1), v(2), v(3), n.Eps, n.Decay}
}

func (l *lowering) normState(n *graph.Node) *normState {
	return newNormState(roundUp(roundUp(n.Out.C, vec), l.set.NR))
}

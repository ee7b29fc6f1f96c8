package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Training and inference in bfloat16. Activations and their gradients are stored in
// bfloat16, half the bytes, and convolutions multiply pairs of them as they lie there.
// Weights, their gradients, statistics, biases and all sums are float32, and so is what
// there is one row of for each sample, behind a pooling of whole maps: the logits, linear
// layers, the rows of squeeze-excitation. Weights are rounded after they have changed.

// halfOf is the set for rows of bfloat16.
func halfOf(set *kernel.Set) *kernel.Set {
	h := *set.BF16.Half
	h.BF16 = set.BF16
	return &h
}

// paired is the set with products of pairs and float32 for their sums.
func paired(set *kernel.Set) *kernel.Set {
	p := *set
	p.Tile, p.TileGrad = set.BF16.Tile, set.BF16.TileGrad
	return &p
}

// own is a tensor outside the arena.
func own(bytes int) *tensor { return &tensor{base: unsafe.Pointer(&floats(bytes / 4)[0])} }

// wideNodes says of each node whether its output is float32 though activations are not:
// a row a sample, and the gradient of one.
func wideNodes(g *graph.Graph) []bool {
	wide := make([]bool, len(g.Nodes))
	for i := 1; i < len(g.Nodes); i++ {
		switch n := &g.Nodes[i]; {
		case i == g.Loss && g.Loss > 0:
			wide[i] = wide[g.Logits]
		case n.Kind == graph.InputGrad:
			wide[i] = wide[g.Nodes[n.Of].In[n.Arg]]
		case n.Kind == graph.Forward && len(n.In) > 0:
			wide[i] = n.Op == graph.GlobalAvgPool || n.Op == graph.Linear || wide[n.In[0]]
		}
	}
	return wide
}

// Halves reports whether a network can be stored in bfloat16: there are kernels for all
// its operations, and those of several inputs find them of the types they read. Others
// stay float32.
func Halves(g *graph.Graph) bool {
	wide := wideNodes(g)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		switch n.Op {
		case graph.Input, graph.Conv, graph.Linear, graph.BatchNorm, graph.ReLU, graph.ReLU6, graph.HardSwish, graph.SiLU, graph.Sigmoid, graph.HardSigmoid,
			graph.MaxPool, graph.GlobalAvgPool, graph.Dropout, graph.StochasticDepth, graph.Shortcut:
		case graph.Add, graph.Concat:
			for _, j := range n.In {
				if wide[j] != wide[n.In[0]] {
					return false
				}
			}
		case graph.Mul:
			if !wide[n.In[1]] {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// tensor makes the tensor of node i's output, or another of its shape.
func (l *lowering) tensor(i int, name string) *tensor {
	value := l.valueBytes
	if l.wideNode[i] {
		value = 4
	}
	return l.p.tensor(name, l.g.Nodes[i].Out, value)
}

// kernels are those for the rows of a tensor.
func (l *lowering) kernels(t *tensor) *kernel.Set {
	if t.value == 4 {
		return l.wide
	}
	return l.set
}

// widened is a tensor in float32.
func (l *lowering) widened(t *tensor) *tensor {
	if t.value == 4 {
		return t
	}
	if l.wideCopy[t] == nil {
		y := l.p.tensor(t.name+" widened", graph.Shape{H: t.h, W: t.w, C: t.c}, 4)
		l.convert(y, t)
		l.wideCopy[t] = y
	}
	return l.wideCopy[t]
}

func (l *lowering) convert(y, x *tensor) {
	l.p.emit(&convertTask{l.chunked(x), y, x, l.wide.BF16}, y, x)
}

// A convertTask copies a tensor to one of the other type.
type convertTask struct {
	chunked
	y, x *tensor
	bf16 *kernel.BF16
}

func (t *convertTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	move := t.bf16.RoundRows
	if t.y.value == 4 {
		move = t.bf16.WidenRows
	}
	move(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, rows, t.x.cp)
}

// halve makes t, whose input is bfloat16, multiply pairs of channels. It returns the
// task that rounds its weights.
func (l *lowering) halve(t *gatherTask, side int) *pairTask {
	source := t.source
	if source == nil {
		source = &tensor{base: t.weights}
	}
	pairs := &pairTask{bf16: l.wide.BF16, nr: l.set.NR, from: source, to: own(t.panels * t.taps * t.tapBytes / 2),
		rows: t.tapBytes / (l.set.NR * 4), taps: t.taps, panels: t.panels}
	t.block = blockPixels(t.set.MR, max(1, max(t.k, t.in.c)*side/2))
	t.k = (t.k + 1) / 2
	t.tapBytes /= 2
	t.weights, t.source = pairs.to.base, nil
	l.net.tableRows = max(l.net.tableRows, pairs.rows)
	return pairs
}

// roundWeights makes a winogradTask read its weights from pairs. It returns the task
// that writes there what the transform left in u.
func (t *winogradTask) roundWeights(l *lowering, pairs *tensor) *pairTask {
	p := &pairTask{bf16: l.wide.BF16, nr: l.set.NR, from: t.u, rows: t.in.cp, behind: 1, taps: winoPoints, panels: t.panels, to: pairs}
	t.u = pairs
	l.net.tableRows = max(l.net.tableRows, p.rows)
	return p
}

// A pairTask rounds packed weights: rows of a tap two by two into rows of pairs.
type pairTask struct {
	bf16               *kernel.BF16
	nr                 int
	from, to           *tensor // [panel][tap][rows][NR], [panel][tap][rows/2][NR] pairs
	rows, taps, panels int     // rows of a tap, an even number
	behind             int     // rows that stand behind those
}

func (t *pairTask) items(int) int { return t.panels * t.taps }

func (t *pairTask) run(w *worker, i, _ int) {
	row := t.nr * 4
	at := t.from.addr() + uintptr(i*(t.rows+t.behind)*row)
	for r := range t.rows {
		w.rows[r] = at
		at += uintptr(row)
	}
	t.bf16.PairFloats(unsafe.Add(t.to.base, i*t.rows/2*row), row, unsafe.Pointer(&w.rows[0]), 0, t.rows/2, t.nr)
}

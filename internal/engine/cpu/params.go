package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// A layout says where a parameter's values lie among the network's flat arrays
// of weights, gradients and momentum. A weight lies in the packed panels that
// the forward kernels read, so that nothing is repacked between the weight
// gradient, the update and the next forward pass:
//
//	[panel of NR outputs][tap][kr rows of inputs][NR]
//
// That of a depthwise convolution lies as rows of channels: [tap][channels].
// A vector lies as it is, rounded up to whole panels.
type layout struct {
	offset, size int // in floats

	weight     bool
	rowTaps    bool // a tap is a kernel row, its rows are (column, input)
	depthwise  bool // rows of channels, one a tap
	out, in    int
	kernel     int // side
	taps       int
	k, kr      int // rows of a tap that mean something, rows there are
	nr, panels int
	band       *band // of a grouped convolution, else nil
}

func vectorLayout(c, nr int) layout { return layout{size: roundUp(c, nr), out: c} }

func weightLayout(out, in, side, nr int, rowTaps bool) layout {
	l := layout{weight: true, rowTaps: rowTaps, out: out, in: in, kernel: side, nr: nr}
	if rowTaps {
		l.taps, l.k = side, side*in
		l.kr = roundUp(l.k, 4)
	} else {
		l.taps, l.k, l.kr = side*side, in, roundUp(in, vec)
	}
	l.panels = (roundUp(out, vec) + nr - 1) / nr
	l.size = l.panels * l.taps * l.kr * nr
	return l
}

func depthwiseLayout(c, side int) layout {
	l := layout{weight: true, depthwise: true, out: c, in: 1, kernel: side, taps: side * side, nr: roundUp(c, vec), panels: 1}
	l.size = l.taps * l.nr
	return l
}

func (l *layout) tapBytes() int { return l.kr * l.nr * 4 }

// convert calls move for every value of the parameter in PyTorch's order, with
// its place there and its place in the layout.
func (l *layout) convert(move func(torch, here int)) {
	if !l.weight {
		for i := range l.out {
			move(i, l.offset+i)
		}
		return
	}
	if l.depthwise {
		for i := range l.out * l.taps {
			move(i, l.offset+i%l.taps*l.nr+i/l.taps)
		}
		return
	}
	if l.band != nil {
		l.convertGrouped(move)
		return
	}
	side := l.kernel
	i := 0
	for o := range l.out {
		panel := l.offset + o/l.nr*l.taps*l.kr*l.nr + o%l.nr
		for c := range l.in {
			for kh := range side {
				for kw := range side {
					tap, k := kh*side+kw, c
					if l.rowTaps {
						tap, k = kh, kw*l.in+c
					}
					move(i, panel+(tap*l.kr+k)*l.nr)
					i++
				}
			}
		}
	}
}

func (l *layout) load(to, src []float32) {
	l.convert(func(t, h int) { to[h] = src[t] })
}

func (l *layout) read(from, dst []float32) {
	l.convert(func(t, h int) { dst[t] = from[h] })
}

// layouts plans the flat arrays for all parameters of g and returns their length.
func layouts(g *graph.Graph, nr int, rowTaps func(node int) bool) (ls []layout, total int) {
	ls = make([]layout, len(g.Params))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		for _, p := range n.Params {
			param := &g.Params[p]
			switch {
			case param.Role != graph.Weight:
				ls[p] = vectorLayout(param.Len(), nr)
			case n.Op == graph.Linear:
				ls[p] = weightLayout(param.Shape[0], param.Shape[1], 1, nr, false)
			case depthwise(g, n):
				ls[p] = depthwiseLayout(param.Shape[0], param.Shape[2])
			case grouped(g, n):
				ls[p] = groupedLayout(param.Shape[0], param.Shape[1]*n.Window.Groups, n.Window.Groups, param.Shape[2], nr)
			default:
				ls[p] = weightLayout(param.Shape[0], param.Shape[1], param.Shape[2], nr, rowTaps(i))
			}
		}
	}
	for i := range ls {
		ls[i].offset = total
		total += roundUp(ls[i].size, line/4)
	}
	return ls, total
}

// A transposeTask packs a weight for the input gradient: panels of input
// channels, with the outputs as rows: [panel][tap][outputs, rounded up][NR].
type transposeTask struct {
	set  *kernel.Set
	l    *layout
	src  []float32 // the network's weights
	dst  []float32
	rows int // outputs, rounded up
	band *band
}

func newTransposeTask(net *network, l *layout) *transposeTask {
	t := &transposeTask{set: net.set, l: l, src: net.weights, rows: roundUp(l.out, vec)}
	if l.band != nil {
		t.band = newBand(l.in, l.out, l.in/l.band.perIn, l.nr)
		t.rows = roundUp(t.band.k, vec)
	}
	t.dst = net.floats(t.panels() * l.taps * t.rows * l.nr)
	return t
}

func (t *transposeTask) panels() int   { return (roundUp(t.l.in, vec) + t.l.nr - 1) / t.l.nr }
func (t *transposeTask) items(int) int { return t.panels() * t.l.taps }

func (t *transposeTask) run(_ *worker, item, _ int) {
	l := t.l
	panel, tap := item/l.taps, item%l.taps
	if t.band != nil {
		t.packGrouped(panel, tap)
		return
	}
	cols := min(l.nr, l.kr-panel*l.nr)
	for j := range l.panels {
		rows := min(l.nr, t.rows-j*l.nr)
		src := &t.src[l.offset+((j*l.taps+tap)*l.kr+panel*l.nr)*l.nr]
		dst := &t.dst[((panel*l.taps+tap)*t.rows+j*l.nr)*l.nr]
		t.set.Transpose(unsafe.Pointer(dst), l.nr*4, unsafe.Pointer(src), l.nr*4, cols, rows)
	}
}

// A foldTask scales a weight's outputs for inference, so that batch
// normalisation costs nothing: w*scale, with the shift as the bias.
type foldTask struct {
	set              *kernel.Set
	src              []float32 // panels of rows x nr; nil for those in dst
	dst              *tensor   // the same number of panels
	panels, rows, nr int
	state            *normState // scale and shift, whole panels long
	zero             []float32
}

func (t *foldTask) items(int) int { return t.panels }

func (t *foldTask) run(_ *worker, j, _ int) {
	at := j * t.rows * t.nr
	dst := unsafe.Add(t.dst.base, at*4)
	src := dst
	if t.src != nil {
		src = unsafe.Pointer(&t.src[at])
	}
	t.set.ScaleShift(dst, t.nr*4, src, t.nr*4, nil, 0, t.rows, t.nr,
		unsafe.Pointer(&t.state.scale[j*t.nr]), unsafe.Pointer(&t.zero[0]), -inf)
}

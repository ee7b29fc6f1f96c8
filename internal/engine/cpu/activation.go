package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// activation is the kernels' name of an operation, Identity for one that is none.
func activation(op graph.Op) kernel.Act {
	return map[graph.Op]kernel.Act{
		graph.ReLU: kernel.ReLU, graph.ReLU6: kernel.ReLU6, graph.HardSwish: kernel.HardSwish,
		graph.SiLU: kernel.SiLU, graph.Sigmoid: kernel.Sigmoid, graph.HardSigmoid: kernel.HardSigmoid,
		graph.GELU: kernel.GELU,
	}[op]
}

// limits are the bounds that an activation amounts to, and whether it is one of those.
func limits(act kernel.Act) (lo, hi float32, clamps bool) {
	switch act {
	case kernel.Identity:
		return -inf, inf, true
	case kernel.ReLU:
		return 0, inf, true
	case kernel.ReLU6:
		return 0, 6, true
	}
	return -inf, inf, false
}

// An activateTask is y = act(x).
type activateTask struct {
	chunked
	y, x *tensor
	act  kernel.Act
}

func (t *activateTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.Activate(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, rows, t.x.cp, t.act)
}

// An activateGradTask is dx = dy act'(x).
type activateGradTask struct {
	chunked
	dx, dy, x *tensor
	act       kernel.Act
}

func (t *activateGradTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.ActivateGrad(t.dx.row(m0), t.dx.stride, t.dy.row(m0), t.dy.stride, t.x.row(m0), t.x.stride, rows, t.dx.cp, t.act)
}

// A normActivateTask is y = act(x*scale + shift).
type normActivateTask struct {
	chunked
	y, x  *tensor
	state *normState
	act   kernel.Act
}

func (t *normActivateTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.NormActivate(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, rows, t.x.cp,
		unsafe.Pointer(&t.state.scale[0]), unsafe.Pointer(&t.state.shift[0]), t.act)
}

// A scaleTask multiplies every pixel of a sample by the sample's row s: squeeze-
// excitation's product, and its gradient towards the pixels.
type scaleTask struct {
	set     *kernel.Set
	y, x, s *tensor
	zeros   unsafe.Pointer
}

func (t *scaleTask) items(n int) int { return n }

func (t *scaleTask) run(_ *worker, i, _ int) {
	px := t.x.pixels()
	t.set.ScaleShift(t.y.row(i*px), t.y.stride, t.x.row(i*px), t.x.stride, nil, 0, px, t.x.cp, t.s.row(i), t.zeros, -inf)
}

// A scaleGradTask is the product's gradient towards the row: the sum over a
// sample's pixels of dy times x.
type scaleGradTask struct {
	set, wide *kernel.Set
	ds, dy, x *tensor
	sums      *tensor // two rows a sample: of dy, of no use, and of a chunk
	zeros     unsafe.Pointer
}

func (t *scaleGradTask) items(n int) int { return n }

func (t *scaleGradTask) run(w *worker, i, _ int) {
	px, ds, bytes := t.x.pixels(), t.ds.row(i), t.ds.stride
	waste := unsafe.Add(t.sums.base, i*t.sums.bytes)
	part := unsafe.Add(waste, bytes)
	t.wide.ZeroRows(ds, bytes, 1, t.ds.cp)
	for at, chunk := 0, rowChunk(t.x); at < px; at += chunk {
		m, n := i*px+at, min(chunk, px-at)
		x := address(t.x.open(w, 0, m, n) + uintptr(m*t.x.stride))
		t.set.NormGradSums(t.dy.row(m), t.dy.stride, nil, 0, x, t.x.stride, n, t.x.cp, t.zeros, waste, part)
		t.wide.AddRows(ds, bytes, ds, bytes, part, bytes, 1, t.ds.cp)
	}
}

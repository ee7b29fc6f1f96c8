package cpu

import (
	"unsafe"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
)

// A clampTask is y = min(max(x, lo), hi).
type clampTask struct {
	chunked
	y, x   *tensor
	lo, hi float32
}

func (t *clampTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.ClampRows(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, rows, t.x.cp, t.lo, t.hi)
}

// A reluGradTask is dx = dy where the ReLU's output z is positive, else 0; times a
// row of scales unless that is nil.
type reluGradTask struct {
	chunked
	dx, dy, z *tensor
	scale     []float32
	zeros     unsafe.Pointer
}

func (t *reluGradTask) run(w *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.columns(w, i, m0, rows, 0, t.dx.cp)
}

func (t *reluGradTask) columns(w *worker, _, m0, rows, c0, c1 int) {
	at := func(x *tensor) unsafe.Pointer { return unsafe.Add(w.row(x, m0), c0*x.value) }
	dx := at(t.dx)
	t.set.ReluGrad(dx, t.dx.stride, at(t.dy), t.dy.stride, at(t.z), t.z.stride, rows, c1-c0)
	if t.scale != nil {
		t.set.ScaleShift(dx, t.dx.stride, dx, t.dx.stride, nil, 0, rows, c1-c0, unsafe.Pointer(&t.scale[c0]), t.zeros, -inf)
	}
}

// An addTask is y = a + b.
type addTask struct {
	chunked
	y, a, b *tensor
}

func (t *addTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.AddRows(t.y.row(m0), t.y.stride, t.a.row(m0), t.a.stride, t.b.row(m0), t.b.stride, rows, t.y.cp)
}

// A copyTask copies channels [from, from+c) of x to [to, to+c) of y, and zeroes
// the rest of y if it is a fresh one: it joins or parts channels whose counts
// are no whole vectors, and is the option-A shortcut and its gradient.
type copyTask struct {
	chunked
	y, x        *tensor
	from, to, c int
	fresh       bool
	// pixel maps a pixel of y to one of x within a sample, -1 to none; nil is the same.
	pixel []int32
}

func (t *copyTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	for m := m0; m < m0+rows; m++ {
		value := t.y.value
		y := unsafe.Slice((*byte)(t.y.row(m)), t.y.cp*value)
		if t.fresh {
			clear(y)
		}
		src := m
		if t.pixel != nil {
			p := int(t.pixel[m%t.y.pixels()])
			if p < 0 {
				continue
			}
			src = m/t.y.pixels()*t.x.pixels() + p
		}
		copy(y[t.to*value:(t.to+t.c)*value], unsafe.Slice((*byte)(t.x.row(src)), t.x.cp*value)[t.from*value:])
	}
}

// A dropoutTask zeroes or scales values by a hash of their place; the gradient
// is the same function of the gradient.
type dropoutTask struct {
	chunked
	y, x *tensor
	p    float64
	node int
	net  *network
}

func (t *dropoutTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	key := engine.DropoutKey(t.net.seed, t.node)
	first := (t.net.first*t.pixels + m0) * t.x.c
	t.set.Dropout(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, rows, t.x.cp, first, t.x.c, int(key), engine.KeepLimit(t.p), float32(1/(1-t.p)))
}

// A depthTask is stochastic depth: it zeroes or scales whole samples by a hash of
// their place; the gradient is the same function of the gradient.
type depthTask struct {
	set  *kernel.Set
	y, x *tensor
	p    float64
	node int
	keep []float32 // 1/(1-p), for every channel
	net  *network
}

func (t *depthTask) items(n int) int { return n }

func (t *depthTask) run(_ *worker, i, _ int) {
	px, zeros := t.x.pixels(), t.net.zeros
	scale := unsafe.Pointer(&t.keep[0])
	if !engine.Keep(engine.DropoutKey(t.net.seed, t.node), t.net.first+i, t.p) {
		scale = zeros
	}
	t.set.ScaleShift(t.y.row(i*px), t.y.stride, t.x.row(i*px), t.x.stride, nil, 0, px, t.x.cp, scale, zeros, -inf)
}

// everywhere is a row of n channels that all hold v.
func everywhere(v float32, n int) []float32 {
	row := floats(n)
	for i := range row {
		row[i] = v
	}
	return row
}

// A biasGradTask sums a gradient over each chunk of pixels; biasMergeTask adds the chunks.
type biasGradTask struct {
	chunked
	dy *tensor
	p  *partials
}

func (t *biasGradTask) run(w *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.columns(w, i, m0, rows, 0, t.dy.cp)
}

func (t *biasGradTask) columns(w *worker, chunk, m0, rows, c0, c1 int) {
	t.set.SumRows(unsafe.Add(w.row(t.dy, m0), c0*t.dy.value), t.dy.stride, rows, c1-c0, unsafe.Pointer(t.p.at(chunk, 0, c0)))
}

type biasMergeTask struct {
	net    *network
	p      *partials
	pixels int
	first  int // channel of the sums
	grad   []float32
}

func (t *biasMergeTask) items(int) int { return 1 }

func (t *biasMergeTask) run(_ *worker, _, n int) {
	chunks := (n*t.pixels + t.p.chunk - 1) / t.p.chunk
	for c := range t.grad {
		sum := 0.0
		if t.net.accumulate {
			sum = float64(t.grad[c])
		}
		for k := range chunks {
			sum += float64(*t.p.at(k, 0, t.first+c))
		}
		t.grad[c] = float32(sum)
	}
}

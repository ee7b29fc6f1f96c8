package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// A tokensTask puts the class token before a sample's pixels and adds the positions.
type tokensTask struct {
	set              *kernel.Set
	y, x             *tensor
	token, positions unsafe.Pointer
}

func (t *tokensTask) items(n int) int { return n }

func (t *tokensTask) run(_ *worker, i, _ int) {
	c, row := t.y.c, t.y.c*4
	y := t.y.row(i * t.y.pixels())
	t.set.AddRows(y, t.y.stride, t.token, row, t.positions, row, 1, c)
	t.set.AddRows(unsafe.Add(y, t.y.stride), t.y.stride, t.x.row(i*t.x.pixels()), t.x.stride, unsafe.Add(t.positions, row), row, t.x.pixels(), c)
}

// A tokensGradTask sums a token's gradient over the samples: that of its position,
// and for the first that of the class token.
type tokensGradTask struct {
	net              *network
	dy               *tensor
	token, positions []float32
}

func (t *tokensGradTask) items(int) int { return t.dy.pixels() }

func (t *tokensGradTask) run(_ *worker, i, n int) {
	c := t.dy.c
	t.add(unsafe.Pointer(&t.positions[i*c]), i, n)
	if i == 0 {
		t.add(unsafe.Pointer(&t.token[0]), 0, n)
	}
}

func (t *tokensGradTask) add(to unsafe.Pointer, token, n int) {
	set, c, px := t.net.set, t.dy.c, t.dy.pixels()
	if !t.net.accumulate {
		set.ZeroRows(to, c*4, 1, c)
	}
	for s := range n {
		set.AddRows(to, c*4, to, c*4, t.dy.row(s*px+token), t.dy.stride, 1, c)
	}
}

// A rowsTask copies count rows of each sample, from row from of x to row to of y,
// and zeroes the rest of y.
type rowsTask struct {
	set             *kernel.Set
	y, x            *tensor
	from, to, count int
}

func (t *rowsTask) items(n int) int { return n }

func (t *rowsTask) run(_ *worker, i, _ int) {
	y, px := t.y.row(i*t.y.pixels()), t.y.pixels()
	if t.to > 0 {
		t.set.ZeroRows(y, t.y.stride, t.to, t.y.cp)
	}
	t.set.CopyRows(unsafe.Add(y, t.to*t.y.stride), t.y.stride, t.x.row(i*t.x.pixels()+t.from), t.x.stride, t.count, t.y.cp)
	if rest := px - t.to - t.count; rest > 0 {
		t.set.ZeroRows(unsafe.Add(y, (t.to+t.count)*t.y.stride), t.y.stride, rest, t.y.cp)
	}
}

// rows lowers a copy of rows.
func (l *lowering) rows(y, x *tensor, from, to, count int) {
	l.p.emit(&rowsTask{l.set, y, x, from, to, count}, y, x)
}

package cpu

import "unsafe"

// squareSide is the most channels of a side of a square, squarePixels the pixels of a block: a
// square's sums, and what it reads of a block and of the next, stay in the second-level cache.
const squareSide, squarePixels = 256, 64

// A squareGradTask finds the gradient of a large weight in squares: of one tap, some of its
// input channels by some of the outputs' panels, over the whole batch. Block by block of
// pixels it first copies what it multiplies to where rows are close together: rows of many
// channels, a power of two of bytes apart, share few lines of the first-level cache.
// The gradient's bits do not depend on the cut into squares.
type squareGradTask struct {
	*weightGradTask
	parts  []rowPart
	groups int  // of the panels
	even   bool // the rows of x are its pixels in order
}

// A rowPart is rows [first, first+rows) of a tap, cut for the kernels.
type rowPart struct {
	first, rows    int
	chunks, starts []int
}

// squared makes a squareGradTask of t where it can be one, else nil: what is stored in float32, and
// every panel reads the same whole vectors of channels.
func (t *weightGradTask) squared() *squareGradTask {
	if t.order != nil || t.from != nil || t.kr%vec != 0 || t.in.virtual != nil || t.dy.virtual != nil {
		return nil
	}
	s := &squareGradTask{weightGradTask: t, even: len(t.class.taps) == 1}
	for px, o := range t.class.offs {
		s.even = s.even && int(o) == px*t.in.stride
	}
	parts := (t.kr + squareSide - 1) / squareSide
	for i := range parts {
		p := rowPart{first: roundUp(t.kr*i/parts, vec)}
		p.rows = roundUp(t.kr*(i+1)/parts, vec) - p.first
		p.chunks, p.starts, _ = chunksOf(p.rows, t.set.GradRows)
		s.parts = append(s.parts, p)
	}
	s.groups = (t.panels*t.set.NR + squareSide - 1) / squareSide
	for !s.shared() && s.groups < t.panels {
		s.groups++
	}
	return s
}

// shared reports whether no worker waits long for the others at the end.
func (t *squareGradTask) shared() bool {
	items := t.items(0)
	rounds := (items + t.threads - 1) / t.threads
	return 10*rounds*t.threads <= 11*items
}

func (t *squareGradTask) items(int) int { return len(t.class.taps) * len(t.parts) * t.groups }

// stride is the bytes between copied rows of x: an odd number of lines.
func (t *squareGradTask) stride() int { return roundUp(t.parts[0].rows*4, 2*line) + line }

// scratchFloats is what a worker needs.
func (t *squareGradTask) scratchFloats() int {
	widest := (t.panels + t.groups - 1) / t.groups * t.set.NR
	return squarePixels * (t.stride()/4 + widest)
}

func (t *squareGradTask) run(w *worker, item, n int) {
	group, square := item%t.groups, item/t.groups
	part, tap := &t.parts[square%len(t.parts)], square/len(t.parts)
	p0, p1 := t.panels*group/t.groups, t.panels*(group+1)/t.groups
	x, stride := unsafe.Pointer(&w.planes[0]), t.stride()
	for i := range squarePixels {
		w.rows[i] = uintptr(x) + uintptr(i*stride)
	}
	dy := unsafe.Add(x, squarePixels*stride)
	m := n * t.class.count
	for b := 0; b < m; b += squarePixels {
		pixels := min(squarePixels, m-b)
		t.copyRows(x, stride, tap, b, pixels, part)
		t.multiply(w, dy, part, tap, p0, p1, b, pixels, b+pixels < m)
	}
	if end := part.first + part.rows; end > t.k {
		for j := p0; j < p1; j++ {
			t.clearRows(j, tap, max(t.k, part.first), end)
		}
	}
}

// copyRows copies a part of the rows under a tap of n output pixels from m on, as many at
// once as are evenly far apart.
func (t *squareGradTask) copyRows(to unsafe.Pointer, stride, tap, m, n int, part *rowPart) {
	taps, px := len(t.class.taps), m%t.class.count
	sample := t.in.addr() + uintptr(m/t.class.count*t.in.bytes)
	var from, last uintptr
	rows, step := 0, 0
	flush := func() {
		t.set.CopyRows(to, stride, address(from+uintptr(part.first*4)), step, rows, part.rows)
		to = unsafe.Add(to, rows*stride)
	}
	for range n {
		at := uintptr(t.zeros)
		if o := t.class.offs[px*taps+tap]; o >= 0 {
			at = sample + uintptr(o)
		}
		switch d := int(at - last); {
		case rows == 1:
			step, rows = d, 2
		case rows > 1 && d == step:
			rows++
		default:
			if rows > 0 {
				flush()
			}
			from, rows = at, 1
		}
		last = at
		if px++; px == t.class.count {
			px, sample = 0, sample+uintptr(t.in.bytes)
		}
	}
	flush()
}

// multiply adds the products of n pixels from m on to a square of panels [p0, p1); their rows of x
// are copied already, those of dy it copies to dy, panel by panel. more says that another block follows.
func (t *squareGradTask) multiply(w *worker, dy unsafe.Pointer, part *rowPart, tap, p0, p1, m, n int, more bool) {
	nr := t.set.NR
	a := &w.grad
	a.X, a.YStride, a.CStride, a.P, a.Acc = unsafe.Pointer(&w.rows[0]), nr*4, nr*4, n, 0
	if m > 0 || t.net.accumulate {
		a.Acc = 1
	}
	var ahead columns
	if more {
		ahead = columns{
			{unsafe.Add(t.dy.row(m+n), p0*nr*4), t.dy.stride, (min(p1*nr, t.dy.cp) - p0*nr) * 4},
			{unsafe.Add(t.in.row(m+n), part.first*4), t.in.stride, part.rows * 4},
		}
		if !t.even {
			ahead[1].bytes = 0
		}
	}
	for j := p0; j < p1; j++ {
		a.Width = min(nr, t.dy.cp-j*nr)
		a.Y = unsafe.Add(dy, (j-p0)*squarePixels*nr*4)
		t.set.CopyRows(a.Y, nr*4, unsafe.Add(t.dy.row(m), j*nr*4), t.dy.stride, n, a.Width)
		at := unsafe.Add(t.grad, (j*len(t.class.taps)+tap)*t.tapBytes+part.first*nr*4)
		for k, chunk := range part.chunks {
			a.Next, a.NextStride = ahead.next(a.Y)
			a.XOff = part.starts[k] * 4
			a.C = unsafe.Add(at, part.starts[k]*nr*4)
			t.set.TileGrad[chunk](a)
		}
	}
}

// columns are parts of rows that the next block reads, to be fetched a line of each row at a time.
type columns [2]struct {
	at            unsafe.Pointer
	stride, bytes int // left
}

// next is the next line, and the bytes from row to row; or one that lies in the cache already.
func (c *columns) next(cached unsafe.Pointer) (unsafe.Pointer, int) {
	for i := range c {
		if rows := &c[i]; rows.bytes > 0 {
			at := rows.at
			rows.at, rows.bytes = unsafe.Add(at, line), rows.bytes-line
			return at, rows.stride
		}
	}
	return cached, 0
}

package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// windows lists, for each pixel of one map, the pixels of the other that a
// pooling window ties to it, and which place in the window each has.
type windows struct {
	start []int32 // of pixel i in pixel and place; one more entry than pixels
	pixel []int32
	place []uint8
}

// outputWindows are the input pixels under each output pixel.
func outputWindows(in, out *tensor, w graph.Window) *windows {
	v := &windows{}
	for oh := range out.h {
		for ow := range out.w {
			v.start = append(v.start, int32(len(v.pixel)))
			for t := range w.Kernel * w.Kernel {
				h, x := oh*w.Stride-w.Pad+t/w.Kernel, ow*w.Stride-w.Pad+t%w.Kernel
				if uint(h) < uint(in.h) && uint(x) < uint(in.w) {
					v.pixel = append(v.pixel, int32(h*in.w+x))
					v.place = append(v.place, uint8(len(v.pixel)-1-int(v.start[len(v.start)-1])))
				}
			}
		}
	}
	v.start = append(v.start, int32(len(v.pixel)))
	return v
}

// invert gives the output pixels that each of the n input pixels lies under.
func (v *windows) invert(n int) *windows {
	r := &windows{start: make([]int32, n+1), pixel: make([]int32, len(v.pixel)), place: make([]uint8, len(v.pixel))}
	for _, p := range v.pixel {
		r.start[p+1]++
	}
	for i := range n {
		r.start[i+1] += r.start[i]
	}
	at := append([]int32(nil), r.start...)
	for o := range len(v.start) - 1 {
		for k := v.start[o]; k < v.start[o+1]; k++ {
			p := v.pixel[k]
			r.pixel[at[p]], r.place[at[p]] = int32(o), v.place[k]
			at[p]++
		}
	}
	return r
}

// A poolTable lists, for the kernels, the pixels that have the same number n of others
// tied to them: so their loops have no branch that varies.
type poolTable struct {
	n     int
	rows  []int32
	width int     // of a row
	first []int32 // row of pixel i or the next that is here; one more entry than pixels
}

// tables makes those of all pixels; row appends a pixel's, entry what is tied to it.
func (v *windows) tables(row func(t []int32, pixel int) []int32, entry func(t []int32, pixel int32, place uint8) []int32) []*poolTable {
	var list []*poolTable
	pixels := len(v.start) - 1
	for n := range v.most() + 1 {
		t := &poolTable{n: n}
		count := int32(0)
		for i := range pixels {
			t.first = append(t.first, count)
			from, to := v.start[i], v.start[i+1]
			if int(to-from) != n {
				continue
			}
			count++
			t.rows = row(t.rows, i)
			for k := from; k < to; k++ {
				t.rows = entry(t.rows, v.pixel[k], v.place[k])
			}
		}
		if count == 0 {
			continue
		}
		t.first = append(t.first, count)
		t.width = len(t.rows) / int(count)
		t.rows = append(t.rows, make([]int32, poolAhead*t.width)...)
		list = append(list, t)
	}
	return list
}

// poolAhead is how many rows behind a table's last the kernels may read.
const poolAhead = 8

// cut is the part of the table for pixels [p0, p1) of a sample.
func (t *poolTable) cut(p0, p1 int) (rows unsafe.Pointer, count int) {
	from, to := int(t.first[p0]), int(t.first[p1])
	return unsafe.Pointer(&t.rows[from*t.width]), to - from
}

// most is the longest list.
func (v *windows) most() int {
	most := 0
	for i := range len(v.start) - 1 {
		most = max(most, int(v.start[i+1]-v.start[i]))
	}
	return most
}

// A maxPoolTask takes the maximum of each window and notes where it was found:
// a byte a value, the place in the window's list.
type maxPoolTask struct {
	chunked
	y, x   *tensor
	args   *tensor // raw: cp bytes a pixel; nil when no gradient is needed
	tables []*poolTable
}

func (t *maxPoolTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	px, in := t.y.pixels(), t.x.pixels()
	eachSample(px, m0, rows, func(sample, at, n int) {
		p0 := m0 + at - sample*px
		t.sample(sample, p0, p0+n, t.x.row(sample*in))
	})
}

// sample computes pixels [p0, p1) of a sample, whose input starts at x.
func (t *maxPoolTask) sample(sample, p0, p1 int, x unsafe.Pointer) {
	first := sample * t.y.pixels()
	var args unsafe.Pointer
	if t.args != nil {
		args = unsafe.Add(t.args.base, first*t.y.cp)
	}
	for _, table := range t.tables {
		if rows, count := table.cut(p0, p1); count > 0 {
			t.set.MaxPool(t.y.row(first), args, x, rows, count, table.n, t.y.cp)
		}
	}
}

// A maxPoolGradTask gathers, for each input pixel, the gradients of the windows
// whose maximum it was.
type maxPoolGradTask struct {
	chunked
	dx, dy *tensor
	args   *tensor
	tables []*poolTable
	after  followers
}

func (t *maxPoolGradTask) run(w *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.gather(t.dx.row(m0), m0, rows)
	t.after.columns(w, i, m0, rows, 0, t.dx.cp)
}

// gather writes the gradients of rows input pixels from m0 on to dst.
func (t *maxPoolGradTask) gather(dst unsafe.Pointer, m0, rows int) {
	px, out := t.dx.pixels(), t.dy.pixels()
	eachSample(px, m0, rows, func(sample, at, n int) {
		p0 := m0 + at - sample*px
		first := unsafe.Add(dst, (sample*px-m0)*t.dx.stride)
		args := unsafe.Add(t.args.base, sample*out*t.dy.cp)
		for _, table := range t.tables {
			if rows, count := table.cut(p0, p0+n); count > 0 {
				t.set.MaxPoolGrad(first, t.dy.row(sample*out), args, rows, count, table.n, t.dx.cp)
			}
		}
	})
}

// An avgPoolTask is the mean over all pixels of a sample.
type avgPoolTask struct {
	set, wide *kernel.Set
	y, x      *tensor // y is float32
}

func (t *avgPoolTask) items(n int) int { return n }

func (t *avgPoolTask) run(w *worker, i, _ int) {
	px := t.x.pixels()
	if t.x.virtual != nil {
		y, bytes := t.y.row(i), t.y.stride
		t.wide.ZeroRows(y, bytes, 1, t.y.cp)
		sum := unsafe.Pointer(&w.slots[1][0])
		for at, chunk := 0, rowChunk(t.x); at < px; at += chunk {
			n := min(chunk, px-at)
			x := t.x.open(w, 0, i*px+at, n) + uintptr((i*px+at)*t.x.stride)
			t.set.SumRows(address(x), t.x.stride, n, t.x.cp, sum)
			t.wide.AddRows(y, bytes, y, bytes, sum, bytes, 1, t.y.cp)
		}
		t.wide.FillRows(y, bytes, 1, t.y.cp, y, 1/float32(px))
		return
	}
	t.set.AvgRow(t.y.row(i), t.x.row(i*px), t.x.stride, px, t.x.cp, 1/float32(px))
}

// An avgPoolGradTask spreads a sample's gradient evenly over its pixels.
type avgPoolGradTask struct {
	set    *kernel.Set
	dx, dy *tensor
}

func (t *avgPoolGradTask) items(n int) int { return n }

func (t *avgPoolGradTask) run(_ *worker, i, _ int) {
	px := t.dx.pixels()
	t.set.FillRows(t.dx.row(i*px), t.dx.stride, px, t.dx.cp, t.dy.row(i), 1/float32(px))
}

package cpu

import (
	"fmt"
	"slices"
	"unsafe"

	"graft/internal/graph"
)

// vec is what physical channel counts are rounded up to. The channels added
// hold zeros or values that no result depends on.
const vec = 8

// line is the alignment of buffers, in bytes: a cache line.
const line = 64

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// A tensor is a planned buffer of activations or gradients, or a slice of
// another one's channels. Pixels of all samples follow one another, stride
// bytes apart; each has cp physical channels, c of them meaningful.
type tensor struct {
	name string
	h, w int
	c    int
	cp   int
	// stride is the number of bytes from pixel to pixel.
	stride int
	value  int // bytes: 4, or 2 of bfloat16
	bytes  int // of one sample, of the root

	root   *tensor // the tensor this one is a slice of, itself for a root
	offset int     // of a slice within a pixel of the root, in bytes

	first, last int  // steps that write and read it
	kept        bool // for all steps
	place       int  // in the arena
	virtual     *virtual
	base        unsafe.Pointer
}

// pixels is the number of pixels of a sample.
func (t *tensor) pixels() int { return t.h * t.w }

// window fills a table with the addresses of side x side pixels of a sample, offset bytes into
// each; those outside the picture, or below and to the right of the first h x w, get the address outside.
func (t *tensor) window(table []uintptr, sample, top, left, side, h, w, offset int, outside unsafe.Pointer) {
	base := t.addr() + uintptr(sample*t.bytes+offset)
	first, end := max(0, -left), min(w, t.w-left)
	for i := range side {
		line := table[i*side : (i+1)*side]
		from, to := first, end
		if y := top + i; y < 0 || y >= t.h || i >= h {
			from, to = side, side
		}
		for j := range from {
			line[j] = uintptr(outside)
		}
		at := base + uintptr(((top+i)*t.w+left+from)*t.stride)
		for j := from; j < to; j++ {
			line[j] = at
			at += uintptr(t.stride)
		}
		for j := to; j < side; j++ {
			line[j] = uintptr(outside)
		}
	}
}

// row is the address of pixel i, counted over the whole batch.
func (t *tensor) row(i int) unsafe.Pointer { return unsafe.Add(t.base, i*t.stride) }

func (t *tensor) addr() uintptr { return uintptr(t.base) }

// A program is a list of tasks in order, planned over tensors in one arena.
type program struct {
	tasks   []task
	tensors []*tensor

	node    int      // of the graph, that tasks are being emitted for
	emitted []origin // of the tasks, one each
	bound   []func() // run when the tensors have their addresses
}

// An origin says what a task is for: a node of the graph, and the buffers it touches.
type origin struct {
	node int
	uses []*tensor
}

// tensor is a buffer of activations, so many bytes each.
func (p *program) tensor(name string, s graph.Shape, value int) *tensor {
	cp := roundUp(s.C, vec)
	return p.add(&tensor{name: name, h: s.H, w: s.W, c: s.C, cp: cp, value: value, stride: cp * value, bytes: s.H * s.W * cp * value})
}

// raw is a buffer with a layout of its task's own.
func (p *program) raw(name string, bytes int) *tensor {
	return p.add(&tensor{name: name, bytes: bytes})
}

// whole is a raw buffer of so many bytes in all, whatever part of the batch is used.
func (p *program) whole(name string, bytes, batch int) *tensor {
	return p.raw(name, (bytes+batch-1)/batch)
}

// kept is a buffer that lives as long as the program does, whatever part of the
// batch is used.
func (p *program) kept(name string, bytes, batch int) *tensor {
	t := p.whole(name, bytes, batch)
	t.kept = true
	return t
}

func (p *program) add(t *tensor) *tensor {
	t.root, t.first, t.last = t, -1, -1
	p.tensors = append(p.tensors, t)
	return t
}

// slice is the channels [from, from+c) of t; from is a multiple of vec.
func (p *program) slice(t *tensor, from, c int) *tensor {
	s := *t
	s.c, s.cp = c, roundUp(c, vec)
	s.root, s.offset = t.root, t.offset+from*t.value
	p.tensors = append(p.tensors, &s)
	return &s
}

// emit adds a task and notes which tensors it needs.
func (p *program) emit(t task, uses ...*tensor) {
	p.tasks = append(p.tasks, t)
	p.emitted = append(p.emitted, origin{p.node, uses})
	p.use(len(p.tasks)-1, uses...)
}

// use notes that a step needs tensors.
func (p *program) use(step int, uses ...*tensor) {
	for _, u := range uses {
		if u == nil {
			continue
		}
		if u.virtual != nil {
			p.use(step, u.virtual.sources()...)
			continue
		}
		r := u.root
		if r.first < 0 || step < r.first {
			r.first = step
		}
		r.last = max(r.last, step)
	}
}

// plan gives every tensor a place such that tensors alive at the same step do
// not overlap, greedily by size, and returns the bytes needed for the batch.
func (p *program) plan(batch int) int {
	var roots []*tensor
	for _, t := range p.tensors {
		if t.kept {
			t.first, t.last = 0, len(p.tasks)-1
		}
		if t.root == t && t.first >= 0 {
			roots = append(roots, t)
		}
	}
	slices.SortStableFunc(roots, func(a, b *tensor) int { return b.bytes - a.bytes })
	total := 0
	var placed []*tensor // by place
	for _, t := range roots {
		size := roundUp(t.bytes*batch, line) + slack
		best, at := -1, 0
		for _, o := range placed {
			if o.last < t.first || t.last < o.first {
				continue
			}
			if gap := o.place - at; gap >= size && (best < 0) {
				best = at
			}
			at = max(at, o.place+roundUp(o.bytes*batch, line)+slack)
		}
		if best < 0 {
			best = at
		}
		t.place = best
		i, _ := slices.BinarySearchFunc(placed, best, func(o *tensor, v int) int { return o.place - v })
		placed = slices.Insert(placed, i, t)
		total = max(total, best+size)
	}
	return total
}

// slack stands behind every buffer, so that a vector load that starts inside
// one never leaves the arena.
const slack = 256

// bind sets the addresses of all tensors in the arena.
func (p *program) bind(arena []byte) {
	base := align(arena)
	for _, t := range p.tensors {
		if t.root.first >= 0 {
			t.base = unsafe.Add(base, t.root.place+t.offset)
		}
	}
	for _, f := range p.bound {
		f()
	}
}

// align is the first address in b on a cache line; b has line bytes to spare.
func align(b []byte) unsafe.Pointer {
	p := unsafe.Pointer(unsafe.SliceData(b))
	return unsafe.Add(p, (line-int(uintptr(p)%line))%line)
}

// floats allocates n zeroed floats on a cache line, with slack behind them.
func floats(n int) []float32 {
	b := make([]byte, n*4+line+slack)
	return unsafe.Slice((*float32)(align(b)), n)
}

func (t *tensor) String() string {
	return fmt.Sprintf("%s %dx%dx%d", t.name, t.h, t.w, t.c)
}

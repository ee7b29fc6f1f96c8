package cpu

import "unsafe"

// A gradient that the caches cannot keep until it is read is written around them: a
// chunk of it is made in a worker's memory, followers pass over it there, and from there
// it is stored aside. An ordinary store fetches a line first that is overwritten whole,
// and drives out others.
type aside struct {
	t    *tensor // whose chunk is in the worker's memory, nil for none
	base uintptr // that the tensor's pixel 0 would have there
}

// asideBytes are the bytes of a batch's gradient from which on it is written aside: as
// much as a large last-level cache.
const asideBytes = 32 << 20

// aside reports whether a gradient is written aside, in chunks of so many pixels, and
// makes room in the workers' memory.
func (t *training) aside(g *tensor, chunk int) bool {
	if g.value != 4 || g.root != g || g.bytes*t.net.batch < t.net.aside || g.stride%line != 0 {
		return false
	}
	t.net.asideFloats = max(t.net.asideFloats, chunk*g.cp)
	return true
}

// begin has the chunk of t from pixel m0 on made in the worker's memory.
func (w *worker) begin(t *tensor, m0 int) {
	w.aside = aside{t, uintptr(unsafe.Pointer(&w.chunk[0])) - uintptr(m0*t.stride)}
}

// finish stores the chunk, rows pixels from m0 on.
func (w *worker) finish(t *tensor, m0, rows int, store func(y, x unsafe.Pointer, n int)) {
	store(t.row(m0), w.row(t, m0), rows*t.cp)
	w.aside.t = nil
}

// row is where pixel m of t is, counted over the whole batch: for a follower, in the
// chunk that is being made.
func (w *worker) row(t *tensor, m int) unsafe.Pointer {
	if w.aside.t == t {
		return address(w.aside.base + uintptr(m*t.stride))
	}
	return t.row(m)
}

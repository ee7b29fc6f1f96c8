package cpu

import "unsafe"

// A lineReader makes lines of a sample readable from the top down. Of a virtual
// tensor it keeps the last few in a worker's slot, line h at place h mod ring, so
// that bands which share lines compute them once.
type lineReader struct {
	t    *tensor
	base uintptr // of a sample's line 0, or of the slot
	line int     // bytes
	ring int     // lines that the slot holds, 0 for a tensor that is stored

	sample, next int // the first line not computed yet
}

// start prepares to read a sample's lines through a slot of that many.
func (r *lineReader) start(w *worker, slot int, t *tensor, sample, ring int) {
	*r = lineReader{t: t, base: t.addr() + uintptr(sample*t.bytes), line: t.w * t.stride, sample: sample}
	if t.virtual != nil {
		r.base, r.ring = uintptr(unsafe.Pointer(&w.slots[slot][0])), ring
	}
}

// need makes lines [from, to) readable, at most as many as the slot holds; from
// never goes back.
func (r *lineReader) need(w *worker, from, to int) {
	if r.ring == 0 {
		return
	}
	for h := max(from, r.next); h < to; {
		place := h % r.ring
		n := min(to-h, r.ring-place)
		r.t.virtual.fill(w, address(r.base+uintptr(place*r.line)), r.t.stride, r.sample*r.t.pixels()+h*r.t.w, n*r.t.w)
		h += n
	}
	r.next = max(r.next, to)
}

// around sets the rows that lines [y, y+lines) read through taps of three lines, and the
// steps between pixels of the first and of the last: off the sample are zeros.
func (r *lineReader) around(zeros unsafe.Pointer, y, lines int, rows *[4]uintptr) (first, last int) {
	for i := range lines + 2 {
		rows[i] = uintptr(zeros)
		if h := y - 1 + i; h >= 0 && h < r.t.h {
			rows[i] = r.at(h)
		}
	}
	if y > 0 {
		first = r.t.stride
	}
	if y+lines < r.t.h {
		last = r.t.stride
	}
	return first, last
}

// table lists the addresses of lines [from, to); off the sample are zeros.
func (r *lineReader) table(w *worker, from, to int) unsafe.Pointer {
	for h := from; h < to; h++ {
		w.rows[h-from] = uintptr(w.zeros)
		if h >= 0 && h < r.t.h {
			w.rows[h-from] = r.at(h)
		}
	}
	return unsafe.Pointer(&w.rows[0])
}

// at is the address of line h.
func (r *lineReader) at(h int) uintptr {
	if r.ring > 0 {
		h %= r.ring
	}
	return r.base + uintptr(h*r.line)
}

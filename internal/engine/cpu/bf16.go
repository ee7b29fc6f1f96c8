package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Convolutions in bfloat16. Tensors, weights, gradients and sums stay float32; what
// is multiplied is rounded just before, by the worker that multiplies it: the input
// of a block of output pixels into its scratch memory, where it stays in the cache
// for all panels of weights; the weights once, after they have changed. So no tensor
// of bfloat16 is planned, and memory is read as often as in float32.

// paired is the set with what makes and multiplies pairs in place of floats.
func paired(set *kernel.Set) *kernel.Set {
	p := *set
	p.Tile, p.TileGrad, p.WinoInput = set.BF16.Tile, set.BF16.TileGrad, set.BF16.WinoInput
	return &p
}

// own is a tensor outside the arena.
func own(bytes int) *tensor { return &tensor{base: unsafe.Pointer(&floats(bytes / 4)[0])} }

// rounds reports whether a convolution of k channels a tap multiplies in bfloat16.
// An odd channel's neighbour, which would be multiplied by zero, may be no number.
func (l *lowering) rounds(n *graph.Node, k int, rowTaps bool) bool {
	return l.pairs != nil && n.Op == graph.Conv && n.Window.Groups == 1 && (k%2 == 0 || rowTaps)
}

// A roundedTask is a gatherTask in bfloat16. Its classes' offsets are those of the
// input rounded, whole and without gaps between pixels.
type roundedTask struct {
	gatherTask
	spans  []span // by class
	sample int    // bytes of a sample of the input, rounded
	wide   int    // bytes of a pixel's channels, rounded; 0 for a staged picture, whose rows run on
}

// A span says which part of the input the pixels of a class read: from pixel i
// onward nothing before first[i], up to i nothing from last[i] on. Both count bytes
// within a sample.
type span struct {
	first, last []int32
	sparse      bool // a single tap with gaps between its pixels
}

// rounded makes a roundedTask of t and the task that packs its weights.
func (l *lowering) rounded(t *gatherTask, side int) (*roundedTask, *pairTask) {
	r := &roundedTask{gatherTask: *t, wide: t.in.cp * 2}
	r.set = l.pairs
	r.k = (t.k + 1) / 2
	from, to := t.in.stride, r.wide
	r.sample = t.in.pixels() * r.wide
	if t.rowTaps {
		from, to, r.wide, r.sample = 2, 1, 0, t.in.bytes/2
	}
	r.classes = nil
	for _, c := range t.classes {
		half := c
		half.offs = make([]int32, len(c.offs))
		for i, o := range c.offs {
			half.offs[i] = o
			if o >= 0 {
				half.offs[i] = int32(int(o) / from * to)
			}
		}
		r.classes = append(r.classes, half)
		s := newSpan(&half, r.k*4, r.sample)
		s.sparse = s.sparse && r.wide > 0
		r.spans = append(r.spans, s)
	}
	r.tapBytes = t.tapBytes / 2
	r.block = blockPixels(t.set.MR, max(1, t.k*side/2))
	source := t.source
	if source == nil {
		source = &tensor{base: t.weights}
	}
	pairs := &pairTask{set: l.set, from: source, to: own(t.panels * t.taps * r.tapBytes),
		rows: t.tapBytes / (l.set.NR * 4), taps: t.taps, panels: t.panels}
	r.weights = pairs.to.base
	rows, out := r.tableSize()
	l.net.tableRows = max(l.net.tableRows, rows, pairs.rows)
	l.net.tableOut = max(l.net.tableOut, out)
	l.net.zeroFloats = max(l.net.zeroFloats, t.k)
	l.net.scratchFloats = max(l.net.scratchFloats, r.scratchFloats(l.net.batch))
	l.slot(r.in, r.block)
	return r, pairs
}

func newSpan(c *class, bytes, sample int) span {
	s := span{first: make([]int32, c.count), last: make([]int32, c.count)}
	taps := len(c.taps)
	if taps == 0 {
		return s
	}
	least := int32(sample)
	for px := c.count - 1; px >= 0; px-- {
		for _, o := range c.offs[px*taps : px*taps+taps] {
			if o >= 0 {
				least = min(least, o)
			}
		}
		s.first[px] = least
	}
	most := int32(0)
	for px := range c.count {
		for _, o := range c.offs[px*taps : px*taps+taps] {
			if o >= 0 {
				most = max(most, o+int32(bytes))
			}
		}
		s.last[px] = most
	}
	s.sparse = taps == 1 && int(most) > 2*c.count*bytes
	return s
}

// reach is the part of the input, in bytes over the batch, that pixels [m0, m1) read.
func (t *roundedTask) reach(c *class, s *span, m0, m1 int) (from, to int) {
	from = m0/c.count*t.sample + int(s.first[m0%c.count])
	to = (m1-1)/c.count*t.sample + int(s.last[(m1-1)%c.count])
	if t.wide > 0 {
		from, to = from/t.wide*t.wide, roundUp(to, t.wide)
	}
	return from, max(from, to)
}

// scratchFloats is what the rounded input of any block needs.
func (t *roundedTask) scratchFloats(batch int) int {
	most := 0
	for i := range t.classes {
		c, s := &t.classes[i], &t.spans[i]
		if s.sparse {
			most = max(most, t.block*t.wide)
			continue
		}
		for m := 0; m < batch*c.count; m += t.block {
			from, to := t.reach(c, s, m, min(m+t.block, batch*c.count))
			most = max(most, to-from)
		}
	}
	return (most + 2*line) / 4
}

func (t *roundedTask) run(w *worker, item, n int) {
	blocks, groups := t.cut(n)
	block, group := item%blocks, item/blocks
	p0, p1 := t.panels*group/groups, t.panels*(group+1)/groups
	c, own, m0, m1 := t.place(block, n)
	if len(t.classes[c].taps) == 0 {
		t.untouched(w, &t.classes[c], m0, m1)
	} else {
		t.round(w, &t.classes[c], &t.spans[c], m0, m1, n, t.in.open(w, 0, m0, m1-m0))
		t.panelTiles(w, &t.classes[c], m0, m1, p0, p1)
	}
	t.finish(w, own, m0, m1, p0, p1)
}

// round rounds what output pixels [m0, m1) of n samples read and lists where it lies;
// in is where the input starts.
func (t *roundedTask) round(w *worker, c *class, s *span, m0, m1, n int, in uintptr) {
	to := unsafe.Pointer(&w.scratch[0])
	bf16 := t.set.BF16
	row := func(pixel int) unsafe.Pointer { return address(in + uintptr(pixel*t.in.stride)) }
	if s.sparse {
		t.table(w, c, m0, m1, 0, 0)
		k, v := 0, 0
		for m := m0; m < m1; {
			for t.set.Rows[v] > m1-m {
				v++
			}
			for range t.set.Rows[v] {
				if o := c.offs[m%c.count]; o >= 0 {
					pixel := (m/c.count*t.sample + int(o)) / t.wide
					bf16.RoundRows(to, 0, row(pixel), 0, 1, t.in.cp)
					w.rows[k] = uintptr(to)
				}
				to = unsafe.Add(to, t.wide)
				k, m = k+1, m+1
			}
			k++ // the tap's weights
		}
		return
	}
	from, end := t.reach(c, s, m0, m1)
	if t.wide > 0 {
		pixel := from / t.wide
		bf16.RoundRows(to, t.wide, row(pixel), t.in.stride, end/t.wide-pixel, t.in.cp)
	} else {
		floats := min(end, n*t.sample)/2 - from/2
		bf16.RoundRows(to, 0, unsafe.Add(t.in.base, from*2), 0, 1, roundUp(floats, vec))
		clear(unsafe.Slice((*uint16)(to), roundUp(floats, vec)+2)[floats:])
	}
	t.table(w, c, m0, m1, uintptr(to)-uintptr(from), t.sample)
}

// round makes a winogradTask multiply transformed values in bfloat16: the transforms
// themselves and the sums stay float32. It returns the task that rounds its weights,
// which writes to pairs what the transform left in u.
func (t *winogradTask) round(l *lowering, pairs *tensor) *pairTask {
	p := &pairTask{set: l.set, from: t.u, rows: t.in.cp, taps: winoPoints, panels: t.panels, to: pairs}
	t.set, t.value, t.u = l.pairs, 2, pairs
	l.net.tableRows = max(l.net.tableRows, p.rows)
	return p
}

// A pairTask rounds packed weights: rows of a tap two by two into rows of pairs.
type pairTask struct {
	set                *kernel.Set
	from, to           *tensor // [panel][tap][rows][NR], [panel][tap][rows/2][NR] pairs
	rows, taps, panels int     // rows of a tap, an even number
}

func (t *pairTask) items(int) int { return t.panels * t.taps }

func (t *pairTask) run(w *worker, i, _ int) {
	row := t.set.NR * 4
	at := t.from.addr() + uintptr(i*t.rows*row)
	for r := range t.rows {
		w.rows[r] = at
		at += uintptr(row)
	}
	t.set.BF16.PairRows(unsafe.Add(t.to.base, i*t.rows/2*row), row, unsafe.Pointer(&w.rows[0]), 0, t.rows/2, t.set.NR)
}

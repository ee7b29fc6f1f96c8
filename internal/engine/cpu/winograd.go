package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// Winograd's minimal filtering, F(4x4, 3x3) of Lavin and Gray 2015: a 3x3
// convolution of stride 1 in a quarter of the multiplications. Tiles of 4x4
// output pixels read 6x6 input pixels; both and the weights are transformed to
// 36 values a channel, and each of the 36 is a matrix product of its own, over
// channels. See docs/performance.md for where it wins, and winograd_form.go for
// the forms that there are.

const (
	winoLeast = 16 // channels, in and out, below which the transforms cost more than they save

	// stridedLeast is the pixels of a batch below which a strided convolution's transformed weights, four times the others,
	// take longer to read than they save.
	stridedLeast = 256
)

// winoPad stands behind each plane of a block, so that the planes of a tile do
// not all fall into the same lines of the cache.
const winoPad = 3 * line

// winoTap is the bytes from plane to plane of transformed weights, or of their gradient's sums, of a tap's
// size. A row stands between them for winoPad's reason: the 36 values that one weight is transformed to
// are a power of two apart without it.
func winoTap(tapBytes, nr int) int { return tapBytes + nr*4 }

// A winogradTask is a gatherTask of a 3x3 window by tiles.
type winogradTask struct {
	gatherTask
	form     *form
	grid     tiling
	u        *tensor     // transformed weights: [panel][36][k, rounded up, and one][NR], or half of k rows of pairs
	products *kernel.Set // of transformed values, with float32 for sums
}

func (t *winogradTask) cut(n int) (blocks, groups int) {
	blocks = t.grid.blocks(n)
	return blocks, t.groups(blocks, t.panels)
}

func (t *winogradTask) items(n int) int {
	blocks, groups := t.cut(n)
	return blocks * groups
}

// planes are the bytes from plane to plane of a block's input and output.
func (t *winogradTask) planes() (in, out int) {
	tiles := t.grid.tiles()
	return tiles*t.in.cp*t.in.value + winoPad, tiles*t.panels*t.set.NR*4 + winoPad
}

// scratchFloats is what a worker needs.
func (t *winogradTask) scratchFloats() int {
	in, out := t.planes()
	return (len(t.form.points)*(in+out) + t.out.cp*4 + line) / 4
}

func (t *winogradTask) run(w *worker, item, n int) {
	blocks, groups := t.cut(n)
	block, group := item%blocks, item/blocks
	p0, p1 := t.panels*group/groups, t.panels*(group+1)/groups
	r0 := block * t.grid.block
	r1 := min(r0+t.grid.block, n*t.grid.y.tiles)
	inPlane, outPlane := t.planes()
	v := unsafe.Pointer(&w.planes[0])
	points := len(t.form.points)
	m := unsafe.Add(v, points*inPlane)
	t.grid.list(&w.tiles, r0, r1)
	t.form.transform(w, t.in, 0, t.in.cp, v, inPlane, t.zeros)
	t.multiply(w, p0, p1, v, inPlane, m, outPlane)
	t.back(w, p0, p1, m, outPlane, unsafe.Add(m, points*outPlane))
	m0, m1 := t.grid.span(t.out, r0, r1)
	t.activate(m0, m1, p0, p1)
	if t.stats != nil {
		t.stats.moments(t.set, t.out, block, m0, m1, p0*t.set.NR, min(p1*t.set.NR, t.out.cp))
	}
}

// transform writes the planes of a block's tiles for channels [c0, c1) of in.
func (f *form) transform(w *worker, in *tensor, c0, c1 int, v unsafe.Pointer, plane int, zeros unsafe.Pointer) {
	at := v
	w.tiles.tour(w.tileIn[:2*f.read*f.read], func(table []uintptr, t tile) {
		f.readWindow(in, table, t, c0, zeros)
	}, func(tile) {
		f.input(at, plane, unsafe.Pointer(&w.tileIn[0]), c1-c0, unsafe.Pointer(&w.wino[0]))
		at = unsafe.Add(at, (c1-c0)*in.value)
	})
}

// multiply is the matrix products of a block, one for each plane.
func (t *winogradTask) multiply(w *worker, p0, p1 int, v unsafe.Pointer, inPlane int, m unsafe.Pointer, outPlane int) {
	set, value := t.products, t.in.value
	nr := set.NR
	a := &w.tile
	a.Taps, a.K, a.Bias, a.AddFlag = 1, t.k*value/4, nil, 0
	a.Lo, a.Hi = -inf, inf
	width := (p1 - p0) * nr * 4
	tap := t.in.cp * nr * value
	if value == 4 {
		tap = winoTap(tap, nr)
	}
	for _, p := range t.form.points {
		from, to := uintptr(v)+uintptr(p.plane*inPlane), uintptr(m)+uintptr(p.plane*outPlane)
		first, end := w.tiles.of(p)
		at := 0
		for i := first; i < end; {
			for range set.Rows[set.First(end-i)] {
				w.rows[at] = from + uintptr(i*t.in.cp*value)
				w.out[i-first] = to + uintptr(i*width)
				at, i = at+1, i+1
			}
			w.rows[at] = 0
			at++
		}
		for j := p0; j < p1; j++ {
			a.B = unsafe.Add(t.u.base, (j*winoPoints+p.weight)*tap)
			a.OutOff = (j - p0) * nr * 4
			a.Width = min(nr, t.out.cp-j*nr)
			var next unsafe.Pointer
			if j+1 < p1 && t.panels*winoPoints*tap >= aheadBytes {
				next = unsafe.Add(a.B, winoPoints*tap)
			}
			w.multiply(set, end-first, j == p0, next)
		}
	}
}

// back transforms a block's products to pixels. What falls outside, or hangs on planes that a tile was not
// wanted in, whose values are anything, goes to dump.
func (t *winogradTask) back(w *worker, p0, p1 int, m unsafe.Pointer, plane int, dump unsafe.Pointer) {
	first := p0 * t.set.NR * t.out.value
	channels := min(p1*t.set.NR, t.out.cp) - p0*t.set.NR
	width := (p1 - p0) * t.set.NR * 4
	bias := t.zeros
	if t.bias != nil {
		bias = unsafe.Add(t.bias, p0*t.set.NR*4)
	}
	var add unsafe.Pointer
	if t.add != nil {
		add = unsafe.Pointer(&w.tileAdd[0])
	}
	f := t.form
	w.tiles.tour(w.tileOut[:2*f.write*f.write], func(table []uintptr, at tile) {
		f.writeWindow(t.out, table, at, first, dump)
	}, func(at tile) {
		if t.add != nil {
			f.writeWindow(t.add, w.tileAdd[:], at, first, t.zeros)
		}
		f.output(unsafe.Pointer(&w.tileOut[0]), m, plane, channels, bias, add, t.lo, unsafe.Pointer(&w.wino[0]))
		m = unsafe.Add(m, width)
	})
}

// A winoWeightTask transforms packed weights.
type winoWeightTask struct {
	form     *form
	src      unsafe.Pointer // panels of 9 taps
	tapBytes int
	plane    int // bytes from plane to plane of u
	panels   int
	flip     bool // for the input gradient: the window turned round
	u        *tensor
}

// winoWeightBytes is how much of a tap one item transforms.
const winoWeightBytes = 8 << 10

// winoPieces is the number of items that the taps of a panel are cut into.
func winoPieces(tapBytes int) int { return (tapBytes + winoWeightBytes - 1) / winoWeightBytes }

// winoPiece is what an item is of: n floats of each tap, from a byte of it onward.
func winoPiece(item, tapBytes int) (panel, from, n int) {
	pieces := winoPieces(tapBytes)
	from = item % pieces * winoWeightBytes
	return item / pieces, from, min(winoWeightBytes, tapBytes-from) / 4
}

func (t *winoWeightTask) items(int) int { return t.panels * winoPieces(t.tapBytes) }

func (t *winoWeightTask) run(w *worker, item, _ int) {
	panel, from, n := winoPiece(item, t.tapBytes)
	src, step := unsafe.Add(t.src, panel*9*t.tapBytes+from), t.tapBytes
	if t.flip {
		src, step = unsafe.Add(src, 8*t.tapBytes), -t.tapBytes
	}
	t.form.weight(unsafe.Add(t.u.base, panel*winoPoints*t.plane+from), t.plane, src, step, n, unsafe.Pointer(&w.wino[0]))
}

// tiled makes a winogradTask of t, with the task that transforms its weights to
// u, of [panels][36] taps. stats says that the moments of its output will be kept.
func (l *lowering) tiled(t *gatherTask, f *form, u *tensor, flip, stats bool) (*winogradTask, *winoWeightTask) {
	products := t.set
	if t.in.value == 2 {
		products = paired(l.wide)
	}
	w := &winogradTask{gatherTask: *t, form: f, u: u, products: products, grid: newTiling(t.out, f.write, t.in.cp+t.out.cp, stats)}
	l.net.planeFloats = max(l.net.planeFloats, w.scratchFloats())
	l.net.tableRows = max(l.net.tableRows, 2*w.grid.tiles()+t.set.MR)
	l.net.tableOut = max(l.net.tableOut, w.grid.tiles())
	l.net.zeroFloats = max(l.net.zeroFloats, t.in.cp, t.panels*t.set.NR)
	return w, &winoWeightTask{form: f, src: t.weights, tapBytes: t.tapBytes, plane: winoTap(t.tapBytes, t.set.NR), panels: t.panels, flip: flip, u: u}
}

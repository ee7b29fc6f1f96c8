package cpu

import (
	"math"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

var inf = float32(math.Inf(1))

// blockBytes is about how much of its input a block of output pixels reads: it
// stays in the second-level cache while all panels of weights pass over it.
const blockBytes = 256 << 10

// aheadBytes are so many bytes of weights that they do not stay in the second-level cache from block to block:
// a panel is fetched while the one before it multiplies.
const aheadBytes = 512 << 10

// blockPixels is the number of output pixels in a block: whole tiles.
func blockPixels(mr, channels int) int {
	tiles := blockBytes / (channels * 4) / mr
	return mr * max(4, min(tiles, 384/mr))
}

// A gatherTask multiplies gathered rows of its input by packed weights: a
// convolution or linear layer, forward or for the input gradient. The blocks
// follow a fixed cut of the pixels; panels are cut among workers as needed.
type gatherTask struct {
	set     *kernel.Set
	threads int
	in, out *tensor
	classes []class
	block   int

	weights  unsafe.Pointer // panels
	source   *tensor        // that holds them, for weights that are planned, or nil
	rowTaps  bool           // in is a staged picture
	k        int            // channels a tap
	from     []int          // grouped: by panel, the first channel it reads; else nil
	tapBytes int
	taps     int // of the weights, used or not
	panels   int

	bias   unsafe.Pointer // nil or cp floats and the rest of a panel
	lo, hi float32
	act    kernel.Act // behind the limits
	add    *tensor    // added before the clamp; out itself accumulates
	stats  *partials
	after  followers // of an input gradient
	zeros  unsafe.Pointer
}

func (t *gatherTask) cut(n int) (blocks, groups int) {
	for i := range t.classes {
		blocks += (n*t.classes[i].count + t.block - 1) / t.block
	}
	return blocks, t.groups(blocks, t.panels)
}

// groups is how many parts the panels, or what else there are units of, are cut into, for enough items to share.
func (t *gatherTask) groups(blocks, units int) int {
	if want := 4 * t.threads; t.threads > 1 && blocks < want {
		return min(units, (want+blocks-1)/blocks)
	}
	return 1
}

func (t *gatherTask) items(n int) int {
	blocks, groups := t.cut(n)
	return blocks * groups
}

func (t *gatherTask) run(w *worker, item, n int) {
	blocks, groups := t.cut(n)
	block, group := item%blocks, item/blocks
	p0, p1 := t.panels*group/groups, t.panels*(group+1)/groups
	c, own, m0, m1 := t.place(block, n)
	if len(t.classes[c].taps) == 0 {
		t.untouched(w, &t.classes[c], m0, m1)
	} else {
		t.tiles(w, &t.classes[c], m0, m1, p0, p1, t.in.open(w, 0, m0, m1-m0), t.out.addr())
	}
	t.finish(w, own, m0, m1, p0, p1)
}

// finish does what follows the products of a block, in panels [p0, p1).
func (t *gatherTask) finish(w *worker, block, m0, m1, p0, p1 int) {
	t.activate(m0, m1, p0, p1)
	c0, c1 := p0*t.set.NR, min(p1*t.set.NR, t.out.cp)
	if t.stats != nil {
		t.stats.moments(t.set, t.out, block, m0, m1, c0, c1)
	}
	t.after.columns(w, block, m0, m1-m0, c0, c1)
}

// place is the class of a block, its number among the class's, and its pixels.
func (t *gatherTask) place(block, n int) (class, own, m0, m1 int) {
	for i := range t.classes {
		in := (n*t.classes[i].count + t.block - 1) / t.block
		if block < in {
			m0 = block * t.block
			return i, block, m0, min(m0+t.block, n*t.classes[i].count)
		}
		block -= in
	}
	panic("cpu: no such block")
}

// activate applies the activation to pixels [m0, m1) of panels [p0, p1).
func (t *gatherTask) activate(m0, m1, p0, p1 int) {
	if t.act == kernel.Identity {
		return
	}
	c0 := p0 * t.set.NR
	y := unsafe.Add(t.out.row(m0), c0*t.out.value)
	t.set.Activate(y, t.out.stride, y, t.out.stride, m1-m0, min(p1*t.set.NR, t.out.cp)-c0, t.act)
}

// tiles computes output pixels [m0, m1) of a class for panels [p0, p1); in and out are
// where input and output start.
func (t *gatherTask) tiles(w *worker, c *class, m0, m1, p0, p1 int, in, out uintptr) {
	t.table(w, c, m0, m1, in, t.in.bytes, out)
	t.panelTiles(w, c, m0, m1, p0, p1)
}

// panelTiles computes output pixels [m0, m1) of a class for panels [p0, p1), from
// the worker's tables.
func (t *gatherTask) panelTiles(w *worker, c *class, m0, m1, p0, p1 int) {
	a := &w.tile
	a.Taps, a.K = len(c.taps), t.k
	a.Lo, a.Hi = t.lo, t.hi
	a.AddFlag = 0
	if t.add != nil {
		a.AddFlag = 1
		a.AddDelta = int(t.add.addr() - t.out.addr())
	}
	nr := t.set.NR
	panelBytes := t.taps * t.tapBytes
	shifted := 0
	for j := p0; j < p1; j++ {
		a.B = unsafe.Add(t.weights, j*panelBytes)
		a.Bias = nil
		if t.bias != nil {
			a.Bias = unsafe.Add(t.bias, j*nr*4)
		}
		if t.from != nil {
			t.shift(w, len(c.taps), m1-m0, t.from[j]-shifted)
			shifted = t.from[j]
			a.B = unsafe.Add(a.B, -shifted*t.in.value)
		}
		a.OutOff = j * nr * t.out.value
		a.Width = min(nr, t.out.cp-j*nr)
		var next unsafe.Pointer
		if j+1 < p1 && t.panels*panelBytes >= aheadBytes && t.from == nil {
			next = unsafe.Add(a.B, panelBytes)
		}
		w.multiply(t.set, m1-m0, j == p0 && len(c.taps) == 1, next)
	}
}

// multiply computes n output rows of a panel, tile by tile, from the worker's tables. The first panel
// to read rows of one tap meets them where they come from, later ones in the caches: it fetches the next tile's.
// Others fetch the next panel, unless it is nil, a part with each tile.
func (w *worker) multiply(set *kernel.Set, n int, first bool, next unsafe.Pointer) {
	a := &w.tile
	table, v, fetched := 0, set.First(n), 0
	for m := 0; m < n; {
		tile, rows := set.Tile[v], set.Rows[v]
		a.Rows = unsafe.Pointer(&w.rows[table])
		a.Out = unsafe.Pointer(&w.out[m])
		table += a.Taps * (rows + 1)
		m += rows
		v = set.First(n - m)
		a.Next, a.Ahead = nil, nil
		if m+rows <= n {
			a.Next = unsafe.Pointer(&w.out[m])
			if first {
				a.Ahead = w.adjoining(table, set.Rows[v])
			}
		}
		if a.Ahead == nil && next != nil && fetched < a.Taps*a.K*set.NR*4 {
			a.Ahead = unsafe.Add(next, fetched)
			fetched += a.Taps * a.K * rows * 4
		}
		tile(a)
	}
}

// adjoining is where a tile's rows lie, if each follows upon the one before, or nil.
func (w *worker) adjoining(table, rows int) unsafe.Pointer {
	if from := w.rows[table]; w.rows[table+rows-1]-from == uintptr((rows-1)*w.tile.K*4) {
		return address(from)
	}
	return nil
}

// table fills the worker's row tables for pixels [m0, m1): the tiles one after
// another, each with a line of row addresses and a weight offset for every tap.
// The input lies at base, sample bytes a sample, the output at out.
func (t *gatherTask) table(w *worker, c *class, m0, m1 int, base uintptr, sample int, out uintptr) {
	taps := len(c.taps)
	zero := uintptr(t.zeros)
	img, px := m0/c.count, m0%c.count
	from := base + uintptr(img*sample)
	to := out + uintptr(img*t.out.bytes)
	at := 0
	for m := m0; m < m1; {
		mr := t.set.Rows[t.set.First(m1-m)]
		for r := range mr {
			offs := c.offs[px*taps : px*taps+taps]
			d := at + r
			for _, o := range offs {
				a := from + uintptr(o)
				if o < 0 {
					a = zero
				}
				w.rows[d] = a
				d += mr + 1
			}
			p := px
			if c.pixels != nil {
				p = int(c.pixels[px])
			}
			w.out[m-m0+r] = to + uintptr(p*t.out.stride)
			if px++; px == c.count {
				px = 0
				from += uintptr(sample)
				to += uintptr(t.out.bytes)
			}
		}
		for i, tap := range c.taps {
			w.rows[at+i*(mr+1)+mr] = uintptr(int(tap) * t.tapBytes)
		}
		at += taps * (mr + 1)
		m += mr
	}
}

// untouched handles pixels that no tap reaches: their gradient is zero, or what
// is there already.
func (t *gatherTask) untouched(_ *worker, c *class, m0, m1 int) {
	if t.add == t.out {
		return
	}
	for m := m0; m < m1; m++ {
		i := m/c.count*t.out.pixels() + int(c.pixels[m%c.count])
		clear(unsafe.Slice((*byte)(t.out.row(i)), t.out.cp*t.out.value))
	}
}

// tableSize is the number of entries the worker's tables need.
func (t *gatherTask) tableSize() (rows, out int) {
	taps := 0
	for i := range t.classes {
		taps = max(taps, len(t.classes[i].taps))
	}
	// a tile of one row has two entries a tap and row
	return taps * 2 * (t.block + t.set.MR), t.block
}

// A weightGradTask sums x's rows times dy's rows over all output pixels, in
// blocks of pixels in order. Its items are ranges of the tiles of the gradient,
// which are summed whole by one worker each. A small gradient is cut by pixels
// instead, into a number of splits fixed by its shape, which a second task adds in
// order: so each worker reads its own part of x and dy only.
type weightGradTask struct {
	set     *kernel.Set
	threads int
	in, dy  *tensor
	class   class

	grad     unsafe.Pointer
	k        int   // rows of a tap that mean something
	kr       int   // rows of a tap
	chunks   []int // cut of kr into kernels' rows: index into GradRows
	starts   []int // first row of each chunk
	tapBytes int
	panels   int
	from     []int // grouped: by panel, the first channel it reads; else nil
	zeros    unsafe.Pointer
	net      *network
	sums     *tensor    // of the splits, or nil
	bias     *partials  // sums of dy over blocks of pixels, or nil
	order    []gradUnit // of products of bfloat16, or nil
}

const (
	weightGradPixels = 256
	splitGradBytes   = 256 << 10 // a gradient no larger is cut by pixels
	gradSplits       = 8
)

// bytes is the size of the gradient.
func (t *weightGradTask) bytes() int { return t.panels * len(t.class.taps) * t.tapBytes }

func (t *weightGradTask) units() int { return len(t.class.taps) * len(t.chunks) * t.panels }

func (t *weightGradTask) items(int) int {
	if t.sums != nil {
		return gradSplits
	}
	return min(t.threads, t.units())
}

func (t *weightGradTask) run(w *worker, item, n int) {
	items := t.items(n)
	m := n * t.class.count
	if t.sums == nil {
		u0, u1 := t.units()*item/items, t.units()*(item+1)/items
		t.sum(w, u0, u1, 0, m, t.grad, t.net.accumulate)
		if t.kr > t.k {
			t.clearPadding(u0, u1)
		}
		return
	}
	blocks := (m + weightGradPixels - 1) / weightGradPixels
	from, to := blocks*item/items*weightGradPixels, min(blocks*(item+1)/items*weightGradPixels, m)
	if from >= to {
		clear(t.split(item))
		return
	}
	t.sum(w, 0, t.units(), from, to, t.sumsOf(item), false)
}

// sum writes units [u0, u1) of the gradient of pixels [m0, m1), or adds them.
func (t *weightGradTask) sum(w *worker, u0, u1, m0, m1 int, grad unsafe.Pointer, acc bool) {
	for b := m0; b < m1; b += weightGradPixels {
		n := min(weightGradPixels, m1-b)
		dy := t.dy.open(w, 0, b, n)
		t.block(w, u0, u1, b, n, grad, acc || b > m0, t.in.open(w, 1, b, n), dy)
		if t.bias != nil {
			sum := unsafe.Pointer(t.bias.at(b/weightGradPixels, 0, 0))
			t.set.SumRows(address(dy+uintptr(b*t.dy.stride)), t.dy.stride, n, t.dy.cp, sum)
		}
	}
}

// block does n pixels from m on, at most weightGradPixels; in and dy are where the input and its
// output's gradients start.
func (t *weightGradTask) block(w *worker, u0, u1, m, n int, grad unsafe.Pointer, acc bool, in, dy uintptr) {
	if t.order != nil {
		t.pairBlock(w, u0, u1, m, n, grad, acc, in, dy)
		return
	}
	nr, taps := t.set.NR, len(t.class.taps)
	a := &w.grad
	a.YStride, a.CStride, a.P, a.Acc = t.dy.stride, nr*4, n, 0
	if acc {
		a.Acc = 1
	}
	t.tables(w, m, n, in)
	first := address(dy + uintptr(m*t.dy.stride))
	for u := u0; u < u1; u++ {
		j, tap, chunk := t.unit(u)
		start := t.starts[chunk]
		a.X = unsafe.Pointer(&w.rows[tap*weightGradPixels])
		a.XOff = start * 4
		if t.from != nil {
			a.XOff += t.from[j] * 4
		}
		a.Y = unsafe.Add(first, j*nr*4)
		a.Width = min(nr, t.dy.cp-j*nr)
		a.Next, a.NextStride = a.Y, 0
		if at := (tap*len(t.chunks) + chunk) * line; at < a.Width*4 && t.dy.virtual == nil {
			a.Next, a.NextStride = unsafe.Add(a.Y, n*t.dy.stride+at), t.dy.stride // of the next block
		}
		a.C = unsafe.Add(grad, (j*taps+tap)*t.tapBytes+start*nr*4)
		t.set.TileGrad[t.chunks[chunk]](a)
	}
}

// sumsOf is where split i lies, split its values.
func (t *weightGradTask) sumsOf(i int) unsafe.Pointer { return unsafe.Add(t.sums.base, i*t.bytes()) }

func (t *weightGradTask) split(i int) []float32 {
	return unsafe.Slice((*float32)(t.sumsOf(i)), t.bytes()/4)
}

// unit is the panel, tap and chunk of unit u: a panel's units follow one another, so that
// its columns of dy stay in the first-level cache.
func (t *weightGradTask) unit(u int) (panel, tap, chunk int) {
	if t.order != nil {
		o := &t.order[u]
		return o.panel, o.tap, o.chunk
	}
	chunks, taps := len(t.chunks), len(t.class.taps)
	return u / (chunks * taps), u / chunks % taps, u % chunks
}

// A splitGradTask adds the splits of a weight's gradient, a panel an item.
type splitGradTask struct{ of *weightGradTask }

func (t *splitGradTask) items(int) int { return t.of.panels }

func (t *splitGradTask) run(_ *worker, j, _ int) {
	of, taps := t.of, len(t.of.class.taps)
	nr, rows := of.set.NR, taps*of.kr
	width := min(nr, of.dy.cp-j*nr)
	at := j * taps * of.tapBytes
	to, first := unsafe.Add(of.grad, at), 0
	if !of.net.accumulate {
		a, b := unsafe.Add(of.sums.base, at), unsafe.Add(of.sums.base, of.bytes()+at)
		of.net.set.AddRows(to, nr*4, a, nr*4, b, nr*4, rows, width)
		first = 2
	}
	for s := first; s < gradSplits; s++ {
		of.net.set.AddRows(to, nr*4, to, nr*4, unsafe.Add(of.sums.base, s*of.bytes()+at), nr*4, rows, width)
	}
	if of.kr > of.k {
		for tap := range taps {
			clear(unsafe.Slice((*float32)(unsafe.Add(to, tap*of.tapBytes+of.k*nr*4)), (of.kr-of.k)*nr))
		}
	}
}

// clearPadding zeroes the gradient rows behind the last real channel of a tap.
func (t *weightGradTask) clearPadding(u0, u1 int) {
	for u := u0; u < u1; u++ {
		j, tap, chunk := t.unit(u)
		t.clearRows(j, tap, max(t.k, t.starts[chunk]), t.starts[chunk]+t.set.GradRows[t.chunks[chunk]])
	}
}

// clearRows zeroes rows [from, to) of a tap of the gradient, if there are any.
func (t *weightGradTask) clearRows(panel, tap, from, to int) {
	if from < to {
		nr := t.set.NR
		clear(unsafe.Slice((*float32)(unsafe.Add(t.grad, (panel*len(t.class.taps)+tap)*t.tapBytes+from*nr*4)), (to-from)*nr))
	}
}

// tables list the addresses of the input rows under each tap of n output pixels from m;
// in is where the input starts.
func (t *weightGradTask) tables(w *worker, m, n int, in uintptr) {
	sample := t.in.bytes
	taps := len(t.class.taps)
	zero := uintptr(t.zeros)
	img, px := m/t.class.count, m%t.class.count
	from := in + uintptr(img*sample)
	for i := range n {
		for tap, o := range t.class.offs[px*taps : px*taps+taps] {
			a := zero
			if o >= 0 {
				a = from + uintptr(o)
			}
			w.rows[tap*weightGradPixels+i] = a
		}
		if px++; px == t.class.count {
			px = 0
			from += uintptr(sample)
		}
	}
}

// cutRows covers n rows by kernels of the given row counts, descending, as
// cheaply as possible: a kernel costs its rows and a little more. It returns
// the kernels' indices; the covered rows may exceed n by less than the smallest.
func cutRows(n int, rows []int) []int {
	const overhead = 3
	least := rows[len(rows)-1]
	n = roundUp(n, least)
	cost := make([]int, n+1)
	pick := make([]int, n+1)
	for i := least; i <= n; i++ {
		cost[i] = math.MaxInt
		for k, r := range rows {
			if r <= i && cost[i-r] < math.MaxInt && cost[i-r]+r+overhead < cost[i] {
				cost[i], pick[i] = cost[i-r]+r+overhead, k
			}
		}
	}
	var cut []int
	for i := n; i > 0; i -= rows[pick[i]] {
		cut = append(cut, pick[i])
	}
	return cut
}

// chunksOf is cutRows, with the row that each kernel starts at and the one behind the last.
func chunksOf(n int, rows []int) (chunks, starts []int, end int) {
	chunks = cutRows(n, rows)
	for _, c := range chunks {
		starts = append(starts, end)
		end += rows[c]
	}
	return chunks, starts, end
}

package cpu

import "unsafe"

// gradGroup is how many input channels of a tap are paired at a time: with the
// output gradient of a block of pixels they fit the second-level cache.
const gradGroup = 384

// A gradUnit is a tile of a weight's gradient. Those that read the same paired
// channels of the input follow one another.
type gradUnit struct {
	panel, tap, chunk int
	group             int // of the tap's channels
}

// roundGrad makes task multiply in bfloat16.
func (t *training) roundGrad(task *weightGradTask) {
	task.pairUnits()
	t.net.tableRows = max(t.net.tableRows, (len(task.class.taps)+2)*weightGradPixels)
	t.net.scratchFloats = max(t.net.scratchFloats, task.pairFloats())
	t.net.zeroFloats = max(t.net.zeroFloats, roundUp(task.kr, vec), task.panels*task.set.NR)
}

// pairUnits orders the units for products of pairs of pixels.
func (t *weightGradTask) pairUnits() {
	for tap := range len(t.class.taps) {
		for c0 := 0; c0 < len(t.chunks); {
			c1 := c0
			for c1 < len(t.chunks) && t.starts[c1]-t.starts[c0] < gradGroup {
				c1++
			}
			for panel := range t.panels {
				for chunk := c0; chunk < c1; chunk++ {
					t.order = append(t.order, gradUnit{panel, tap, chunk, c0})
				}
			}
			c0 = c1
		}
	}
}

// groupRows is the most channels in a group: the last chunk may stand out.
func (t *weightGradTask) groupRows() int { return gradGroup + t.set.GradRows[0] + vec }

// pairFloats is the scratch memory of a worker: a panel's pairs of dy each, then x's.
func (t *weightGradTask) pairFloats() int {
	return weightGradPixels / 2 * (t.panels*t.set.NR + t.groupRows() + line/4)
}

// pairBlock is block with products of bfloat16.
func (t *weightGradTask) pairBlock(w *worker, u0, u1, m, n int, grad unsafe.Pointer, acc bool, in, from uintptr) {
	nr, taps := t.set.NR, len(t.class.taps)
	panelBytes := weightGradPixels / 2 * nr * 4
	dy := unsafe.Pointer(&w.scratch[0])
	x := unsafe.Add(dy, t.panels*panelBytes)
	step := t.groupRows()*4 + line
	rowsOfDY, pairsOfX := w.rows[taps*weightGradPixels:], w.rows[(taps+1)*weightGradPixels:]
	for p := range weightGradPixels / 2 {
		pairsOfX[p] = uintptr(x) + uintptr(p*step)
	}
	a := &w.grad
	a.X = unsafe.Pointer(&pairsOfX[0])
	a.YStride, a.CStride, a.P, a.Acc = nr*4, nr*4, (n+1)/2, 0
	if acc {
		a.Acc = 1
	}
	t.tables(w, m, n, in)
	for i := range n {
		rowsOfDY[i] = from + uintptr((m+i)*t.dy.stride)
	}
	if n%2 == 1 { // the last pixel's partner is zero
		for tap := range taps + 1 {
			w.rows[tap*weightGradPixels+n] = uintptr(t.zeros)
		}
	}
	t.pairDY(w, u0, u1, a.P, dy, unsafe.Pointer(&rowsOfDY[0]))
	last := gradUnit{tap: -1}
	for _, u := range t.order[u0:u1] {
		first, from := t.starts[u.group], 0
		if t.from != nil {
			from = t.from[u.panel]
		}
		if u.tap != last.tap || u.group != last.group || t.from != nil && u.panel != last.panel {
			t.set.BF16.PairRows(x, step, unsafe.Pointer(&w.rows[u.tap*weightGradPixels]), (from+first)*t.in.value, a.P, t.pairedRows(u.group))
			last = u
		}
		start := t.starts[u.chunk]
		a.XOff = (start - first) * 4
		a.Y = unsafe.Add(dy, u.panel*panelBytes)
		a.Next, a.NextStride = a.Y, 0
		a.Width = min(nr, t.dy.cp-u.panel*nr)
		a.C = unsafe.Add(grad, (u.panel*taps+u.tap)*t.tapBytes+start*nr*4)
		t.set.TileGrad[t.chunks[u.chunk]](a)
	}
}

// pairedRows is how many channels the group that starts with a chunk has.
func (t *weightGradTask) pairedRows(chunk int) int {
	first := t.starts[chunk]
	for chunk < len(t.chunks) && t.starts[chunk]-first < gradGroup {
		chunk++
	}
	if chunk < len(t.chunks) {
		return roundUp(t.starts[chunk]-first, vec)
	}
	return roundUp(t.kr-first, vec)
}

// pairDY pairs the pixels of the panels that units [u0, u1) read.
func (t *weightGradTask) pairDY(w *worker, u0, u1, n int, dy, rows unsafe.Pointer) {
	nr := t.set.NR
	p0, p1 := t.panels, 0
	for _, u := range t.order[u0:u1] {
		p0, p1 = min(p0, u.panel), max(p1, u.panel+1)
	}
	for j := p0; j < p1; j++ {
		t.set.BF16.PairRows(unsafe.Add(dy, j*weightGradPixels/2*nr*4), nr*4, rows, j*nr*t.dy.value, n, min(nr, t.dy.cp-j*nr))
	}
}

// pairTiles writes the planes of pairs of a block's tiles for channels [c0, c1) of the input.
func (t *winoGradTask) pairTiles(w *worker, c0, c1 int, v unsafe.Pointer, plane int) {
	f := t.form
	at := func(table []uintptr, at tile) { f.readWindow(t.in, table, at, c0, t.zeros) }
	t.eachPair(w.tiles.list, w.tileIn[:4*f.read*f.read], at, func(table unsafe.Pointer) {
		f.inputPairs(v, plane, table, c1-c0, unsafe.Pointer(&w.wino[0]))
		v = unsafe.Add(v, (c1-c0)*4)
	})
}

// pairGrad writes the planes of pairs of dy's tiles for panels [p0, p1).
func (t *winoGradTask) pairGrad(w *worker, p0, p1 int, y unsafe.Pointer, plane int) {
	first := p0 * t.set.NR * t.dy.value
	channels := min(p1*t.set.NR, t.dy.cp) - p0*t.set.NR
	f := t.form
	at := func(table []uintptr, at tile) { f.writeWindow(t.dy, table, at, first, t.zeros) }
	t.eachPair(w.tiles.list, w.tileOut[:4*f.write*f.write], at, func(table unsafe.Pointer) {
		f.gradOutputPairs(y, plane, table, channels, unsafe.Pointer(&w.wino[0]))
		y = unsafe.Add(y, channels*4)
	})
}

// eachPair lists the pixels of tiles, two at a time, an odd one's partner being
// zeros, and behind them those of the next two, as tour does.
func (t *winoGradTask) eachPair(tiles []tile, table []uintptr, at func(table []uintptr, at tile), visit func(table unsafe.Pointer)) {
	half := len(table) / 2
	fill := func(pair []uintptr, first int) {
		for k := range 2 {
			pixels := pair[k*half/2 : (k+1)*half/2]
			if i := first + k; i < len(tiles) {
				at(pixels, tiles[i])
				continue
			}
			for p := range pixels {
				pixels[p] = uintptr(t.zeros)
			}
		}
	}
	here, next := table[:half], table[half:]
	fill(next, 0)
	for i := 0; i < len(tiles); i += 2 {
		copy(here, next)
		fill(next, i+2)
		visit(unsafe.Pointer(&table[0]))
	}
}

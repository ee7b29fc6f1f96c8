package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// A winoGradTask sums a weight's gradient in the transformed domain: at each of
// the 36 points a product of the input's tiles and the output gradient's. Its
// items are splits of the batch times groups of panels, both fixed by the shape,
// so that the order of additions does not depend on the number of threads.
type winoGradTask struct {
	set            *kernel.Set
	in, dy         *tensor
	grid           tiling
	splits, groups int

	pairs          bool    // of tiles, in bfloat16
	u              *tensor // sums: [split][panel][36][kr][NR]
	kr             int
	panels         int
	chunks, starts []int // as in weightGradTask
	zeros          unsafe.Pointer
}

func (t *winoGradTask) items(int) int { return t.splits * t.groups }

func (t *winoGradTask) planes() (in, dy int) {
	widest := (t.panels + t.groups - 1) / t.groups * t.set.NR
	rows := t.rows(t.grid.tiles())
	return rows*t.in.cp*4 + winoPad, rows*widest*4 + winoPad
}

// rows is how many rows of a plane so many tiles make.
func (t *winoGradTask) rows(tiles int) int {
	if t.pairs {
		return (tiles + 1) / 2
	}
	return tiles
}

func (t *winoGradTask) scratchFloats() int {
	in, dy := t.planes()
	return winoPoints * (in + dy) / 4
}

func (t *winoGradTask) panelBytes() int { return winoPoints * t.kr * t.set.NR * 4 }

func (t *winoGradTask) run(w *worker, item, n int) {
	split, group := item/t.groups, item%t.groups
	p0, p1 := t.panels*group/t.groups, t.panels*(group+1)/t.groups
	b0, b1 := t.grid.blocks(n)*split/t.splits, t.grid.blocks(n)*(split+1)/t.splits
	sums := unsafe.Add(t.u.base, split*t.panels*t.panelBytes())
	if b0 == b1 {
		clear(unsafe.Slice((*float32)(unsafe.Add(sums, p0*t.panelBytes())), (p1-p0)*t.panelBytes()/4))
		return
	}
	inPlane, dyPlane := t.planes()
	v := unsafe.Pointer(&w.planes[0])
	y := unsafe.Add(v, winoPoints*inPlane)
	for b := b0; b < b1; b++ {
		r0 := b * t.grid.block
		r1 := min(r0+t.grid.block, n*t.grid.rows)
		if t.pairs {
			t.pairTiles(w, r0, r1, v, inPlane)
			t.pairGrad(w, r0, r1, p0, p1, y, dyPlane)
		} else {
			transformTiles(t.set, w, &t.grid, t.in, r0, r1, v, inPlane, 4, t.zeros)
			t.transformGrad(w, r0, r1, p0, p1, y, dyPlane)
		}
		t.multiply(w, (r1-r0)*t.grid.cols, p0, p1, v, inPlane, y, dyPlane, sums, b > b0)
	}
}

// transformGrad writes the planes of dy's tiles for panels [p0, p1).
func (t *winoGradTask) transformGrad(w *worker, r0, r1, p0, p1 int, y unsafe.Pointer, plane int) {
	first := p0 * t.set.NR * 4
	channels := min(p1*t.set.NR, t.dy.cp) - p0*t.set.NR
	t.grid.tour(w.tileOut[:2*16], r0, r1, func(table []uintptr, sample, top, left int) {
		t.dy.window(table, sample, top, left, winoTile, first, t.zeros)
	}, func() {
		t.set.WinoGradOutput(y, plane, unsafe.Pointer(&w.tileOut[0]), channels, unsafe.Pointer(&w.wino[0]))
		y = unsafe.Add(y, channels*4)
	})
}

// multiply adds the 36 products of a block to the sums.
func (t *winoGradTask) multiply(w *worker, tiles, p0, p1 int, v unsafe.Pointer, inPlane int, y unsafe.Pointer, dyPlane int, sums unsafe.Pointer, add bool) {
	nr := t.set.NR
	a := &w.grad
	rows := t.rows(tiles)
	a.P, a.CStride, a.Acc = rows, nr*4, 0
	if add {
		a.Acc = 1
	}
	a.YStride = (min(p1*nr, t.dy.cp) - p0*nr) * 4
	a.X = unsafe.Pointer(&w.rows[0])
	for xi := range winoPoints {
		from := uintptr(v) + uintptr(xi*inPlane)
		for i := range rows {
			w.rows[i] = from + uintptr(i*t.in.cp*4)
		}
		for k, chunk := range t.chunks {
			a.XOff = t.starts[k] * 4
			for j := p0; j < p1; j++ {
				a.Y = unsafe.Add(y, xi*dyPlane+(j-p0)*nr*4)
				a.Width = min(nr, t.dy.cp-j*nr)
				a.C = unsafe.Add(sums, j*t.panelBytes()+(xi*t.kr+t.starts[k])*nr*4)
				t.set.TileGrad[chunk](a)
			}
		}
	}
}

// A winoGradMergeTask adds the splits' sums in order and transforms them to the
// gradient of the weight.
type winoGradMergeTask struct {
	of   *winoGradTask
	grad unsafe.Pointer
	net  *network
}

func (t *winoGradMergeTask) tapBytes() int { return t.of.kr * t.of.set.NR * 4 }

func (t *winoGradMergeTask) items(int) int { return t.of.panels * winoPieces(t.tapBytes()) }

func (t *winoGradMergeTask) run(w *worker, item, _ int) {
	set, tap := t.of.set, t.tapBytes()
	panel, from, n := winoPiece(item, tap)
	sums := unsafe.Add(t.of.u.base, panel*t.of.panelBytes()+from)
	for s := 1; s < t.of.splits; s++ {
		more := unsafe.Add(sums, s*t.of.panels*t.of.panelBytes())
		set.AddRows(sums, tap, sums, tap, more, tap, winoPoints, n)
	}
	to := unsafe.Add(t.grad, panel*9*tap+from)
	set.WinoGradWeight(to, tap, sums, tap, n, t.net.accumulate, unsafe.Pointer(&w.wino[0]))
	if spare := (panel+1)*set.NR - t.of.dy.cp; spare > 0 { // columns that no sum was stored for
		for k := range 9 {
			set.ZeroRows(unsafe.Add(to, k*tap+(set.NR-spare)*4), set.NR*4, n/set.NR, spare)
		}
	}
}

// emitTiledGrad adds a weight gradient by tiles.
func (t *training) emitTiledGrad(direct *weightGradTask) {
	task := &winoGradTask{set: t.set, in: direct.in, dy: direct.dy, grid: newTiling(direct.dy, direct.in.cp+direct.dy.cp, false),
		pairs: t.pairs != nil, kr: direct.kr, panels: direct.panels, chunks: direct.chunks, starts: direct.starts, zeros: direct.zeros}
	if task.pairs {
		task.set = t.pairs
		task.grid.block *= 2 // as many bytes
		t.net.zeroFloats = max(t.net.zeroFloats, task.in.cp, task.dy.cp)
	}
	// Groups wide enough that transforming the input once for each costs little, and
	// splits where there are few of them.
	task.groups = min(max(task.dy.cp/64, 1), gradSplits, task.panels)
	task.splits = gradSplits / task.groups
	task.u = t.p.whole("transformed gradient", task.splits*task.panels*task.panelBytes(), t.net.batch)
	t.net.planeFloats = max(t.net.planeFloats, task.scratchFloats())
	t.net.tableRows = max(t.net.tableRows, task.grid.tiles())
	t.p.emit(task, task.in, task.dy, task.u)
	t.p.emit(&winoGradMergeTask{task, direct.grad, t.net}, task.u)
}

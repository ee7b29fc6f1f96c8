package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// A winoGradTask sums a weight's gradient in the transformed domain: at each of
// the 36 points a product of the input's tiles and the output gradient's. Its
// items are splits of the batch times groups of panels times parts of the input's
// channels, all fixed by the shape, so that the order of additions does not depend
// on the number of threads. Without splits an item's sums stay in the worker's
// memory, and it transforms them to the gradient itself.
type winoGradTask struct {
	set                   *kernel.Set
	form                  *form
	in, dy                *tensor
	grid                  tiling
	splits, groups, parts int

	pairs          bool    // of tiles, in bfloat16
	u              *tensor // sums: [split][panel][36][kr and one][NR], nil without splits
	grad           unsafe.Pointer
	kr             int
	panels         int
	chunks, starts []int // as in weightGradTask, of a part
	zeros          unsafe.Pointer
	net            *network
}

func (t *winoGradTask) items(int) int { return t.splits * t.groups * t.parts }

// part is the input channels of a part.
func (t *winoGradTask) part() int { return t.in.cp / t.parts }

// columns are those of the widest group.
func (t *winoGradTask) columns() int { return (t.panels + t.groups - 1) / t.groups * t.set.NR }

func (t *winoGradTask) planes() (in, dy int) {
	rows := t.rows(t.grid.tiles())
	return rows*t.part()*4 + winoPad, rows*t.columns()*4 + winoPad
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
	bytes := len(t.form.points) * (in + dy)
	if t.u == nil {
		bytes += winoPoints * t.pointBytes(t.part()) * t.columns() / t.set.NR
	}
	return bytes / 4
}

// pointBytes is from point to point of a panel's sums of so many channels.
func (t *winoGradTask) pointBytes(channels int) int { return winoTap(channels*t.set.NR*4, t.set.NR) }

// panelBytes is the sums of a panel in u.
func (t *winoGradTask) panelBytes() int { return winoPoints * t.pointBytes(t.kr) }

// A winoSums is where an item's sums lie: of its first panel's first row, the bytes
// from panel to panel and from point to point.
type winoSums struct {
	at           unsafe.Pointer
	panel, point int
}

func (t *winoGradTask) run(w *worker, item, n int) {
	split, group, part := item/(t.groups*t.parts), item/t.parts%t.groups, item%t.parts
	p0, p1 := t.panels*group/t.groups, t.panels*(group+1)/t.groups
	b0, b1 := t.grid.blocks(n)*split/t.splits, t.grid.blocks(n)*(split+1)/t.splits
	inPlane, dyPlane := t.planes()
	v := unsafe.Pointer(&w.planes[0])
	y := unsafe.Add(v, len(t.form.points)*inPlane)
	row, width := t.set.NR*4, t.part()
	var sums winoSums
	if t.u == nil {
		point := t.pointBytes(width)
		sums = winoSums{unsafe.Add(y, len(t.form.points)*dyPlane), winoPoints * point, point}
	} else {
		sums = winoSums{unsafe.Add(t.u.base, (split*t.panels+p0)*t.panelBytes()+part*width*row), t.panelBytes(), t.pointBytes(t.kr)}
	}
	if b0 == b1 {
		t.net.set.ZeroRows(sums.at, sums.point, (p1-p0)*winoPoints, width*t.set.NR)
		return
	}
	c0, c1 := part*width, (part+1)*width
	for b := b0; b < b1; b++ {
		r0 := b * t.grid.block
		r1 := min(r0+t.grid.block, n*t.grid.y.tiles)
		t.grid.list(&w.tiles, r0, r1)
		if t.pairs {
			t.pairTiles(w, c0, c1, v, inPlane)
			t.pairGrad(w, p0, p1, y, dyPlane)
		} else {
			t.form.transform(w, t.in, c0, c1, v, inPlane, t.zeros)
			t.transformGrad(w, p0, p1, y, dyPlane)
		}
		t.multiply(w, p0, p1, v, inPlane, y, dyPlane, &sums, b > b0)
	}
	if t.u == nil {
		for j := p0; j < p1; j++ {
			t.back(w, j, c0*row, width*t.set.NR, unsafe.Add(sums.at, (j-p0)*sums.panel), sums.point)
		}
	}
}

// back transforms a panel's sums of n values a point to its gradient, from bytes into each tap.
func (t *winoGradTask) back(w *worker, panel, from, n int, sums unsafe.Pointer, point int) {
	nr, tap := t.set.NR, t.kr*t.set.NR*4
	to := unsafe.Add(t.grad, panel*9*tap+from)
	t.form.gradWeight(to, tap, sums, point, n, t.net.accumulate, unsafe.Pointer(&w.wino[0]))
	if spare := (panel+1)*nr - t.dy.cp; spare > 0 { // columns that no sum was stored for
		for k := range 9 {
			t.net.set.ZeroRows(unsafe.Add(to, k*tap+(nr-spare)*4), nr*4, n/nr, spare)
		}
	}
}

// transformGrad writes the planes of dy's tiles for panels [p0, p1).
func (t *winoGradTask) transformGrad(w *worker, p0, p1 int, y unsafe.Pointer, plane int) {
	first := p0 * t.set.NR * t.dy.value
	channels := min(p1*t.set.NR, t.dy.cp) - p0*t.set.NR
	f := t.form
	w.tiles.tour(w.tileOut[:2*f.write*f.write], func(table []uintptr, at tile) {
		f.writeWindow(t.dy, table, at, first, t.zeros)
	}, func(tile) {
		f.gradOutput(y, plane, unsafe.Pointer(&w.tileOut[0]), channels, unsafe.Pointer(&w.wino[0]))
		y = unsafe.Add(y, channels*4)
	})
}

// multiply adds the products of a block's planes to the sums.
func (t *winoGradTask) multiply(w *worker, p0, p1 int, v unsafe.Pointer, inPlane int, y unsafe.Pointer, dyPlane int, sums *winoSums, add bool) {
	nr := t.set.NR
	a := &w.grad
	a.CStride = nr * 4
	a.YStride = (min(p1*nr, t.dy.cp) - p0*nr) * 4
	a.X = unsafe.Pointer(&w.rows[0])
	for i, p := range t.form.points {
		a.Acc = 1
		if !add && (i == 0 || t.form.points[i-1].weight != p.weight) {
			a.Acc = 0
		}
		first, end := w.tiles.of(p)
		if t.pairs {
			first, end = first/2, t.rows(end)
		}
		from := uintptr(v) + uintptr(p.plane*inPlane)
		for i := first; i < end; i++ {
			w.rows[i-first] = from + uintptr(i*t.part()*4)
		}
		a.P = end - first
		for k, chunk := range t.chunks {
			a.XOff = t.starts[k] * 4
			for j := p0; j < p1; j++ {
				a.Y = unsafe.Add(y, p.plane*dyPlane+first*a.YStride+(j-p0)*nr*4)
				a.Next, a.NextStride = a.Y, 0
				a.Width = min(nr, t.dy.cp-j*nr)
				a.C = unsafe.Add(sums.at, (j-p0)*sums.panel+p.weight*sums.point+t.starts[k]*nr*4)
				t.set.TileGrad[chunk](a)
			}
		}
	}
}

// A winoGradMergeTask adds the splits' sums in order and transforms them to the
// gradient of the weight.
type winoGradMergeTask struct{ of *winoGradTask }

func (t *winoGradMergeTask) tapBytes() int { return t.of.kr * t.of.set.NR * 4 }

func (t *winoGradMergeTask) items(int) int { return t.of.panels * winoPieces(t.tapBytes()) }

func (t *winoGradMergeTask) run(w *worker, item, _ int) {
	point := t.of.pointBytes(t.of.kr)
	panel, from, n := winoPiece(item, t.tapBytes())
	sums := unsafe.Add(t.of.u.base, panel*t.of.panelBytes()+from)
	for s := 1; s < t.of.splits; s++ {
		more := unsafe.Add(sums, s*t.of.panels*t.of.panelBytes())
		t.of.net.set.AddRows(sums, point, sums, point, more, point, winoPoints, n)
	}
	t.of.back(w, panel, from, n, sums, point)
}

// emitTiledGrad adds a weight gradient by tiles.
func (t *training) emitTiledGrad(direct *weightGradTask, f *form) {
	task := &winoGradTask{set: direct.set, form: f, in: direct.in, dy: direct.dy, grid: newTiling(direct.dy, f.write, direct.in.cp+direct.dy.cp, false),
		pairs: direct.dy.value == 2, grad: direct.grad, kr: direct.kr, panels: direct.panels, chunks: direct.chunks, starts: direct.starts,
		zeros: direct.zeros, net: t.net, parts: 1}
	if task.pairs {
		task.grid.block *= 2 // as many bytes
	}
	t.net.zeroFloats = max(t.net.zeroFloats, task.in.cp, task.dy.cp)
	task.share()
	if task.splits > 1 {
		task.u = t.p.whole("transformed gradient", task.splits*task.panels*task.panelBytes(), t.net.batch)
	}
	t.net.planeFloats = max(t.net.planeFloats, task.scratchFloats())
	t.net.tableRows = max(t.net.tableRows, task.grid.tiles())
	t.p.emit(task, task.in, task.dy, task.u)
	if task.u != nil {
		t.p.emit(&winoGradMergeTask{task}, task.u)
	}
}

// gradPart is the channels of a side of the squares, gradTiles the tiles of their blocks.
const gradPart, gradTiles = 128, 128

// share cuts the work into items: groups wide enough that transforming the input once
// for each costs little, and splits where there are few of them. Where both sides have
// many channels an item is a square of them over the whole batch, whose planes and sums
// nearly fit the second-level cache.
func (t *winoGradTask) share() {
	if in, out := t.in.cp, t.dy.cp; in%gradPart == 0 && out%gradPart == 0 && min(in, out) >= 2*gradPart {
		t.splits, t.parts, t.groups = 1, in/gradPart, max(out/gradPart, gradSplits*gradPart/in)
		t.chunks, t.starts, _ = chunksOf(gradPart, t.set.GradRows)
		t.grid.block = t.grid.y.tiles * max(1, gradTiles/(t.grid.y.tiles*t.grid.x.tiles))
		return
	}
	t.groups = min(max(t.dy.cp/64, 1), gradSplits, t.panels)
	t.splits = gradSplits / t.groups
}

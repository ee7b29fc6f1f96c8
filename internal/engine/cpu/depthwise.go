package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Depthwise convolution: each channel by itself. Its weights lie as rows of
// channels, one a tap. Tasks go by bands, some lines of a sample; the lines are cut
// where a tap begins or ends to fall on padding, so that each piece has its taps.

// depthwise reports whether a convolution is one.
func depthwise(g *graph.Graph, n *graph.Node) bool {
	c := g.Nodes[n.In[0]].Out.C
	return n.Op == graph.Conv && c > 1 && n.Window.Groups == c && n.Out.C == c && n.In[0] != 0
}

// bandBytes is about what a band of one tensor may fill of the second-level cache.
const bandBytes = 128 << 10

// bandLines is the lines of a band: they divide the height, and are whole strides
// or all lines, so that bands of the input and of the output belong together.
func bandLines(t *tensor, stride int) int {
	best := 0
	for r := 1; r <= t.h; r++ {
		if t.h%r == 0 && (r%stride == 0 || r == t.h) && (best == 0 || r*t.w*t.stride <= bandBytes) {
			best = r
		}
	}
	return best
}

// A tapAt is a tap of a line and the place in the input line that it has for the
// line's first pixel.
type tapAt struct{ tap, at int }

// A piece is pixels [from, to) of a line which read their input through the same taps.
type piece struct {
	from, to int
	taps     []tapAt
}

// A scanline is how pixels first, first+step, ... of an output line read an input line,
// inStep on for each.
type scanline struct {
	first, step, inStep int
	pieces              []piece
}

// newScanline cuts count pixels into pieces; taps are listed with their places.
func newScanline(first, step, inStep, count, width int, taps []tapAt) scanline {
	l := scanline{first: first, step: step, inStep: inStep}
	inside := func(t tapAt, j int) bool { at := t.at + j*inStep; return at >= 0 && at < width }
	for j := range count {
		same := j > 0
		for _, t := range taps {
			same = same && inside(t, j) == inside(t, j-1)
		}
		if same {
			l.pieces[len(l.pieces)-1].to++
			continue
		}
		p := piece{from: j, to: j + 1}
		for _, t := range taps {
			if inside(t, j) {
				p.taps = append(p.taps, t)
			}
		}
		l.pieces = append(l.pieces, p)
	}
	return l
}

// forwardLine is a convolution's.
func forwardLine(in, out int, w graph.Window) scanline {
	var taps []tapAt
	for k := range w.Kernel {
		taps = append(taps, tapAt{k, k - w.Pad})
	}
	return newScanline(0, 1, w.Stride, out, in, taps)
}

// gradLines are those of its input gradient: one for each place a pixel can have
// between strides.
func gradLines(in, out int, w graph.Window) []scanline {
	var lines []scanline
	for first := range min(w.Stride, in) {
		var taps []tapAt
		for k := range w.Kernel {
			if (first+w.Pad-k)%w.Stride == 0 {
				taps = append(taps, tapAt{k, (first + w.Pad - k) / w.Stride})
			}
		}
		lines = append(lines, newScanline(first, w.Stride, 1, (in-first+w.Stride-1)/w.Stride, out, taps))
	}
	return lines
}

// deepLine computes line y of a sample's output, from the input lines that each row
// of taps reads.
func deepLine(w *worker, set *kernel.Set, lines []scanline, weights []float32, kernelSide, cp int, in *lineReader, inLine func(kh int) int, to unsafe.Pointer, stride int) {
	a := &w.deep
	for i := range lines {
		l := &lines[i]
		a.RowStep, a.OutStep = l.inStep*in.t.stride, l.step*stride
		for k := range l.pieces {
			p := &l.pieces[k]
			a.Taps = 0
			for kh := range kernelSide {
				h := inLine(kh)
				if h < 0 {
					continue
				}
				from := in.at(h)
				for _, t := range p.taps {
					w.rows[a.Taps] = from + uintptr((t.at+p.from*l.inStep)*in.t.stride)
					w.taps[a.Taps] = uintptr(unsafe.Pointer(&weights[(kh*kernelSide+t.tap)*cp]))
					a.Taps++
				}
			}
			a.Rows, a.Weights = unsafe.Pointer(&w.rows[0]), unsafe.Pointer(&w.taps[0])
			a.Out = unsafe.Add(to, (l.first+p.from*l.step)*stride)
			a.Pixels = p.to - p.from
			set.Depthwise(a)
		}
	}
}

// A depthwiseTask is the forward pass. Its items are runs of bands of a sample.
type depthwiseTask struct {
	set     *kernel.Set
	threads int
	in, out *tensor
	window  graph.Window
	lines   []scanline
	band    int

	weights []float32 // taps x cp
	bias    unsafe.Pointer
	lo, hi  float32
	act     kernel.Act // behind the limits
	stats   *partials
}

func (t *depthwiseTask) items(n int) int { return n * t.runs(n) }

// runs is how many runs a sample's bands are cut into: few, since the first band of a
// run computes lines of a virtual tensor that the run before had, but enough to share.
func (t *depthwiseTask) runs(n int) int {
	return min(t.out.h/t.band, (8*t.threads+n-1)/n)
}

func (t *depthwiseTask) run(w *worker, item, n int) {
	bands, runs := t.out.h/t.band, t.runs(n)
	sample, run := item/runs, item%runs
	w.x.start(w, 0, t.in, sample, t.ring())
	for b := bands * run / runs; b < bands*(run+1)/runs; b++ {
		t.step(w, sample, b)
	}
}

// ring is the most lines of the input that a band reads.
func (t *depthwiseTask) ring() int {
	return min(t.in.h, (t.band-1)*t.window.Stride+t.window.Kernel)
}

// step does a band of a sample.
func (t *depthwiseTask) step(w *worker, sample, band int) {
	win, y0 := t.window, band*t.band
	y1 := y0 + t.band
	w.x.need(w, max(0, y0*win.Stride-win.Pad), min(t.in.h, (y1-1)*win.Stride-win.Pad+win.Kernel))
	m0 := sample*t.out.pixels() + y0*t.out.w
	if slides(t.set, win, t.in) {
		s := sliding{win.Kernel, t.weights, false, t.bias, t.lo, t.hi}
		if t.bias == nil {
			s.bias = w.zeros
		}
		s.lines(w, t.set, &w.x, y0, y1, t.out, t.out.row(m0))
	} else {
		t.lineByLine(w, y0, y1, m0)
	}
	rows := t.band * t.out.w
	if t.act != kernel.Identity {
		t.set.Activate(t.out.row(m0), t.out.stride, t.out.row(m0), t.out.stride, rows, t.out.cp, t.act)
	}
	if t.stats != nil {
		t.stats.moments(t.set, t.out, sample*(t.out.h/t.band)+band, m0, m0+rows, 0, t.out.cp)
	}
}

// lineByLine computes lines [y0, y1) of a sample, the first pixel being m0 of the batch.
func (t *depthwiseTask) lineByLine(w *worker, y0, y1, m0 int) {
	win, a := t.window, &w.deep
	a.C, a.Bias, a.Lo, a.Hi = t.out.cp, t.bias, t.lo, t.hi
	for y := y0; y < y1; y++ {
		inLine := func(kh int) int {
			if h := y*win.Stride - win.Pad + kh; h < t.in.h {
				return h
			}
			return -1
		}
		deepLine(w, t.set, t.lines, t.weights, win.Kernel, t.out.cp, &w.x, inLine, t.out.row(m0+(y-y0)*t.out.w), t.out.stride)
	}
}

// depthwise plans a depthwise convolution.
func (l *lowering) depthwise(n *graph.Node, out *tensor) *depthwiseTask {
	lay := &l.net.layouts[n.Params[0]]
	t := &depthwiseTask{set: l.set, threads: l.net.threads, in: l.in(n, 0), out: out, window: n.Window, band: bandLines(out, 1),
		weights: l.net.weights[lay.offset : lay.offset+lay.size], lo: -inf, hi: inf}
	t.lines = []scanline{forwardLine(t.in.w, out.w, n.Window)}
	if len(n.Params) > 1 {
		t.bias = l.net.pointer(l.net.layouts[n.Params[1]].offset)
	}
	return t
}

// emitDepthwise adds a task and makes the workers' tables large enough.
func (l *lowering) emitDepthwise(t *depthwiseTask) {
	l.depthwiseTables(t.window.Kernel, t.band, t.in.cp)
	l.slot(t.in, t.ring()*t.in.w)
	l.p.emit(t, t.in, t.out, t.stats.tensor())
}

func (l *lowering) depthwiseTables(side, band, cp int) {
	l.net.tableRows = max(l.net.tableRows, side*side, band+side-1)
	l.net.tableTaps = max(l.net.tableTaps, side*side, band)
	l.net.zeroFloats = max(l.net.zeroFloats, cp)
}

// A depthwiseBackTask finds the gradients of a depthwise convolution's input and
// weights, whichever are wanted, band by band of the input. Its items are parts of
// the batch, fixed by its shape; each sums a gradient of the weights of its own, and
// a second task adds these in order.
type depthwiseBackTask struct {
	set    *kernel.Set
	in, dy *tensor
	window graph.Window
	band   int // lines of the input
	xRing  int // lines of the input, and of the gradients, that a band reads at most
	dyRing int

	dx      *tensor // or nil
	dxLines []scanline
	weights []float32
	after   followers // of dx
	aside   bool      // dx

	expansion *expansion // uses dx up, or nil

	forward scanline
	sums    *tensor // a gradient for each of the parts, or nil
	net     *network
	grad    []float32
}

// depthwiseParts is the number of parts; it decides the order of additions.
const depthwiseParts = 32

func (t *depthwiseBackTask) items(int) int { return depthwiseParts }

func (t *depthwiseBackTask) run(w *worker, item, n int) {
	bands := t.in.h / t.band
	from, to := n*bands*item/depthwiseParts, n*bands*(item+1)/depthwiseParts
	if t.sums != nil {
		clear(t.part(item))
	}
	if t.expansion != nil {
		t.expansion.clear(item)
	}
	for b := from; b < to; b++ {
		if b == from || b%bands == 0 {
			w.dy.start(w, 0, t.dy, b/bands, t.dyRing)
			w.x.start(w, 1, t.in, b/bands, t.xRing)
		}
		t.step(w, item, b, b/bands, b%bands*t.band)
	}
}

// step does the band of a sample that starts at line x0.
func (t *depthwiseBackTask) step(w *worker, item, b, sample, x0 int) {
	win, x1 := t.window, x0+t.band
	// The gradients' lines that the band's pixels went into, and those that are the
	// band's own, for the weights.
	y0, y1 := max(0, ceilDiv(x0+win.Pad-win.Kernel+1, win.Stride)), min(t.dy.h, (x1-1+win.Pad)/win.Stride+1)
	own0, own1 := x0/win.Stride, min(t.dy.h, x1/win.Stride)
	if x1 == t.in.h {
		own1 = t.dy.h
	}
	y0, y1 = min(y0, own0), max(y1, own1)
	w.dy.need(w, y0, y1)
	if t.sums != nil {
		t.weight(w, item, own0, own1)
	}
	if t.dx != nil {
		t.input(w, item, b, sample, x0, x1)
	}
}

// input finds the gradient of lines [x0, x1) of a sample's input.
func (t *depthwiseBackTask) input(w *worker, item, b, sample, x0, x1 int) {
	m0 := sample*t.dx.pixels() + x0*t.dx.w
	if t.aside || t.expansion != nil {
		w.begin(t.dx, m0)
	}
	if slides(t.set, t.window, t.in) {
		s := sliding{t.window.Kernel, t.weights, true, w.zeros, -inf, inf}
		s.lines(w, t.set, &w.dy, x0, x1, t.dx, w.row(t.dx, m0))
	} else {
		t.inputLines(w, x0, x1, m0)
	}
	t.after.columns(w, b, m0, (x1-x0)*t.dx.w, 0, t.dx.cp)
	if t.expansion != nil {
		t.expansion.step(w, item, b, m0, (x1-x0)*t.dx.w, w.aside.base)
		w.aside.t = nil
	} else if t.aside {
		w.finish(t.dx, m0, (x1-x0)*t.dx.w, t.set.CopyAside)
	}
}

// inputLines is input line by line, the first pixel being m0 of the batch.
func (t *depthwiseBackTask) inputLines(w *worker, x0, x1, m0 int) {
	win, a := t.window, &w.deep
	a.C, a.Bias, a.Lo, a.Hi = t.dx.cp, nil, -inf, inf
	for x := x0; x < x1; x++ {
		outLine := func(kh int) int {
			if h := x + win.Pad - kh; h >= 0 && h%win.Stride == 0 && h/win.Stride < t.dy.h {
				return h / win.Stride
			}
			return -1
		}
		deepLine(w, t.set, t.dxLines, t.weights, win.Kernel, t.dx.cp, &w.dy, outLine, w.row(t.dx, m0+(x-x0)*t.dx.w), t.dx.stride)
	}
}

// weight adds lines [y0, y1) of a sample to the gradient of the item's part.
func (t *depthwiseBackTask) weight(w *worker, item, y0, y1 int) {
	win, cp := t.window, t.dy.cp
	w.x.need(w, max(0, y0*win.Stride-win.Pad), min(t.in.h, (y1-1)*win.Stride-win.Pad+win.Kernel))
	sums := t.part(item)
	if slides(t.set, win, t.in) {
		if win.Kernel == 5 {
			t.weight5(w, sums, y0, y1)
			return
		}
		a := &w.slideDW
		a.Step, a.DYStep, a.Width, a.C = t.in.stride, t.dy.stride, t.dy.w, cp
		a.Sum, a.SumStride = unsafe.Pointer(&sums[0]), cp*4
		for y := y0; y < y1; y += a.Lines {
			a.Lines = min(t.set.Slides, y1-y)
			a.First, a.Last = w.x.around(w.zeros, y, a.Lines, &a.Rows)
			for i := range a.Lines {
				a.DY[i] = w.dy.at(y + i)
			}
			t.set.Depthwise3Grad(a)
		}
		return
	}
	a := &w.deepGrad
	a.XTap, a.XStep, a.DYStep = t.in.stride, win.Stride*t.in.stride, t.dy.stride
	a.SumStride, a.C, a.Acc = cp*4, cp, 1
	for y := y0; y < y1; y++ {
		for i := range t.forward.pieces {
			p := &t.forward.pieces[i]
			if len(p.taps) == 0 {
				continue
			}
			a.Pixels = p.to - p.from
			a.DY = address(w.dy.at(y) + uintptr(p.from*t.dy.stride))
			for kh := range win.Kernel {
				h := y*win.Stride - win.Pad + kh
				if h < 0 || h >= t.in.h {
					continue
				}
				for k := 0; k < len(p.taps); k += maxTaps {
					first := p.taps[k]
					a.Count = min(maxTaps, len(p.taps)-k)
					a.X = address(w.x.at(h) + uintptr((first.at+p.from*win.Stride)*t.in.stride))
					a.Sum = unsafe.Pointer(&sums[(kh*win.Kernel+first.tap)*cp])
					t.set.DepthwiseGrad(a)
				}
			}
		}
	}
}

// maxTaps is how many taps the kernel sums at a time.
const maxTaps = 5

// address is one as the kernels' arguments hold it; what it points to is kept
// alive by its tensor or worker.
func address(a uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&a)) }

func ceilDiv(a, b int) int {
	if a < 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}

func (t *depthwiseBackTask) part(i int) []float32 {
	size := t.window.Kernel * t.window.Kernel * t.dy.cp
	return unsafe.Slice((*float32)(unsafe.Add(t.sums.base, i*size*4)), size)
}

// A depthwiseMergeTask adds the parts.
type depthwiseMergeTask struct{ of *depthwiseBackTask }

func (t *depthwiseMergeTask) items(int) int { return t.of.window.Kernel * t.of.window.Kernel }

func (t *depthwiseMergeTask) run(_ *worker, tap, _ int) {
	of, cp := t.of, t.of.dy.cp
	grad := of.grad[tap*cp : (tap+1)*cp]
	to := unsafe.Pointer(&grad[0])
	if !of.net.accumulate {
		clear(grad)
	}
	for i := range depthwiseParts {
		part := unsafe.Pointer(&of.part(i)[tap*cp])
		of.net.set.AddRows(to, cp*4, to, cp*4, part, cp*4, 1, cp)
	}
	clear(grad[of.dy.c:])
}

// depthwiseBack lowers the gradients of depthwise convolution f: of its weights,
// of its input (node dx), or of both.
func (t *training) depthwiseBack(f *graph.Node, dy *tensor, weights bool, dx int) {
	lay := &t.net.layouts[f.Params[0]]
	x := t.in(f, 0)
	task := &depthwiseBackTask{set: t.set, in: x, dy: dy, window: f.Window, band: bandLines(x, f.Window.Stride),
		net: t.net, weights: t.net.weights[lay.offset : lay.offset+lay.size]}
	task.xRing = min(x.h, task.band+f.Window.Kernel+f.Window.Stride)
	task.dyRing = min(dy.h, task.band/f.Window.Stride+f.Window.Kernel+1)
	if weights {
		task.forward = forwardLine(x.w, dy.w, f.Window)
		task.grad = t.net.grads[lay.offset : lay.offset+lay.size]
		task.sums = t.p.whole(f.Name+".parts", depthwiseParts*lay.size*4, t.net.batch)
	}
	t.depthwiseTables(f.Window.Kernel, task.band, x.cp)
	t.slot(dy, task.dyRing*dy.w)
	t.slot(x, task.xRing*x.w)
	merge := &depthwiseMergeTask{task}
	if v, ok := t.inverted(f, dx); ok && weights {
		task.dxLines = gradLines(x.w, dy.w, f.Window)
		task.dx = t.virtual(f.Name+"/dx", t.g.Nodes[dx].Out, &virtual{set: t.set})
		task.expansion = t.expand(task, v)
		t.p.emit(task, append(task.expansion.uses(), x, dy, task.sums)...)
		t.p.emit(merge, task.sums)
		t.complete(task.expansion)
		return
	}
	if dx != 0 {
		task.dxLines = gradLines(x.w, dy.w, f.Window)
		task.dx = t.tensor(dx, f.Name+"/dx")
		t.grads[dx] = gradient{t: task.dx}
		t.producers[task.dx] = &producer{len(t.p.tasks), task.band * x.w, &task.after}
		task.aside = t.aside(task.dx, task.band*x.w)
	}
	if weights {
		t.p.emit(task, x, dy, task.dx, task.sums)
		t.p.emit(merge, task.sums)
	} else {
		t.p.emit(task, dy, task.dx)
	}
}

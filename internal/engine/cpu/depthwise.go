package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Depthwise convolution: each channel by itself. Its weights lie as rows of
// channels, one a tap.

// depthwise reports whether a convolution is one.
func depthwise(g *graph.Graph, n *graph.Node) bool {
	c := g.Nodes[n.In[0]].Out.C
	return n.Op == graph.Conv && c > 1 && n.Window.Groups == c && n.Out.C == c && n.In[0] != 0
}

// depthwiseBytes is about how much a block of pixels reads and writes.
const depthwiseBytes = 128 << 10

// depthwisePixels is the pixels of a block.
func depthwisePixels(cp int) int { return max(16, min(256, depthwiseBytes/(cp*4))) }

// A depthwiseTask is the forward pass, or the gradient of the input, which gathers
// from dy with the window turned round.
type depthwiseTask struct {
	set     *kernel.Set
	in, out *tensor
	classes []class
	block   int

	weights []float32 // taps x cp
	bias    unsafe.Pointer
	lo, hi  float32
	act     kernel.Act // behind the limits
	stats   *partials
	zeros   unsafe.Pointer
}

func (t *depthwiseTask) items(n int) int {
	blocks := 0
	for i := range t.classes {
		blocks += (n*t.classes[i].count + t.block - 1) / t.block
	}
	return blocks
}

func (t *depthwiseTask) run(w *worker, block, n int) {
	for i := range t.classes {
		c := &t.classes[i]
		in := (n*c.count + t.block - 1) / t.block
		if block >= in {
			block -= in
			continue
		}
		m0 := block * t.block
		rows := min(t.block, n*c.count-m0)
		t.pixels(w, c, m0, rows)
		if t.act != kernel.Identity {
			t.set.Activate(t.out.row(m0), t.out.stride, t.out.row(m0), t.out.stride, rows, t.out.cp, t.act)
		}
		if t.stats != nil {
			t.stats.moments(t.set, t.out, block, m0, m0+rows, 0, t.out.cp)
		}
		return
	}
}

func (t *depthwiseTask) pixels(w *worker, c *class, m0, rows int) {
	taps := len(c.taps)
	for i, tap := range c.taps {
		w.taps[i] = uintptr(unsafe.Pointer(&t.weights[int(tap)*t.out.cp]))
	}
	depthwiseTable(w.rows, t.in, t.out, c, m0, rows, t.zeros)
	a := &w.deep
	*a = kernel.DepthwiseArgs{Rows: unsafe.Pointer(&w.rows[0]), Pixels: rows, Taps: taps, Weights: unsafe.Pointer(&w.taps[0]),
		Bias: t.bias, C: t.out.cp, Lo: t.lo, Hi: t.hi}
	t.set.Depthwise(a)
}

// depthwiseTable lists, for pixels [m0, m0+n) of a class, the addresses of the
// rows under each tap and of the pixel's own row.
func depthwiseTable(table []uintptr, in, out *tensor, c *class, m0, n int, zeros unsafe.Pointer) {
	taps := len(c.taps)
	img, px := m0/c.count, m0%c.count
	from, to := in.addr()+uintptr(img*in.bytes), out.addr()+uintptr(img*out.bytes)
	at := 0
	for range n {
		for _, o := range c.offs[px*taps : px*taps+taps] {
			a := uintptr(zeros)
			if o >= 0 {
				a = from + uintptr(o)
			}
			table[at] = a
			at++
		}
		p := px
		if c.pixels != nil {
			p = int(c.pixels[px])
		}
		table[at] = to + uintptr(p*out.stride)
		at++
		if px++; px == c.count {
			px = 0
			from += uintptr(in.bytes)
			to += uintptr(out.bytes)
		}
	}
}

// emitDepthwise adds a task and makes the workers' tables large enough.
func (l *lowering) emitDepthwise(t *depthwiseTask) {
	for i := range t.classes {
		l.depthwiseTables(len(t.classes[i].taps), t.block)
	}
	l.net.zeroFloats = max(l.net.zeroFloats, t.out.cp)
	l.p.emit(t, t.in, t.out, t.stats.tensor())
}

func (l *lowering) depthwiseTables(taps, pixels int) {
	l.net.tableRows = max(l.net.tableRows, (taps+1)*pixels)
	l.net.tableTaps = max(l.net.tableTaps, taps)
}

// depthwise plans a depthwise convolution.
func (l *lowering) depthwise(n *graph.Node, out *tensor) *depthwiseTask {
	lay := &l.net.layouts[n.Params[0]]
	t := &depthwiseTask{set: l.set, in: l.in(n, 0), out: out, block: depthwisePixels(out.cp),
		weights: l.net.weights[lay.offset : lay.offset+lay.size], lo: -inf, hi: inf, zeros: l.net.zeros}
	t.classes = []class{forwardClass(t.in, out, n.Window)}
	if len(n.Params) > 1 {
		t.bias = l.net.pointer(l.net.layouts[n.Params[1]].offset)
	}
	return t
}

// A depthwiseGradTask is the gradient of the weights, of the pixels of a part of
// the batch; a second task adds the parts in order.
type depthwiseGradTask struct {
	set    *kernel.Set
	in, dy *tensor
	class  class
	block  int
	zeros  unsafe.Pointer
	sums   *tensor // a gradient for each of the parts
	net    *network
	grad   []float32
}

// depthwiseParts is the number of parts; it decides the order of additions.
const depthwiseParts = 16

func (t *depthwiseGradTask) items(int) int { return depthwiseParts }

func (t *depthwiseGradTask) run(w *worker, item, n int) {
	taps, cp := len(t.class.taps), t.dy.cp
	total := n * t.class.count
	blocks := (total + t.block - 1) / t.block
	from, to := blocks*item/depthwiseParts, blocks*(item+1)/depthwiseParts
	sums := t.part(item)
	if from == to {
		clear(sums)
	}
	a := &w.deepGrad
	*a = kernel.DepthwiseGradArgs{Rows: unsafe.Pointer(&w.rows[0]), Taps: taps, SumStride: cp * 4, C: cp, Count: tapGroup(taps)}
	for b := from; b < to; b++ {
		m0 := b * t.block
		a.Pixels = min(t.block, total-m0)
		depthwiseTable(w.rows, t.in, t.dy, &t.class, m0, a.Pixels, t.zeros)
		for a.First = 0; a.First < taps; a.First += a.Count {
			a.Sum = unsafe.Pointer(&sums[a.First*cp])
			t.set.DepthwiseGrad(a)
		}
		a.Acc = 1
	}
}

// tapGroup is how many taps the kernel sums at a time.
func tapGroup(taps int) int {
	switch {
	case taps%3 == 0:
		return 3
	case taps%5 == 0:
		return 5
	}
	return 1
}

func (t *depthwiseGradTask) part(i int) []float32 {
	size := len(t.class.taps) * t.dy.cp
	return unsafe.Slice((*float32)(unsafe.Add(t.sums.base, i*size*4)), size)
}

// A depthwiseMergeTask adds the parts.
type depthwiseMergeTask struct{ of *depthwiseGradTask }

func (t *depthwiseMergeTask) items(int) int { return len(t.of.class.taps) }

func (t *depthwiseMergeTask) run(_ *worker, tap, _ int) {
	of, cp := t.of, t.of.dy.cp
	grad := of.grad[tap*cp : (tap+1)*cp]
	to := unsafe.Pointer(&grad[0])
	if !of.net.accumulate {
		clear(grad)
	}
	for i := range depthwiseParts {
		part := unsafe.Pointer(&of.part(i)[tap*cp])
		of.set.AddRows(to, cp*4, to, cp*4, part, cp*4, 1, cp)
	}
	clear(grad[of.dy.c:])
}

// depthwiseGrads lowers the gradient of a depthwise convolution's weights.
func (t *training) depthwiseGrads(n, f *graph.Node, dy *tensor) {
	lay := &t.net.layouts[n.Params[0]]
	x := t.in(f, 0)
	task := &depthwiseGradTask{set: t.set, in: x, dy: dy, class: forwardClass(x, dy, f.Window), block: depthwisePixels(dy.cp),
		zeros: t.net.zeros, net: t.net, grad: t.net.grads[lay.offset : lay.offset+lay.size]}
	taps := len(task.class.taps)
	task.sums = t.p.whole(n.Name+".parts", depthwiseParts*taps*dy.cp*4, t.net.batch)
	t.depthwiseTables(taps, task.block)
	t.net.zeroFloats = max(t.net.zeroFloats, dy.cp)
	t.p.emit(task, x, dy, task.sums)
	t.p.emit(&depthwiseMergeTask{task}, task.sums)
}

// depthwiseInput lowers the gradient of a depthwise convolution's input.
func (t *training) depthwiseInput(i int, f *graph.Node, dy *tensor) {
	n := &t.g.Nodes[i]
	lay := &t.net.layouts[f.Params[0]]
	dx := t.p.tensor(n.Name+"/dx", n.Out)
	t.grads[i] = gradient{t: dx}
	t.emitDepthwise(&depthwiseTask{set: t.set, in: dy, out: dx, classes: gradClasses(dx, dy, f.Window), block: depthwisePixels(dx.cp),
		weights: t.net.weights[lay.offset : lay.offset+lay.size], lo: -inf, hi: inf, zeros: t.net.zeros})
}

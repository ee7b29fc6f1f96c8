package cpu

import (
	"unsafe"

	"graft/internal/graph"
)

// The first layer and the pooling behind it have the largest maps of a network. What
// lies between them is not stored where nobody else reads it.

// stemBytes is about how much of the first layer's output a worker keeps: half of a
// second-level cache.
const stemBytes = 512 << 10

// A stemTask is a convolution of the pictures and the max pooling behind it, by bands of
// lines: the convolution's lines stay in a worker's memory. Those that two bands share
// are computed twice.
type stemTask struct {
	conv   *gatherTask
	pool   *maxPoolTask
	window graph.Window
	band   int // lines of the pooling's output
}

func (t *stemTask) bands() int { return (t.pool.y.h + t.band - 1) / t.band }

func (t *stemTask) items(n int) int { return n * t.bands() }

// lines are those of the convolution that lines [l0, l1) of the pooling read.
func (t *stemTask) lines(l0, l1 int) (top, bottom int) {
	top = l0*t.window.Stride - t.window.Pad
	return max(top, 0), min((l1-1)*t.window.Stride-t.window.Pad+t.window.Kernel, t.pool.x.h)
}

func (t *stemTask) run(w *worker, item, _ int) {
	c, x, y := t.conv, t.pool.x, t.pool.y
	sample, l0 := item/t.bands(), item%t.bands()*t.band
	l1 := min(l0+t.band, y.h)
	top, bottom := t.lines(l0, l1)
	first := uintptr(unsafe.Pointer(&w.slots[0][0])) - uintptr(top*x.w*x.stride) // of the sample
	out := first - uintptr(sample*x.bytes)
	m1 := sample*x.pixels() + bottom*x.w
	for m := sample*x.pixels() + top*x.w; m < m1; m += c.block {
		c.tiles(w, &c.classes[0], m, min(m+c.block, m1), 0, c.panels, c.in.addr(), out)
	}
	t.pool.sample(sample, l0*y.w, l1*y.w, address(first))
}

// stem is the MaxPool that a convolution of the pictures and what is fused with it, which
// node end completes, run together with, or 0.
func (l *lowering) stem(conv, end int) int {
	n := &l.g.Nodes[conv]
	pool := l.only(end, graph.MaxPool)
	if n.Op != graph.Conv || n.In[0] != 0 || l.homes[end] != nil || pool == 0 {
		return 0
	}
	return pool
}

// emitStem adds the task for a convolution c and pool, and returns the pooling's part.
func (l *lowering) emitStem(c *gatherTask, pool int) *maxPoolTask {
	w, out := l.g.Nodes[pool].Window, c.out
	t := &stemTask{conv: c, pool: l.maxPool(pool, out), window: w}
	lines := stemBytes / (out.w * out.stride)
	t.band = max(1, (lines-w.Kernel)/w.Stride+1)
	t.band = (t.pool.y.h + t.bands() - 1) / t.bands()
	most := 0
	for l0 := 0; l0 < t.pool.y.h; l0 += t.band {
		top, bottom := t.lines(l0, min(l0+t.band, t.pool.y.h))
		most = max(most, bottom-top)
	}
	l.tables(c)
	l.net.slotFloats = max(l.net.slotFloats, most*out.w*out.stride/4)
	l.p.emit(t, c.in, t.pool.y, t.pool.args)
	return t.pool
}

// unstored makes the tensor of a value that only its own task reads.
func (l *lowering) unstored(i int) *tensor {
	n := &l.g.Nodes[i]
	return l.virtual(n.Name, n.Out, &virtual{set: l.set})
}

// poolVirtual reports whether what MaxPool's input gradient, node i, makes is read by
// the weight's gradient of a convolution of the pictures alone, behind a ReLU.
func (t *training) poolVirtual(i int) bool {
	nodes := t.g.Nodes
	relu := nodes[nodes[i].Of].In[0]
	if nodes[relu].Op != graph.ReLU || !t.masked[relu] || i+2 >= len(nodes) {
		return false
	}
	conv, w := nodes[relu].In[0], &nodes[i+2]
	return nodes[conv].Op == graph.Conv && nodes[conv].In[0] == 0 && t.alone(conv, relu) && t.smallWeight(&nodes[conv]) &&
		nodes[i+1].Of == relu && t.lastUser[i] == i+1 && w.Of == conv && w.Kind == graph.ParamGrad && t.lastUser[i+1] == i+2
}

// poolBehindFirst makes the input gradient of MaxPool virtual, given that of its output.
func (t *training) poolBehindFirst(i int, dy *tensor) {
	n := &t.g.Nodes[i]
	dx := t.virtual(n.Name+"/dx", n.Out, &virtual{set: t.set})
	dx.virtual.pool = t.maxPoolGrad(i, dx, dy)
	t.grads[i] = gradient{t: dx}
}

// firstGrads lowers the gradients of the first layer's parameters, n of f, by dy, which
// is virtual: the bias's is summed where the weight's opens it.
func (t *training) firstGrads(n, f *graph.Node, dy *tensor) {
	w := t.weightGrad(f, dy)
	if len(n.Params) > 1 {
		w.bias = t.p.newPartials(n.Name+".bias", dy, weightGradPixels, t.net.batch)
	}
	if dy.value == 2 {
		t.roundGrad(w)
	}
	t.emitWeightGrad(w)
	if w.bias != nil {
		b := &t.net.layouts[n.Params[1]]
		t.p.emit(&biasMergeTask{t.net, w.bias, dy.pixels(), 0, t.net.grads[b.offset : b.offset+b.out]}, w.bias.buf)
	}
}

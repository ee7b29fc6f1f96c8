package cpu

import (
	"graft/internal/graph"
)

// A pointwiseBackTask finds both gradients of a 1x1 convolution block by block, so
// that the output's gradient is read once or, a virtual tensor, computed once and
// never stored.
// Its items are those of the weight's gradient: parts of the batch, fixed by shape.
type pointwiseBackTask struct {
	input  *gatherTask
	weight *weightGradTask
	aside  bool // the input's gradient
}

func (t *pointwiseBackTask) items(n int) int { return t.weight.items(n) }

func (t *pointwiseBackTask) run(w *worker, item, n int) {
	g, wg := t.input, t.weight
	c := &g.classes[0]
	total := n * c.count
	blocks := (total + g.block - 1) / g.block
	from, to := blocks*item/gradSplits, blocks*(item+1)/gradSplits
	if from >= to {
		clear(wg.split(item))
		return
	}
	for b := from; b < to; b++ {
		m0 := b * g.block
		m1 := min(m0+g.block, total)
		dy := g.in.open(w, 0, m0, m1-m0)
		if t.aside {
			w.begin(g.out, m0)
		}
		g.tiles(w, c, m0, m1, 0, g.panels, dy, uintptr(w.row(g.out, 0)))
		g.after.columns(w, b, m0, m1-m0, 0, g.out.cp)
		if t.aside {
			w.finish(g.out, m0, m1-m0, g.set.CopyAside)
		}
		wg.block(w, 0, wg.units(), m0, m1-m0, wg.sumsOf(item), b > from, wg.in.open(w, 1, m0, m1-m0), dy)
	}
}

// together reports whether both gradients of a convolution are found at once, so that
// the output's is read from memory once.
func (t *training) together(f *graph.Node) bool {
	return t.pointwise(f) && t.smallWeight(f)
}

// emitPointwiseBack adds the task for convolution f, whose input gradient is planned.
func (t *training) emitPointwiseBack(input *gatherTask, f *graph.Node) {
	weight := t.weightGrad(f, input.in)
	if input.in.value == 2 {
		t.pack = append(t.pack, t.halve(input, 1))
		t.roundGrad(weight)
	}
	input.block = min(input.block, weightGradPixels/t.set.MR*t.set.MR)
	weight.sums = t.p.whole("gradient's splits", gradSplits*weight.bytes(), t.net.batch)
	t.tables(input)
	t.net.tableRows = max(t.net.tableRows, len(weight.class.taps)*weightGradPixels)
	t.slot(input.in, input.block)
	t.slot(weight.in, input.block)
	t.producers[input.out] = &producer{len(t.p.tasks), input.block, &input.after}
	t.p.emit(&pointwiseBackTask{input, weight, input.add == nil && t.aside(input.out, input.block)}, input.in, input.out, input.add, weight.in, weight.sums)
	t.p.emit(&splitGradTask{weight}, weight.sums)
}

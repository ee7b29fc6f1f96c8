package cpu

import (
	"unsafe"

	"graft/internal/graph"
)

// Grouped convolution: each group of outputs sees its own inputs only. It runs on the
// tiles of a dense one: a panel of outputs reads a band of channels, those of the
// groups it has a part in, and its weights are zero between different groups. So a
// group narrower than a panel multiplies by zeros (a group of 4 in a panel of 32
// eight times its due), which is faster than tiles as narrow as the groups.

// A band says which input channels a panel of a grouped convolution reads.
type band struct {
	ins, perIn, perOut int
	k                  int   // channels
	from               []int // by panel, the first of them
}

// newBand finds the bands of panels of nr outputs.
func newBand(outs, ins, groups, nr int) *band {
	b := &band{ins: ins, perIn: ins / groups, perOut: outs / groups}
	for o := 0; o < outs; o += nr {
		first, last := o/b.perOut, (min(o+nr, outs)-1)/b.perOut
		b.from = append(b.from, first*b.perIn)
		b.k = max(b.k, (last-first+1)*b.perIn)
	}
	for j := range b.from {
		b.from[j] = min(b.from[j], ins-b.k)
	}
	return b
}

// grouped reports whether a convolution has groups of several channels.
func grouped(g *graph.Graph, n *graph.Node) bool {
	return n.Op == graph.Conv && n.Window.Groups > 1 && !depthwise(g, n)
}

// groupedLayout is weightLayout with panels that hold their bands' rows.
func groupedLayout(out, in, groups, side, nr int) layout {
	b := newBand(out, in, groups, nr)
	l := weightLayout(out, b.k, side, nr, false)
	l.in, l.band = in, b
	return l
}

// place is where the weight from input c to output o lies.
func (l *layout) place(o, c, tap int) int {
	panel := o / l.nr
	return l.offset + ((panel*l.taps+tap)*l.kr+c-l.band.from[panel])*l.nr + o%l.nr
}

// convertGrouped is convert for a grouped convolution.
func (l *layout) convertGrouped(move func(torch, here int)) {
	i := 0
	for o := range l.out {
		first := o / l.band.perOut * l.band.perIn
		for c := range l.band.perIn {
			for tap := range l.taps {
				move(i, l.place(o, first+c, tap))
				i++
			}
		}
	}
}

// packGrouped writes a panel and tap of the transposed weights; what lies between
// different groups stays zero.
func (t *transposeTask) packGrouped(panel, tap int) {
	l, b := t.l, t.l.band
	for col := range min(l.nr, l.in-panel*l.nr) {
		c := panel*l.nr + col
		first := c / b.perIn * b.perOut
		at := ((panel*l.taps+tap)*t.rows+first-t.band.from[panel])*l.nr + col
		for o := range b.perOut {
			t.dst[at+o*l.nr] = t.src[l.place(first+o, c, tap)]
		}
	}
}

// bands makes a gather task read the band of each panel.
func (t *gatherTask) bands(net *network, b *band) {
	t.k, t.from = b.k, b.from
	net.zeroFloats = max(net.zeroFloats, b.ins)
}

// shift moves the worker's table, of n pixels, from panel to panel: weights' offsets
// move along, which the panel's own address makes good.
func (t *gatherTask) shift(w *worker, taps, n, channels int) {
	if channels == 0 {
		return
	}
	entries := 0
	for m := 0; m < n; {
		rows := t.set.Rows[t.set.First(n-m)]
		entries += taps * (rows + 1)
		m += rows
	}
	by := uintptr(channels * t.in.value)
	rows := w.rows[:entries]
	for i := range rows {
		rows[i] += by
	}
}

// A bandGradTask zeroes what a grouped weight's gradient holds between different
// groups, a panel an item.
type bandGradTask struct {
	l    *layout
	grad []float32
}

func (t *bandGradTask) items(int) int { return t.l.panels }

func (t *bandGradTask) run(_ *worker, j, _ int) {
	l, b := t.l, t.l.band
	rows := t.grad[j*l.taps*l.kr*l.nr:][:l.taps*l.kr*l.nr]
	for tap := range l.taps {
		for r := range l.kr {
			row := rows[(tap*l.kr+r)*l.nr:][:l.nr]
			if r >= b.k {
				clear(row)
				continue
			}
			first := (b.from[j]+r)/b.perIn*b.perOut - j*l.nr
			clear(row[:min(max(first, 0), l.nr)])
			clear(row[min(max(first+b.perOut, 0), l.nr):])
		}
	}
}

// emitBandGrad adds it behind a weight's gradient.
func (t *training) emitBandGrad(l *layout) {
	t.p.emit(&bandGradTask{l, unsafe.Slice(&t.net.grads[l.offset], l.size)})
}

package cpu

import (
	"math"
	"unsafe"

	"graft/internal/engine"
	"graft/internal/graph"
)

// planUpdates lists the pieces of trainable parameters.
func (net *network) planUpdates(step *graph.Graph, trainable func(int) bool) {
	net.trained = make([]bool, len(net.g.Params))
	net.updates = &updateTask{net: net}
	for i := range step.Nodes {
		n := &step.Nodes[i]
		if n.Kind != graph.ParamGrad {
			continue
		}
		for _, p := range n.Params {
			if net.g.Params[p].Buffer() || trainable != nil && !trainable(p) {
				continue
			}
			net.trained[p] = true
			lay := &net.layouts[p]
			for at := 0; at < lay.size; at += segmentFloats {
				net.updates.segments = append(net.updates.segments,
					segment{p, lay.offset + at, min(segmentFloats, lay.size-at)})
			}
		}
	}
	net.norms = &normTask{net: net, sums: make([]float64, len(net.updates.segments))}
}

// A segment is a piece of a parameter, small enough to share work by and to stay in
// the cache while an update goes over it more than once.
type segment struct{ param, offset, size int }

const segmentFloats = 16 << 10

// An updateTask is one optimiser step over all trainable parameters.
type updateTask struct {
	net      *network
	segments []segment
}

func (t *updateTask) items(int) int { return len(t.segments) }

func (t *updateTask) run(_ *worker, i, _ int) {
	s, net := t.segments[i], t.net
	u := &net.update
	rate, decay, scale := u.Rate[s.param], u.Decay[s.param], u.Scale
	if scale == 0 {
		scale = 1
	}
	pull := float32(0)
	if u.Anchor != nil {
		pull = u.Anchor[s.param]
	}
	at := func(slot engine.Slot) unsafe.Pointer { return unsafe.Pointer(&net.slots[slot][s.offset]) }
	w, g := unsafe.Pointer(&net.weights[s.offset]), unsafe.Pointer(&net.grads[s.offset])
	switch {
	case u.Adam:
		if pull != 0 {
			t.toward(s, net.weights, -rate*pull, 1)
		}
		first, second := 1-math.Pow(float64(u.Momentum), float64(u.Step)), 1-math.Pow(float64(u.Beta2), float64(u.Step))
		net.set.AdamW(w, at(engine.Momentum), at(engine.Variance), g, s.size, scale, 1-rate*decay, u.Momentum, u.Beta2,
			float32(float64(rate)/first), float32(1/math.Sqrt(second)), u.Eps)
	default:
		if pull != 0 {
			t.toward(s, net.grads, pull, scale)
			scale = 1
		}
		var v unsafe.Pointer
		if u.Momentum != 0 {
			v = at(engine.Momentum)
		}
		net.set.SGD(w, v, g, s.size, rate, u.Momentum, decay, scale, u.Nesterov)
	}
	if u.Average != 0 {
		net.set.Blend(at(engine.Average), w, s.size, 1-u.Average)
	}
}

// toward is dst = dst*scale + share*(w - anchor).
func (t *updateTask) toward(s segment, dst []float32, share, scale float32) {
	w, anchor := t.net.weights[s.offset:][:s.size], t.net.slots[engine.Anchor][s.offset:][:s.size]
	for i, d := range dst[s.offset:][:s.size] {
		dst[s.offset+i] = d*scale + share*(w[i]-anchor[i])
	}
}

// A normTask sums the squares of the gradients, segment by segment.
type normTask struct {
	net  *network
	sums []float64
}

func (t *normTask) items(int) int { return len(t.sums) }

func (t *normTask) run(_ *worker, i, _ int) {
	s := t.net.updates.segments[i]
	var sums [4]float64
	g := t.net.grads[s.offset:][:s.size]
	for ; len(g) >= 4; g = g[4:] {
		for k := range sums {
			v := float64(g[k])
			sums[k] += v * v
		}
	}
	for _, v := range g {
		sums[0] += float64(v) * float64(v)
	}
	t.sums[i] = (sums[0] + sums[1]) + (sums[2] + sums[3])
}

func (net *network) GradientNorm() float64 {
	net.pool.do(net.norms, 0)
	sum := 0.0
	for _, s := range net.norms.sums {
		sum += s
	}
	return math.Sqrt(sum)
}

func (net *network) Update(u engine.Update) {
	net.update = u
	net.pool.do(net.updates, 0)
	net.update = engine.Update{}
	net.packStale, net.foldStale = true, true
}

func (net *network) Swap() {
	average := net.slots[engine.Average]
	for _, s := range net.updates.segments {
		w, a := net.weights[s.offset:][:s.size], average[s.offset:][:s.size]
		for i := range w {
			w[i], a[i] = a[i], w[i]
		}
	}
	net.packStale, net.foldStale = true, true
}

func (net *network) LoadSlot(s engine.Slot, param int, src []float32) {
	if net.slots[s] != nil {
		net.layouts[param].load(net.slots[s], src)
	}
}

func (net *network) ReadSlot(s engine.Slot, param int, dst []float32) {
	if net.slots[s] == nil {
		clear(dst)
		return
	}
	net.layouts[param].read(net.slots[s], dst)
}

package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// A virtual tensor is never stored: those who read it compute the rows they need,
// just before, into memory of their own that stays in the cache. It is what a
// BatchNorm makes of its input, or of its output's gradient: a few operations for
// each value, while the way to main memory and back costs many times that.
//
// Only tasks that call open can read one. See docs/performance.md.
type virtual struct {
	set   *kernel.Set
	x     *tensor
	state *normState
	act   kernel.Act // forward: act(x*scale + shift)
	row   *tensor    // forward: times the sample's row, if not nil
	back  bool       // the gradient instead, of the norm's input
	g     gradient
	pool  *maxPoolGradTask // the gradient of a pooling's input instead
}

// sources are the tensors it is computed from.
func (v *virtual) sources() []*tensor {
	if v.pool != nil {
		return []*tensor{v.pool.dy, v.pool.args}
	}
	if v.back {
		return []*tensor{v.x, v.g.t, v.g.mask, v.g.row, v.g.plus}
	}
	return []*tensor{v.x, v.row}
}

// fill computes rows pixels from pixel m0 on, counted over the batch.
func (v *virtual) fill(w *worker, dst unsafe.Pointer, stride, m0, rows int) {
	if v.pool != nil {
		v.pool.gather(dst, m0, rows)
		return
	}
	s, x, xs, c := v.state, v.x.row(m0), v.x.stride, v.x.cp
	p := func(f []float32) unsafe.Pointer { return unsafe.Pointer(&f[0]) }
	if !v.back {
		if lo, hi, clamps := limits(v.act); clamps && hi == inf {
			v.set.ScaleShift(dst, stride, x, xs, nil, 0, rows, c, p(s.scale), p(s.shift), lo)
		} else {
			v.set.NormActivate(dst, stride, x, xs, rows, c, p(s.scale), p(s.shift), v.act)
		}
		if v.row != nil {
			eachSample(v.x.pixels(), m0, rows, func(sample, at, n int) {
				part := unsafe.Add(dst, at*stride)
				v.set.ScaleShift(part, stride, part, stride, nil, 0, n, c, v.row.row(sample), w.zeros, -inf)
			})
		}
		return
	}
	dy, dys, z, zs := v.g.rows(v.set, w, m0, rows, 0, c)
	if v.g.act != kernel.Identity {
		v.set.NormActGrad(dst, stride, dy, dys, x, xs, rows, c, p(s.a), p(s.b), p(s.d), p(s.mean), p(s.scale), p(s.shift), v.g.act)
		return
	}
	v.set.NormGrad(dst, stride, dy, dys, z, zs, x, xs, rows, c, p(s.a), p(s.b), p(s.d), p(s.mean), nil, 0)
}

// virtual makes a tensor of that shape which is computed where it is read.
func (l *lowering) virtual(name string, s graph.Shape, v *virtual) *tensor {
	cp := roundUp(s.C, vec)
	t := &tensor{name: name, h: s.H, w: s.W, c: s.C, cp: cp, value: l.valueBytes, stride: cp * l.valueBytes, bytes: s.H * s.W * cp * l.valueBytes, virtual: v}
	t.root = t
	return t
}

// open makes pixels [m0, m0+rows) of a tensor, counted over the batch, readable
// and returns the address that pixel 0 has, or would have.
func (t *tensor) open(w *worker, slot, m0, rows int) uintptr {
	if t.virtual == nil {
		return t.addr()
	}
	dst := unsafe.Pointer(&w.slots[slot][0])
	t.virtual.fill(w, dst, t.stride, m0, rows)
	return uintptr(dst) - uintptr(m0*t.stride)
}

// eachSample cuts rows pixels from m0 on, counted over the batch, by samples of px
// pixels: at is where a sample's n pixels begin among the rows.
func eachSample(px, m0, rows int, visit func(sample, at, n int)) {
	for at := 0; at < rows; {
		n := min(rows-at, px-(m0+at)%px)
		visit((m0+at)/px, at, n)
		at += n
	}
}

// slot makes the workers' memory for virtual rows large enough.
func (l *lowering) slot(t *tensor, rows int) {
	if t.virtual != nil {
		l.net.slotFloats = max(l.net.slotFloats, rows*t.cp)
	}
}

// pointwise reports whether a node is a convolution of single pixels.
func (l *lowering) pointwise(n *graph.Node) bool {
	w := n.Window
	return n.Op == graph.Conv && w.Kernel == 1 && w.Stride == 1 && w.Pad == 0 && w.Groups == 1 && n.In[0] != 0
}

// smallWeight reports whether a weight's gradient is cut by pixels, so that each
// pixel's rows are read by one worker only.
func (l *lowering) smallWeight(n *graph.Node) bool {
	lay := &l.net.layouts[n.Params[0]]
	return lay.size*4 <= splitGradBytes
}

// opens reports whether all users of a node can read it as a virtual tensor.
func (l *lowering) opens(i int) bool {
	if i == l.g.Logits || l.homes[i] != nil || len(l.users[i]) == 0 {
		return false
	}
	for _, u := range l.users[i] {
		n := &l.g.Nodes[u]
		if n.Op == graph.GlobalAvgPool || n.Op == graph.Mul && n.In[0] == i && n.In[1] != i {
			continue
		}
		if !depthwise(l.g, n) && !(l.pointwise(n) && l.smallWeight(n)) {
			return false
		}
	}
	return true
}

// virtualGradient reports whether the input gradient of a BatchNorm, node i, is
// read by the gradients of the convolution before it alone, right after.
func (t *training) virtualGradient(i int) bool {
	nodes := t.g.Nodes
	conv := nodes[nodes[i].Of].In[0]
	f := &nodes[conv]
	is := func(node int, kind graph.Kind) bool {
		return node < len(nodes) && nodes[node].Of == conv && nodes[node].Kind == kind
	}
	if len(t.users[conv]) != 1 || len(f.Params) != 1 || !is(i+1, graph.ParamGrad) {
		return false
	}
	if f.Op == graph.Conv && f.In[0] == 0 { // the first layer, whose input's nobody wants
		return t.lastUser[i] == i+1 && t.smallWeight(f)
	}
	return is(i+2, graph.InputGrad) && t.lastUser[i] == i+2 && (depthwise(t.g, f) || t.pointwise(f) && t.smallWeight(f))
}

package cpu

import (
	"math"
	"unsafe"

	"graft/internal/graph"
)

// Layer normalisation, Ba, Kiros, Hinton 2016: each pixel's channels by themselves.
// What the forward pass keeps is two numbers a pixel.

// rowNorm is a pixel's mean and 1/deviation.
type rowNorm struct{ mean, inv float32 }

// A layerNormTask is y = (x - mean)/deviation * weight + bias.
type layerNormTask struct {
	chunked
	y, x         *tensor
	weight, bias []float32
	eps          float64
	stats        *tensor // a rowNorm a pixel
}

func (t *layerNormTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	c := t.x.c
	weight, bias := t.weight[:c], t.bias[:c]
	for m := m0; m < m0+rows; m++ {
		x, y := unsafe.Slice((*float32)(t.x.row(m)), c), unsafe.Slice((*float32)(t.y.row(m)), t.y.cp)
		mean := sum(x) / float32(c)
		inv := float32(1 / math.Sqrt(float64(squares(x, mean))/float64(c)+t.eps))
		*statsOf(t.stats, m) = rowNorm{mean, inv}
		clear(y[c:])
		y = y[:c]
		for j, v := range x {
			y[j] = (v-mean)*inv*weight[j] + bias[j]
		}
	}
}

func statsOf(t *tensor, m int) *rowNorm { return (*rowNorm)(unsafe.Add(t.base, m*8)) }

// sum is in four chains, so that no addition waits for the one before.
func sum(x []float32) float32 {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		a += x[0]
		b += x[1]
		c += x[2]
		d += x[3]
	}
	for _, v := range x {
		a += v
	}
	return (a + b) + (c + d)
}

// squares is the sum of squared deviations, likewise.
func squares(x []float32, mean float32) float32 {
	var a, b, c, d float32
	for ; len(x) >= 4; x = x[4:] {
		p, q, r, s := x[0]-mean, x[1]-mean, x[2]-mean, x[3]-mean
		a += p * p
		b += q * q
		c += r * r
		d += s * s
	}
	for _, v := range x {
		a += (v - mean) * (v - mean)
	}
	return (a + b) + (c + d)
}

// A layerNormGradTask is dx = (g - mean(g) - xhat*mean(g*xhat))/deviation with
// g = dy*weight. dx may be dy.
type layerNormGradTask struct {
	chunked
	dx, dy, x *tensor
	weight    []float32
	stats     *tensor
}

func (t *layerNormGradTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	c := t.x.c
	weight := t.weight[:c]
	for m := m0; m < m0+rows; m++ {
		x, dy := unsafe.Slice((*float32)(t.x.row(m)), c), unsafe.Slice((*float32)(t.dy.row(m)), c)
		dx := unsafe.Slice((*float32)(t.dx.row(m)), t.dx.cp)
		s := *statsOf(t.stats, m)
		var g0, g1, d0, d1 float32
		for j := 0; j+1 < c; j += 2 {
			p, q := dy[j]*weight[j], dy[j+1]*weight[j+1]
			g0 += p
			g1 += q
			d0 += p * (x[j] - s.mean)
			d1 += q * (x[j+1] - s.mean)
		}
		if c%2 == 1 {
			p := dy[c-1] * weight[c-1]
			g0 += p
			d0 += p * (x[c-1] - s.mean)
		}
		mean := (g0 + g1) / float32(c)
		dot := (d0 + d1) / float32(c) * s.inv * s.inv
		clear(dx[c:])
		dx = dx[:c]
		for j, v := range x {
			dx[j] = (dy[j]*weight[j] - mean - (v-s.mean)*dot) * s.inv
		}
	}
}

// A layerNormSumsTask sums dy*xhat and dy over each chunk of pixels, by channel.
type layerNormSumsTask struct {
	chunked
	dy, x, stats *tensor
	p            *partials
}

func (t *layerNormSumsTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	c := t.x.c
	dots, sums := t.p.row(i, 0), t.p.row(i, 1)
	clear(dots)
	clear(sums)
	dots, sums = dots[:c], sums[:c]
	for m := m0; m < m0+rows; m++ {
		x, dy := unsafe.Slice((*float32)(t.x.row(m)), c), unsafe.Slice((*float32)(t.dy.row(m)), c)
		s := *statsOf(t.stats, m)
		for j, g := range dy {
			dots[j] += g * ((x[j] - s.mean) * s.inv)
			sums[j] += g
		}
	}
}

// A scaleSumsTask sums dy and dy*x over each chunk of pixels: LayerScale's gradient.
type scaleSumsTask struct {
	chunked
	dy, x *tensor
	p     *partials
	net   *network
}

func (t *scaleSumsTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.NormGradSums(t.dy.row(m0), t.dy.stride, nil, 0, t.x.row(m0), t.x.stride, rows, t.x.cp, t.net.zeros,
		unsafe.Pointer(t.p.at(i, 0, 0)), unsafe.Pointer(t.p.at(i, 1, 0)))
}

// A layerScaleTask multiplies each channel by its factor; so does its gradient.
type layerScaleTask struct {
	chunked
	y, x  *tensor
	scale unsafe.Pointer
	zeros unsafe.Pointer
}

func (t *layerScaleTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.set.ScaleShift(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, nil, 0, rows, t.x.cp, t.scale, t.zeros, -inf)
}

// values are a view of a parameter's weights, gradient its gradient's.
func (l *lowering) values(param int) []float32 {
	lay := &l.net.layouts[param]
	return l.net.weights[lay.offset : lay.offset+lay.size]
}

func (l *lowering) gradient(param int) []float32 {
	lay := &l.net.layouts[param]
	return l.net.grads[lay.offset : lay.offset+lay.size]
}

// layerNorm lowers it; stats keeps what its gradient needs.
func (l *lowering) layerNorm(i int) {
	n := &l.g.Nodes[i]
	x, y := l.in(n, 0), l.out(i)
	stats := l.p.raw(n.Name+".stats", 8*x.pixels())
	l.rowStats[i] = stats
	l.p.emit(&layerNormTask{l.chunked(x), y, x, l.values(n.Params[0]), l.values(n.Params[1]), n.Eps, stats}, x, y, stats)
}

func (l *lowering) layerScale(n *graph.Node, y, x *tensor) {
	l.net.zeroFloats = max(l.net.zeroFloats, x.cp)
	l.p.emit(&layerScaleTask{l.chunked(x), y, x, unsafe.Pointer(&l.values(n.Params[0])[0]), l.net.zeros}, x, y)
}

// rowParams lowers the gradients of LayerNorm's and LayerScale's parameters.
func (t *training) rowParams(f *graph.Node, of int, dy *tensor) {
	x, c := t.in(f, 0), t.chunked(dy)
	p := t.p.newPartials(f.Name+".sums", dy, c.chunk, t.net.batch)
	which := []int{0, 1}
	if f.Op == graph.LayerNorm {
		t.p.emit(&layerNormSumsTask{c, dy, x, t.rowStats[of], p}, dy, x, t.rowStats[of], p.buf)
	} else {
		t.net.zeroFloats = max(t.net.zeroFloats, x.cp)
		t.p.emit(&scaleSumsTask{c, dy, x, p, t.net}, dy, x, p.buf)
		which = []int{1}
	}
	for k, param := range f.Params {
		t.p.emit(&biasMergeTask{net: t.net, p: p, first: which[k] * p.cp, pixels: dy.pixels(), grad: t.gradient(param)[:f.Out.C]}, p.buf)
	}
}

// rowInput lowers the gradients of their inputs.
func (t *training) rowInput(i int) {
	n := &t.g.Nodes[i]
	f, g := &t.g.Nodes[n.Of], t.settle(n.In[0])
	dx := t.over(i, g)
	if f.Op == graph.LayerScale {
		t.layerScale(f, dx, g)
	} else {
		x, stats := t.in(f, 0), t.rowStats[n.Of]
		t.p.emit(&layerNormGradTask{t.chunked(dx), dx, g, x, t.values(f.Params[0]), stats}, dx, g, x, stats)
	}
	t.grads[i] = gradient{t: dx}
}

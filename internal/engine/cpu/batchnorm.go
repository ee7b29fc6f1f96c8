package cpu

import (
	"math"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
)

// Batch normalisation, Ioffe and Szegedy 2015, as torch.nn.BatchNorm2d.
// Training runs it in three parts: moments of each chunk of pixels (where the
// chunk was just computed), one merge of the chunks in order, in double
// precision, and one pass that normalises, adds a residual and clamps.

// partials are two sums a channel for each chunk of pixels.
type partials struct {
	chunk int // pixels
	cp    int
	buf   *tensor
}

func (p *partials) at(chunk, which, channel int) *float32 {
	return (*float32)(unsafe.Add(p.buf.base, ((chunk*2+which)*p.cp+channel)*4))
}

// tensor is where the sums lie, nil for no partials.
func (p *partials) tensor() *tensor {
	if p == nil {
		return nil
	}
	return p.buf
}

func (p *partials) row(chunk, which int) []float32 {
	return unsafe.Slice(p.at(chunk, which, 0), p.cp)
}

// newPartials plans room for the chunks of a tensor over the whole batch.
func (p *program) newPartials(name string, t *tensor, chunk, batch int) *partials {
	chunks := (batch*t.pixels() + chunk - 1) / chunk
	bytes := chunks * 2 * t.cp * 4
	return &partials{chunk: chunk, cp: t.cp, buf: p.whole(name, bytes, batch)}
}

// moments writes mean and squared deviations of channels [c0, c1) of pixels [m0, m1).
func (p *partials) moments(set *kernel.Set, t *tensor, chunk, m0, m1, c0, c1 int) {
	set.Moments(unsafe.Add(t.row(m0), c0*t.value), t.stride, m1-m0, c1-c0, unsafe.Pointer(p.at(chunk, 0, c0)), unsafe.Pointer(p.at(chunk, 1, c0)))
}

// rowChunk is the pixels of a chunk for passes over rows: about what the first-level
// cache holds of each operand.
func rowChunk(t *tensor) int { return max(8, 32<<10/(t.cp*t.value)) }

// chunked cuts the pixels of a batch for tasks that pass over rows.
type chunked struct {
	set    *kernel.Set
	pixels int // of a sample
	chunk  int
}

func (c chunked) items(n int) int { return (n*c.pixels + c.chunk - 1) / c.chunk }

func (c chunked) bounds(i, n int) (m0, rows int) {
	m0 = i * c.chunk
	return m0, min(c.chunk, n*c.pixels-m0)
}

// A momentsTask finds the moments of a tensor that no convolution just wrote.
type momentsTask struct {
	chunked
	x *tensor
	p *partials
}

func (t *momentsTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.p.moments(t.set, t.x, i, m0, m0+rows, 0, t.x.cp)
}

// A normState is what a BatchNorm's forward pass leaves for its backward pass.
type normState struct {
	mean, invStd []float32 // of the batch
	scale, shift []float32 // y = x*scale + shift
	a, b, d      []float32 // dx = a*g + b*(x-mean) + d
}

func newNormState(cp int) *normState {
	f := floats(7 * cp)
	cut := func(i int) []float32 { return f[i*cp : (i+1)*cp : (i+1)*cp] }
	return &normState{cut(0), cut(1), cut(2), cut(3), cut(4), cut(5), cut(6)}
}

// normParams are views of a BatchNorm's parameters.
type normParams struct {
	c                       int
	weight, bias            []float32
	runningMean, runningVar []float32
	eps, decay              float64
}

// fromRunning sets scale and shift from the running statistics.
func (s *normState) fromRunning(p *normParams) {
	for c := range p.c {
		inv := 1 / math.Sqrt(float64(p.runningVar[c])+p.eps)
		scale := float64(p.weight[c]) * inv
		s.mean[c], s.invStd[c] = p.runningMean[c], float32(inv)
		s.scale[c], s.shift[c] = float32(scale), float32(float64(p.bias[c])-float64(p.runningMean[c])*scale)
	}
}

// A normMergeTask merges the chunks' moments (Chan, Golub, LeVeque 1979) into
// the batch's mean and variance and follows them with the running statistics.
type normMergeTask struct {
	p      *partials
	pixels int
	params normParams
	state  *normState
}

const mergeChannels = 64

func (t *normMergeTask) items(int) int { return (t.params.c + mergeChannels - 1) / mergeChannels }

func (t *normMergeTask) run(_ *worker, i, n int) {
	c0 := i * mergeChannels
	c1 := min(c0+mergeChannels, t.params.c)
	total := n * t.pixels
	chunks := (total + t.p.chunk - 1) / t.p.chunk
	var mean, m2 [mergeChannels]float64
	count := 0.0
	for k := range chunks {
		rows := float64(min(t.p.chunk, total-k*t.p.chunk))
		share := rows / (count + rows)
		means, squares := t.p.row(k, 0)[c0:c1], t.p.row(k, 1)[c0:c1]
		for j := range means {
			delta := float64(means[j]) - mean[j]
			mean[j] += delta * share
			m2[j] += float64(squares[j]) + delta*delta*count*share
		}
		count += rows
	}
	p, s := &t.params, t.state
	for c := c0; c < c1; c++ {
		mu, variance := mean[c-c0], m2[c-c0]/count
		inv := 1 / math.Sqrt(variance+p.eps)
		scale := float64(p.weight[c]) * inv
		s.mean[c], s.invStd[c] = float32(mu), float32(inv)
		s.scale[c], s.shift[c] = float32(scale), float32(float64(p.bias[c])-mu*scale)
		unbiased := m2[c-c0] / max(count-1, 1)
		p.runningMean[c] = float32((1-p.decay)*float64(p.runningMean[c]) + p.decay*mu)
		p.runningVar[c] = float32((1-p.decay)*float64(p.runningVar[c]) + p.decay*unbiased)
	}
}

// A normFrozenTask prepares a BatchNorm that uses its running statistics.
type normFrozenTask struct {
	params normParams
	state  *normState
}

func (t *normFrozenTask) items(int) int           { return 1 }
func (t *normFrozenTask) run(_ *worker, _, _ int) { t.state.fromRunning(&t.params) }

// A normalizeTask is y = max(x*scale + shift + residual, lo).
type normalizeTask struct {
	chunked
	y, x, residual *tensor
	state          *normState
	lo             float32
}

func (t *normalizeTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	var r unsafe.Pointer
	var rs int
	if t.residual != nil {
		r, rs = t.residual.row(m0), t.residual.stride
	}
	t.set.ScaleShift(t.y.row(m0), t.y.stride, t.x.row(m0), t.x.stride, r, rs, rows, t.x.cp,
		unsafe.Pointer(&t.state.scale[0]), unsafe.Pointer(&t.state.shift[0]), t.lo)
}

// A gradient is a planned gradient that is still to be masked by a ReLU's
// output where mask is not nil, or to be taken back through the activation right
// behind a BatchNorm, whose backward pass computes the activation's input again.
//
// Behind squeeze-excitation it is t*row + plus/pixels, of the sample's row, and of
// what comes back through its mean: see excited.
type gradient struct {
	t         *tensor
	mask      *tensor
	act       kernel.Act
	row, plus *tensor
}

// pending reports whether the gradient is not yet what it stands for.
func (g gradient) pending() bool { return g.mask != nil || g.act != kernel.Identity }

// at is where the gradient's pixel m and its mask lie.
func (g gradient) at(w *worker, m int) (dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int) {
	if g.mask != nil {
		z, zs = g.mask.row(m), g.mask.stride
	}
	return w.row(g.t, m), g.t.stride, z, zs
}

// rows is at for channels [c0, c1) of n pixels from m on, scaled in a worker's
// memory where rows of samples belong to it.
func (g gradient) rows(set *kernel.Set, w *worker, m, n, c0, c1 int) (dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int) {
	dy, dys, z, zs = g.at(w, m)
	dy = unsafe.Add(dy, c0*g.t.value)
	if z != nil {
		z = unsafe.Add(z, c0*g.mask.value)
	}
	if g.row == nil {
		return dy, dys, z, zs
	}
	dst, stride, px := unsafe.Pointer(&w.slots[2][0]), (c1-c0)*g.t.value, g.t.pixels()
	eachSample(px, m, n, func(sample, at, n int) {
		set.ScaleShift(unsafe.Add(dst, at*stride), stride, unsafe.Add(dy, at*dys), dys, nil, 0, n, c1-c0,
			unsafe.Add(g.row.row(sample), c0*4), unsafe.Add(g.plus.row(sample), c0*4), -inf)
	})
	return dst, stride, z, zs
}

// A normGradSumsTask sums g and g*(x-mean) over each chunk of pixels. Behind an
// activation it may write g, too, for whoever reads it after.
type normGradSumsTask struct {
	chunked
	g     gradient
	out   *tensor // or nil
	x     *tensor
	p     *partials
	state *normState
}

func (t *normGradSumsTask) run(w *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	t.columns(w, i, m0, rows, 0, t.x.cp)
}

// columns finds the sums of channels [c0, c1) of a chunk: rows pixels from m0.
func (t *normGradSumsTask) columns(w *worker, chunk, m0, rows, c0, c1 int) {
	dy, dys, z, zs := t.g.rows(t.set, w, m0, rows, c0, c1)
	x := unsafe.Add(t.x.row(m0), c0*t.x.value)
	s, sum, dot := t.state, unsafe.Pointer(t.p.at(chunk, 0, c0)), unsafe.Pointer(t.p.at(chunk, 1, c0))
	if t.g.act != kernel.Identity {
		var out unsafe.Pointer
		var outs int
		if t.out != nil {
			out, outs = unsafe.Add(w.row(t.out, m0), c0*t.out.value), t.out.stride
		}
		t.set.NormActGradSums(dy, dys, x, t.x.stride, rows, c1-c0, unsafe.Pointer(&s.scale[c0]), unsafe.Pointer(&s.shift[c0]),
			unsafe.Pointer(&s.mean[c0]), sum, dot, out, outs, t.g.act)
		return
	}
	t.set.NormGradSums(dy, dys, z, zs, x, t.x.stride, rows, c1-c0, unsafe.Pointer(&s.mean[c0]), sum, dot)
}

// A normGradMergeTask turns the sums into the gradients of weight and bias and
// the coefficients of the input's gradient.
type normGradMergeTask struct {
	net          *network
	p            *partials
	pixels       int
	params       normParams
	state        *normState
	weight, bias []float32 // gradients
}

func (t *normGradMergeTask) items(int) int { return (t.params.c + mergeChannels - 1) / mergeChannels }

func (t *normGradMergeTask) run(_ *worker, i, n int) {
	c0 := i * mergeChannels
	c1 := min(c0+mergeChannels, t.params.c)
	total := n * t.pixels
	chunks := (total + t.p.chunk - 1) / t.p.chunk
	var sum, dot [mergeChannels]float64
	for k := range chunks {
		sums, dots := t.p.row(k, 0)[c0:c1], t.p.row(k, 1)[c0:c1]
		for j := range sums {
			sum[j] += float64(sums[j])
			dot[j] += float64(dots[j])
		}
	}
	s, m := t.state, float64(total)
	for c := c0; c < c1; c++ {
		inv := float64(s.invStd[c])
		dw, db := float32(dot[c-c0]*inv), float32(sum[c-c0])
		if t.net.accumulate {
			dw, db = dw+t.weight[c], db+t.bias[c]
		}
		t.weight[c], t.bias[c] = dw, db
		a := float64(t.params.weight[c]) * inv
		s.a[c], s.b[c], s.d[c] = float32(a), float32(-a*inv*inv*dot[c-c0]/m), float32(-a*sum[c-c0]/m)
	}
}

// A normGradTask is the input's gradient, dx = a*g + b*(x-mean) + d; where the
// masked gradient itself is needed further on, it is written in the same pass.
type normGradTask struct {
	chunked
	dx, x  *tensor
	g      gradient
	masked *tensor
	state  *normState
}

func (t *normGradTask) run(w *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	dy, dys, z, zs := t.g.at(w, m0)
	if s := t.state; t.g.act != kernel.Identity {
		t.set.NormActGrad(t.dx.row(m0), t.dx.stride, dy, dys, t.x.row(m0), t.x.stride, rows, t.x.cp, unsafe.Pointer(&s.a[0]), unsafe.Pointer(&s.b[0]),
			unsafe.Pointer(&s.d[0]), unsafe.Pointer(&s.mean[0]), unsafe.Pointer(&s.scale[0]), unsafe.Pointer(&s.shift[0]), t.g.act)
		return
	}
	var out unsafe.Pointer
	var outs int
	if t.masked != nil {
		out, outs = t.masked.row(m0), t.masked.stride
	}
	s := t.state
	t.set.NormGrad(t.dx.row(m0), t.dx.stride, dy, dys, z, zs, t.x.row(m0), t.x.stride, rows, t.x.cp,
		unsafe.Pointer(&s.a[0]), unsafe.Pointer(&s.b[0]), unsafe.Pointer(&s.d[0]), unsafe.Pointer(&s.mean[0]), out, outs)
}

// A normFrozenGradTask sets the coefficients of a frozen BatchNorm: dx = scale*g.
type normFrozenGradTask struct{ state *normState }

func (t *normFrozenGradTask) items(int) int { return 1 }
func (t *normFrozenGradTask) run(_ *worker, _, _ int) {
	copy(t.state.a, t.state.scale)
	clear(t.state.b)
	clear(t.state.d)
}

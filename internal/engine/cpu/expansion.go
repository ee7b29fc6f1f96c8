package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// An inverted residual (Sandler et al. 2018) widens its input x by a 1x1 convolution, e = W x, normalises e over the batch
// and activates it for a depthwise convolution. e is a network's largest map, and its gradient
//
//	de = a*g + b*(e - mean(e)) + d,  g the gradient behind the batch norm,
//
// would be wanted twice, for W's gradient and for x's. But a is known beforehand, and e is linear in x: with C the sum of
// (x - mean(x)) (x - mean(x))', both follow from g and x alone,
//
//	dW = a*sum(g x') + b*W C + d*sum(x)'
//	dx = W'(a*g) + (W' b W)(x - mean(x)) + W'd,
//
// and need b and d, which are sums of g over the batch, only at the end. So g is used up chunk by chunk where the
// depthwise convolution's gradient has just made it, and neither it nor de is ever stored.

// expansionBytes are the bytes of a sample's e from which on this is done, and expansionWeights those that W has at most:
// each of the parts of the batch keeps sums of its size.
const expansionBytes, expansionWeights = 512 << 10, 64 << 10

// An expansion is what a depthwiseBackTask does with each chunk of g.
type expansion struct {
	inverted
	chunkParts int          // of weightGradPixels pixels, in a chunk
	scaled     *tensor      // a*W, transposed
	input      *gatherTask  // of x's gradient, by that
	sums       [2]*outerSum // of g x' and x x'
	means      *partials    // sums of x
	norm       *normGradSumsTask
}

// An outerSum adds up outer products, for each of the depthwiseParts by itself.
type outerSum struct {
	*weightGradTask
	parts *tensor
}

func (s *outerSum) part(i int) []float32 {
	return unsafe.Slice((*float32)(unsafe.Add(s.parts.base, i*s.bytes())), s.bytes()/4)
}

// mergePanel adds the parts of a panel to the first, in order.
func (s *outerSum) mergePanel(set *kernel.Set, j int) {
	stride, size := set.NR*4, s.kr*set.NR
	to := unsafe.Pointer(&s.part(0)[j*size])
	for i := 1; i < depthwiseParts; i++ {
		set.AddRows(to, stride, to, stride, unsafe.Pointer(&s.part(i)[j*size]), stride, s.kr, set.NR)
	}
}

// clear begins the sums of part i.
func (e *expansion) clear(i int) {
	for _, s := range e.sums {
		clear(s.part(i))
	}
}

// step does a chunk, rows pixels from m0 on, for part i; g is where the gradient's pixel 0 would lie.
func (e *expansion) step(w *worker, i, chunk, m0, rows int, g uintptr) {
	x, set := e.sums[0].in, e.input.set
	for k := range e.chunkParts {
		m := m0 + k*weightGradPixels
		n := min(weightGradPixels, m0+rows-m)
		from := x.open(w, 2, m, n)
		e.input.tiles(w, &e.input.classes[0], m, m+n, 0, e.input.panels, g, e.input.out.addr())
		for at, dy := range [2]uintptr{g, from} {
			s := e.sums[at]
			s.block(w, 0, s.units(), m, n, unsafe.Pointer(&s.part(i)[0]), true, from, dy)
		}
		set.SumRows(address(from+uintptr(m*x.stride)), x.stride, n, x.cp, unsafe.Pointer(e.means.at(chunk*e.chunkParts+k, 0, 0)))
	}
}

// An inverted lists the nodes of an expansion: forward, and of the gradients, in order.
type inverted struct {
	conv, bn, act                                 int
	actInput, normSums, normInput, weight, gather int
}

// inverted finds the expansion whose result only depthwise convolution f reads, given node i of f's input gradient; ok
// reports whether all of its gradients are wanted, and can be found as said above.
func (t *training) inverted(f *graph.Node, i int) (v inverted, ok bool) {
	nodes := t.g.Nodes
	v.act = f.In[0]
	fused, isEnd := t.ends[v.act]
	if !isEnd || fused.residual != 0 || fused.act == kernel.Identity || i+5 >= len(nodes) {
		return v, false
	}
	v.bn = fused.norm
	v.conv = nodes[v.bn].In[0]
	v.actInput, v.normSums, v.normInput, v.weight, v.gather = i+1, i+2, i+3, i+4, i+5
	conv, norm := &nodes[v.conv], &nodes[v.bn]
	is := func(node int, kind graph.Kind, of int) bool { return nodes[node].Kind == kind && nodes[node].Of == of }
	if !is(v.actInput, graph.InputGrad, v.act) || !is(v.normSums, graph.ParamGrad, v.bn) || !is(v.normInput, graph.InputGrad, v.bn) ||
		!is(v.weight, graph.ParamGrad, v.conv) || !is(v.gather, graph.InputGrad, v.conv) {
		return v, false
	}
	lay := &t.net.layouts[conv.Params[0]]
	e := t.value[v.conv]
	return v, t.pointwise(conv) && len(conv.Params) == 1 && !norm.Frozen && t.valueBytes == 4 && lay.size*4 <= expansionWeights &&
		e.bytes >= t.net.expansion && t.alone(v.conv, v.bn) && len(t.users[v.act]) == 1
}

// expand plans what a depthwiseBackTask, which is emitted next, does for an expansion.
func (t *training) expand(task *depthwiseBackTask, v inverted) *expansion {
	conv, state, g, set := &t.g.Nodes[v.conv], t.states[v.bn], task.dx, t.set
	x, wide := t.in(conv, 0), t.value[v.conv]
	lay := &t.net.layouts[conv.Params[0]]
	pixels := task.band * wide.w
	e := &expansion{inverted: v, chunkParts: ceilDiv(pixels, weightGradPixels)}
	whole := func(name string, bytes int) *tensor { return t.p.whole(conv.Name+name, bytes, t.net.batch) }

	outer := t.weightGrad(conv, g)
	gram := *outer
	gram.dy, gram.panels = x, ceilDiv(x.cp, set.NR)
	for k, sum := range []*weightGradTask{outer, &gram} {
		e.sums[k] = &outerSum{sum, whole(".parts", depthwiseParts*sum.bytes())}
	}
	chunks := ceilDiv(t.net.batch*wide.pixels(), pixels)
	e.means = &partials{chunk: pixels, cp: x.cp, buf: whole(".means", chunks*e.chunkParts*2*x.cp*4)}

	pack := t.transposed(conv.Params[0])
	e.scaled = whole(".scaled", len(pack.dst)*4)
	t.p.emit(&scaleWeightTask{pack, state, e.scaled}, e.scaled)
	e.input = &gatherTask{set: set, threads: t.net.threads, in: g, k: lay.out, taps: 1, tapBytes: pack.rows * lay.nr * 4, panels: pack.panels(),
		lo: -inf, hi: inf, zeros: t.net.zeros, block: weightGradPixels}
	t.outputOf(e.input, v.gather, g)
	e.input.classes = gradClasses(e.input.out, g, conv.Window)
	t.p.bound = append(t.p.bound, func() { e.input.weights = e.scaled.base })

	p := t.p.newPartials(t.g.Nodes[v.normSums].Name+".sums", wide, pixels, t.net.batch)
	e.norm = &normGradSumsTask{t.chunked(wide), gradient{t: g, act: t.ends[v.act].act}, g, wide, p, state}
	task.after = append(task.after, e.norm)

	t.net.tableRows = max(t.net.tableRows, weightGradPixels)
	t.net.zeroFloats = max(t.net.zeroFloats, lay.out)
	t.net.asideFloats = max(t.net.asideFloats, pixels*g.cp)
	t.slot(x, weightGradPixels)
	t.tables(e.input)
	return e
}

// uses are the tensors it needs.
func (e *expansion) uses() []*tensor {
	return []*tensor{e.norm.x, e.norm.p.buf, e.sums[0].in, e.input.out, e.input.add, e.scaled, e.sums[0].parts, e.sums[1].parts, e.means.buf}
}

// complete lowers what is left of an expansion's gradients when the sums over the batch are known.
func (t *training) complete(e *expansion) {
	conv, norm, set := &t.g.Nodes[e.conv], e.norm, t.set
	lay, x := &t.net.layouts[conv.Params[0]], e.sums[0].in
	t.p.node = e.normSums
	t.normMerge(norm, e.normSums)

	t.p.node = e.gather
	rest := &expansionInputTask{*e.input}
	rest.in, rest.k, rest.tapBytes, rest.add = x, lay.k, lay.tapBytes(), e.input.out
	rest.classes, rest.block = []class{forwardClass(x, rest.out, conv.Window)}, blockPixels(set.MR, x.cp)
	weights := t.p.whole(conv.Name+".rest", rest.panels*rest.tapBytes, t.net.batch)
	bias := t.p.whole(conv.Name+".shift", rest.panels*lay.nr*4, t.net.batch)
	t.p.bound = append(t.p.bound, func() { rest.weights, rest.bias = weights.base, bias.base })
	moments := &expansionMoments{sum: make([]float64, lay.k), c: make([]float64, lay.k*lay.k)}
	t.p.emit(&expansionMomentsTask{e, moments, set}, e.sums[1].parts, e.means.buf)
	t.p.emit(&expansionMergeTask{e.sums[0], moments, lay, t.net, norm.state, weights, bias}, e.sums[0].parts, weights, bias)
	t.producers[rest.out] = &producer{len(t.p.tasks), rest.block, &rest.after}
	t.slot(x, rest.block)
	t.tables(&rest.gatherTask)
	t.p.emit(rest, x, rest.out, weights, bias)
	for node := e.actInput; node <= e.gather; node++ {
		t.done[node] = true
	}
}

// A scaleWeightTask writes a*W, transposed.
type scaleWeightTask struct {
	pack  *transposeTask
	state *normState
	to    *tensor
}

func (t *scaleWeightTask) items(int) int { return t.pack.panels() }

func (t *scaleWeightTask) run(_ *worker, j, _ int) {
	nr, rows := t.pack.l.nr, t.pack.rows
	from := t.pack.dst[j*rows*nr : (j+1)*rows*nr]
	to := unsafe.Slice((*float32)(unsafe.Add(t.to.base, j*rows*nr*4)), rows*nr)
	for c := range rows {
		a := t.state.scale[c]
		for k := c * nr; k < (c+1)*nr; k++ {
			to[k] = a * from[k]
		}
	}
}

// expansionMoments are those of an expansion's input over the batch.
type expansionMoments struct {
	sum []float64 // of each channel
	c   []float64 // channels x channels: the sum of (x - mean)(x - mean)'
	n   float64   // pixels
}

// An expansionMomentsTask adds up the parts of the input's moments.
type expansionMomentsTask struct {
	of  *expansion
	to  *expansionMoments
	set *kernel.Set
}

func (t *expansionMomentsTask) items(int) int { return 1 }

func (t *expansionMomentsTask) run(_ *worker, _, n int) {
	e, to := t.of, t.to
	k, gram := len(to.sum), e.sums[1]
	clear(to.sum)
	to.n = float64(n * gram.in.pixels())
	for i := range n * gram.in.pixels() / e.means.chunk * e.chunkParts {
		for j, v := range e.means.row(i, 0)[:k] {
			to.sum[j] += float64(v)
		}
	}
	nr, sum := t.set.NR, gram.part(0)
	for j := range gram.panels {
		gram.mergePanel(t.set, j)
		for r := range k {
			row := sum[(j*gram.kr+r)*nr:]
			for c := j * nr; c < min((j+1)*nr, k); c++ {
				to.c[r*k+c] = float64(row[c-j*nr])
			}
		}
	}
	for r := range k {
		for j := range k {
			to.c[r*k+j] -= to.sum[r] * to.sum[j] / to.n
		}
	}
}

// An expansionMergeTask finds the weight's gradient, a panel an item, and what is left to do for the input's, a
// row of W'bW an item.
type expansionMergeTask struct {
	of            *outerSum
	moments       *expansionMoments
	lay           *layout
	net           *network
	state         *normState
	weights, bias *tensor // of the input's rest
}

func (t *expansionMergeTask) items(int) int { return t.lay.panels + t.lay.k }

func (t *expansionMergeTask) run(_ *worker, i, _ int) {
	if i < t.lay.panels {
		t.weight(i)
		return
	}
	t.rest(i - t.lay.panels)
}

// panel is rows x NR of panel j of the weight.
func (t *expansionMergeTask) panel(values []float32, j int) []float32 {
	size := t.lay.kr * t.lay.nr
	return values[j*size : (j+1)*size]
}

// weight finds panel j of the gradient.
func (t *expansionMergeTask) weight(j int) {
	nr, k, s, m := t.lay.nr, t.lay.k, t.state, t.moments
	at := t.lay.offset
	sum, w, grad := t.panel(t.of.part(0), j), t.panel(t.net.weights[at:], j), t.panel(t.net.grads[at:], j)
	t.of.mergePanel(t.net.set, j)
	if !t.net.accumulate {
		clear(grad)
	}
	a, b, d := s.scale[j*nr:], s.b[j*nr:], s.d[j*nr:]
	product := make([]float32, nr)
	for r := range k {
		clear(product)
		for q, c := range m.c[r*k : (r+1)*k] {
			c := float32(c)
			for o, v := range w[q*nr : (q+1)*nr] {
				product[o] += c * v
			}
		}
		x, own, to := float32(m.sum[r]), sum[r*nr:(r+1)*nr], grad[r*nr:(r+1)*nr]
		for o, v := range product {
			to[o] += a[o]*own[o] + b[o]*v + d[o]*x
		}
	}
}

// rest finds row r of W'bW, which is symmetric, and value r of W'd - W'bW mean.
func (t *expansionMergeTask) rest(r int) {
	nr, k, s, m := t.lay.nr, t.lay.k, t.state, t.moments
	shift := 0.0
	row, own := make([]float64, k), make([]float32, nr)
	for j := range t.lay.panels {
		w := t.panel(t.net.weights[t.lay.offset:], j)
		b, d := s.b[j*nr:], s.d[j*nr:]
		for o, v := range w[r*nr : (r+1)*nr] {
			own[o] = v * b[o]
			shift += float64(v * d[o])
		}
		for q := range k {
			var sum [4]float32
			for v, b := w[q*nr:(q+1)*nr], own; len(v) >= 4 && len(b) >= 4; v, b = v[4:], b[4:] {
				sum[0] += v[0] * b[0]
				sum[1] += v[1] * b[1]
				sum[2] += v[2] * b[2]
				sum[3] += v[3] * b[3]
			}
			row[q] += float64(sum[0]+sum[1]) + float64(sum[2]+sum[3])
		}
	}
	to := unsafe.Slice((*float32)(t.weights.base), ceilDiv(k, nr)*t.lay.kr*nr)
	for q, v := range row {
		to[(r/nr*t.lay.kr+q)*nr+r%nr] = float32(v)
		shift -= v * m.sum[q] / m.n
	}
	*(*float32)(unsafe.Add(t.bias.base, r*4)) = float32(shift)
}

// An expansionInputTask adds what is left to the input's gradient.
type expansionInputTask struct{ gatherTask }

func (t *expansionInputTask) algorithm() string { return "rest of the input's gradient" }

package cpu

import (
	"slices"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// settle returns the gradient of node i with no mask left to apply.
func (t *training) settle(i int) *tensor {
	g := &t.grads[i]
	if g.mask != nil {
		dx := g.t
		if !t.last(t.g.Nodes[i].In[0], i) {
			dx = t.tensor(i, t.g.Nodes[i].Name+".masked")
		}
		t.mask(dx, g.t, g.mask, nil)
		*g = gradient{t: dx}
	}
	return g.t
}

// last reports whether user is the last node to read node i, so that it may
// write where i's output lies. A concatenation's gradient may be written by
// each of those that read their own slice of it.
func (t *training) last(i, user int) bool {
	return t.lastUser[i] <= user
}

// paramGrad lowers the gradients of a node's parameters.
func (t *training) paramGrad(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	if n.Op == graph.BatchNorm {
		t.normSums(i)
		return
	}
	dy := t.settle(n.In[0])
	if dy.virtual != nil && dy.virtual.pool != nil {
		t.firstGrads(n, f, dy)
		return
	}
	if n.Op != graph.Conv && n.Op != graph.Linear {
		t.transformerParams(f, n.Of, dy)
		return
	}
	if len(n.Params) > 1 {
		p, first := t.sums(n.Name+".bias", dy)
		b := &t.net.layouts[n.Params[1]]
		t.p.emit(&biasMergeTask{t.net, p, dy.pixels(), first, t.net.grads[b.offset : b.offset+b.out]}, p.buf)
	}
	if next := &t.g.Nodes[min(i+1, len(t.g.Nodes)-1)]; next.Of == n.Of && next.Kind == graph.InputGrad && (depthwise(t.g, f) || dy.virtual != nil || t.together(f)) {
		t.deferred[n.Of] = true // to its input's gradient
	} else if depthwise(t.g, f) {
		t.depthwiseBack(f, dy, true, 0)
	} else {
		t.weightGrads(f, dy)
	}
}

// weightGrads lowers the gradient of a dense weight.
func (t *training) weightGrads(f *graph.Node, dy *tensor) {
	task := t.weightGrad(f, dy)
	if form := t.winograd(f, task.in, dy, false); form != nil {
		t.emitTiledGrad(task, form)
	} else {
		if dy.value == 2 {
			t.roundGrad(task)
		}
		t.emitWeightGrad(task)
	}
	if lay := &t.net.layouts[f.Params[0]]; lay.band != nil {
		t.emitBandGrad(lay)
	}
}

// weightGrad plans it.
func (t *training) weightGrad(f *graph.Node, dy *tensor) *weightGradTask {
	lay := &t.net.layouts[f.Params[0]]
	x, w := t.window(f)
	task := &weightGradTask{set: t.kernels(dy), threads: t.net.threads, in: x, dy: dy,
		grad: unsafe.Pointer(&t.net.grads[lay.offset]), k: lay.k, kr: lay.kr, tapBytes: lay.tapBytes(),
		panels: lay.panels, zeros: t.net.zeros, net: t.net}
	if lay.rowTaps {
		task.class = rowClass(t.picture(w), dy, w)
	} else {
		task.class = forwardClass(x, dy, w)
	}
	var at int
	task.chunks, task.starts, at = chunksOf(lay.kr, t.set.GradRows)
	if lay.band != nil {
		task.from = lay.band.from
		at += lay.in
	}
	t.net.zeroFloats = max(t.net.zeroFloats, at)
	return task
}

func (t *training) emitWeightGrad(task *weightGradTask) {
	if squares := task.squared(); squares != nil && task.bytes() > splitGradBytes {
		t.net.tableRows = max(t.net.tableRows, squarePixels)
		t.net.planeFloats = max(t.net.planeFloats, squares.scratchFloats())
		t.p.emit(squares, task.in, task.dy)
		return
	}
	t.net.tableRows = max(t.net.tableRows, len(task.class.taps)*weightGradPixels)
	t.slot(task.in, weightGradPixels)
	t.slot(task.dy, weightGradPixels)
	if task.bytes() > splitGradBytes {
		t.p.emit(task, task.in, task.dy)
		return
	}
	task.sums = t.p.whole("gradient's splits", gradSplits*task.bytes(), t.net.batch)
	t.p.emit(task, task.in, task.dy, task.sums, task.bias.tensor())
	t.p.emit(&splitGradTask{task}, task.sums)
}

func (t *training) normSums(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	x, s, g := t.in(f, 0), t.states[n.Of], t.grads[n.In[0]]
	c := t.chunked(x)
	made := t.produced(g.t)
	if g.row != nil {
		made = nil // its rows came later
		t.net.slotFloats = max(t.net.slotFloats, c.chunk*x.cp)
	}
	if made != nil {
		c.chunk = made.chunk
	}
	p := t.p.newPartials(n.Name+".sums", x, c.chunk, t.net.batch)
	task := &normGradSumsTask{c, g, nil, x, p, s}
	if t.passes(n.In[0]) {
		task.out = g.t
		t.grads[n.In[0]] = gradient{t: g.t}
	}
	if made != nil {
		t.follow(made, task, g.mask, x, p.buf)
	} else {
		t.p.emit(task, g.t, g.mask, g.row, g.plus, x, p.buf)
	}
	t.normMerge(task, i)
}

// normMerge lowers the merge of sums for node i, the gradient of a batch norm's parameters.
func (t *training) normMerge(sums *normGradSumsTask, i int) {
	n := &t.g.Nodes[i]
	view := func(k int) []float32 {
		lay := &t.net.layouts[n.Params[k]]
		return t.net.grads[lay.offset : lay.offset+lay.size]
	}
	params := t.normParams(&t.g.Nodes[n.Of])
	t.p.emit(&normGradMergeTask{t.net, sums.p, sums.x.pixels(), params, sums.state, view(0), view(1)}, sums.p.buf)
}

// passes reports whether the sums of a batch norm's gradient also write what its
// activation, whose gradient is node act, lets pass: where nobody else reads what came
// to the activation, and an exponential is saved.
func (t *training) passes(act int) bool {
	g := t.grads[act]
	return g.act >= kernel.SiLU && (g.row != nil || t.last(t.g.Nodes[act].In[0], act))
}

// inputGrad lowers the gradient of a node's input.
func (t *training) inputGrad(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	dy := n.In[0]
	switch n.Op {
	case graph.Conv, graph.Linear:
		if depthwise(t.g, f) {
			t.depthwiseBack(f, t.settle(dy), t.deferred[n.Of], i)
			break
		}
		t.convInput(i)
	case graph.BatchNorm:
		t.normInput(i)
	case graph.ReLU6, graph.HardSwish, graph.SiLU, graph.Sigmoid, graph.HardSigmoid, graph.GELU:
		t.activationInput(i)
	case graph.Mul:
		t.scaleInput(i)
	case graph.StochasticDepth:
		g := t.settle(dy)
		dx := t.over(i, g)
		t.stochasticDepth(n, n.Of, dx, g)
		t.grads[i] = gradient{t: dx}
	case graph.ReLU:
		if t.masked[n.Of] {
			t.grads[i] = t.grads[dy]
			break
		}
		if t.grads[dy].row != nil {
			t.activationInput(i)
			break
		}
		if t.behindNorm(n.Of) {
			t.grads[i] = gradient{t: t.settle(dy), act: kernel.ReLU}
			break
		}
		g := gradient{t: t.settle(dy), mask: t.value[n.Of]}
		t.grads[i] = g
		// A mask still to be applied needs dy as it is: whoever reads dy after this node
		// may write over it.
		if in := f.In[0]; t.g.Nodes[in].Op != graph.BatchNorm && t.g.Nodes[in].Op != graph.Add || !t.last(dy, i) {
			t.settle(i)
		}
	case graph.MaxPool:
		g := t.settle(dy)
		if in := f.In[0]; t.alone(in, n.Of) && t.rectified(in) != nil {
			g = t.maskBehind(i, g, nil)
		}
		if t.poolVirtual(i) {
			t.poolBehindFirst(i, g)
			break
		}
		dx := t.tensor(i, n.Name+"/dx")
		task := t.maxPoolGrad(i, dx, g)
		t.producers[dx] = &producer{len(t.p.tasks), task.chunk, &task.after}
		t.p.emit(task, dx, g, t.args[n.Of])
		t.grads[i] = gradient{t: dx}
	case graph.GlobalAvgPool:
		g := t.settle(dy)
		if x := t.in(f, 0); x.virtual != nil {
			t.spread(i, g, x)
			break
		}
		dx := t.tensor(i, n.Name+"/dx")
		t.p.emit(&avgPoolGradTask{t.kernels(dx), dx, g}, dx, g)
		t.grads[i] = gradient{t: dx}
	case graph.Dropout:
		g := t.settle(dy)
		if in := f.In[0]; t.alone(in, n.Of) && t.rectified(in) != nil && n.P < 1 {
			t.grads[i] = gradient{t: t.maskBehind(i, g, everywhere(float32(1/(1-n.P)), g.cp))}
			break
		}
		dx := t.over(i, g)
		t.dropout(n, n.Of, dx, g)
		t.grads[i] = gradient{t: dx}
	case graph.Concat:
		t.part(i)
	case graph.Shortcut:
		g := t.settle(dy)
		dx := t.tensor(i, n.Name+"/dx")
		task := &copyTask{chunked: t.chunked(dx), y: dx, x: g, from: (g.c - dx.c) / 2, c: dx.c, fresh: true}
		s := n.Window.Stride
		for h := range dx.h {
			for w := range dx.w {
				p := int32(-1)
				if h%s == 0 && w%s == 0 {
					p = int32(h/s*g.w + w/s)
				}
				task.pixel = append(task.pixel, p)
			}
		}
		t.p.emit(task, dx, g)
		t.grads[i] = gradient{t: dx}
	case graph.LayerNorm, graph.LayerScale, graph.Tokens, graph.Attention, graph.FirstToken:
		t.transformerInput(i)
	default:
		panic("cpu: no gradient for " + n.Op.String())
	}
}

// over is where node i writes the gradient it makes of g, the value of its first
// input: over g itself if nobody reads that later.
func (t *training) over(i int, g *tensor) *tensor {
	n := &t.g.Nodes[i]
	if t.last(n.In[0], i) {
		return g
	}
	return t.tensor(i, n.Name+"/dx")
}

// behindNorm reports whether an activation ran as part of the BatchNorm before it,
// with nothing added between: then that BatchNorm's backward pass undoes it.
func (t *training) behindNorm(act int) bool {
	f, ok := t.ends[act]
	return ok && f.act != kernel.Identity && f.residual == 0
}

// activationInput lowers an activation's gradient, by the activation's input.
func (t *training) activationInput(i int) {
	n := &t.g.Nodes[i]
	act := activation(n.Op)
	if g := t.grads[n.In[0]]; g.row != nil {
		g.act = act
		t.grads[i] = g
		return
	}
	g := t.settle(n.In[0])
	if t.behindNorm(n.Of) {
		t.grads[i] = gradient{t: g, act: act}
		return
	}
	x, dx := t.in(&t.g.Nodes[n.Of], 0), t.over(i, g)
	t.p.emit(&activateGradTask{t.chunked(dx), dx, g, x, act}, dx, g, x)
	t.grads[i] = gradient{t: dx}
}

// scaleInput lowers the gradients of a product of pixels with a row.
func (t *training) scaleInput(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	dy, x, s := t.settle(n.In[0]), t.in(f, 0), t.in(f, 1)
	if n.Arg == 0 && x.virtual != nil {
		t.grads[i] = gradient{t: dy, row: s}
		return
	}
	dx := t.tensor(i, n.Name+"/dx")
	if n.Arg == 0 {
		t.p.emit(&scaleTask{t.kernels(dx), dx, dy, s, t.net.zeros}, dx, dy, s)
	} else if made := t.produced(dy); made != nil && x.virtual != nil {
		t.scaleGradBehind(n.Name, made, dx, dy, x)
	} else {
		sums := t.p.raw(n.Name+".sums", 2*dx.stride)
		t.slot(x, rowChunk(x))
		t.p.emit(&scaleGradTask{t.kernels(x), t.wide, dx, dy, x, sums, t.net.zeros}, dx, dy, x, sums)
	}
	t.grads[i] = gradient{t: dx}
}

// maxPoolGrad plans the input gradient of MaxPool, node i.
func (t *training) maxPoolGrad(i int, dx, dy *tensor) *maxPoolGradTask {
	pool := t.g.Nodes[i].Of
	tables := outputWindows(dx, dy, t.g.Nodes[pool].Window).invert(dx.pixels()).tables(func(t []int32, pixel int) []int32 { return append(t, int32(pixel*dx.stride)) },
		func(t []int32, pixel int32, place uint8) []int32 {
			return append(t, pixel*int32(dy.stride), pixel*int32(dy.cp), int32(place))
		})
	return &maxPoolGradTask{t.chunked(dx), dx, dy, t.args[pool], tables, nil}
}

// maskBehind applies the mask of ReLUs that only a max pool or a dropout reads to the
// gradient g of its output, and returns that: the output is positive only where what
// it came from is. A pool's output is smaller, and the ReLUs' need not be kept for the
// backward pass; a dropout's says besides what was dropped.
func (t *training) maskBehind(i int, g *tensor, scale []float32) *tensor {
	n := &t.g.Nodes[i]
	dx := g
	if !t.last(n.In[0], i) {
		dx = t.tensor(n.Of, n.Name+".masked")
	}
	t.mask(dx, g, t.value[n.Of], scale)
	t.settled(t.rectified(t.g.Nodes[n.Of].In[0]))
	return dx
}

// part hands on the gradient of one input of a concatenation: a slice where
// whole vectors allow it and nobody else reads the whole, else a copy.
func (t *training) part(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	whole := t.settle(n.In[0])
	at, fits := 0, true
	for k, j := range f.In {
		if k < n.Arg {
			at += t.g.Nodes[j].Out.C
		}
		fits = fits && t.g.Nodes[j].Out.C%vec == 0
	}
	for j := range t.g.Nodes {
		for _, in := range t.g.Nodes[j].In {
			if in == n.In[0] && (t.g.Nodes[j].Op != graph.Concat || t.g.Nodes[j].Kind != graph.InputGrad) {
				fits = false
			}
		}
	}
	if fits {
		t.maskParts(n.Of, whole)
		t.grads[i] = gradient{t: t.p.slice(whole, at, n.Out.C)}
		return
	}
	dx := t.tensor(i, n.Name+"/dx")
	t.p.emit(&copyTask{chunked: t.chunked(dx), y: dx, x: whole, from: at, c: n.Out.C, fresh: true}, dx, whole)
	t.grads[i] = gradient{t: dx}
}

// maskParts applies the masks of a concatenation's ReLUs to its gradient at once, and
// sums what comes of it for the biases below.
func (t *training) maskParts(concat int, whole *tensor) {
	relus := t.rectified(concat)
	if relus == nil || t.wholeSums[whole] != nil {
		return
	}
	if !t.masked[relus[0]] {
		t.mask(whole, whole, t.value[concat], nil)
		t.settled(relus)
	}
	unbiased := func(relu int) bool {
		in := t.g.Nodes[relu].In[0]
		return len(t.g.Nodes[in].Params) != 2 || !t.alone(in, relu)
	}
	if !slices.ContainsFunc(relus, unbiased) {
		t.wholeSums[whole], _ = t.sums(t.g.Nodes[concat].Name+".bias", whole)
	}
}

// sum lowers the addition of two gradients of one value.
func (t *training) sum(i int) {
	if t.grads[i].t != nil {
		return // a convolution has added its gradient already
	}
	n := &t.g.Nodes[i]
	if g := t.grads[n.In[0]]; g.row != nil {
		g.plus = t.grads[n.In[1]].t
		t.grads[i] = g
		return
	}
	a, b := t.settle(n.In[0]), t.settle(n.In[1])
	y := t.tensor(i, n.Name)
	switch {
	case n.In[0] != n.In[1] && t.last(n.In[0], i):
		y = a
	case n.In[0] != n.In[1] && t.last(n.In[1], i):
		y = b
	}
	t.p.emit(&addTask{t.chunked(y), y, a, b}, y, a, b)
	t.grads[i] = gradient{t: y}
}

// convInput lowers a convolution's input gradient: a gather over dy with the
// weights transposed. Where the result is added to another gradient that is
// known already and of no further use, it accumulates there.
func (t *training) convInput(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	dy := t.settle(n.In[0])
	_, w := t.window(f)
	lay := &t.net.layouts[n.Params[0]]
	pack := t.transposed(n.Params[0])
	task := &gatherTask{set: t.kernels(dy), threads: t.net.threads, in: dy, k: lay.out, taps: lay.taps,
		tapBytes: pack.rows * lay.nr * 4, panels: pack.panels(), lo: -inf, hi: inf,
		weights: unsafe.Pointer(&pack.dst[0])}
	t.outputOf(task, i, dy)
	if dy.value != task.out.value { // a linear layer's, of what lies before it in bfloat16
		rounded := task.out
		task.out = t.p.tensor(n.Name+"/dx in float32", n.Out, dy.value)
		defer t.convert(rounded, task.out)
		if task.add != nil {
			panic("cpu: " + n.Name + ": a linear layer's gradient is not the only one of its input")
		}
	}
	task.classes = gradClasses(task.out, dy, w)
	task.block = blockPixels(t.set.MR, lay.out*lay.kernel)
	task.zeros = t.net.zeros
	if pack.band != nil {
		task.bands(t.net, pack.band)
	}
	if t.deferred[n.Of] {
		t.emitPointwiseBack(task, f)
		return
	}
	t.emitConv(f, task, w, true, "")
}

// outputOf gives the task of node i, an input gradient found from dy, its output: a tensor of its own, or another
// gradient of the same value that it accumulates to.
func (t *training) outputOf(task *gatherTask, i int, dy *tensor) {
	if next := t.lastUser[i]; t.g.Nodes[next].Kind == graph.Forward && t.g.Nodes[next].In[1] == i {
		other := t.g.Nodes[next].In[0]
		if other != i && t.grads[other].t != nil && t.last(other, next) && t.grads[other].t.root != dy.root {
			task.out = t.settle(other)
			task.add = task.out
			t.grads[next] = gradient{t: task.out}
		}
	}
	if task.out == nil {
		task.out = t.tensor(i, t.g.Nodes[i].Name+"/dx")
	}
	t.grads[i] = gradient{t: task.out}
}

// transposed packs a weight for input gradients.
func (t *training) transposed(param int) *transposeTask {
	pack := t.packed[param]
	if pack == nil {
		pack = newTransposeTask(t.net, &t.net.layouts[param])
		t.packed[param] = pack
		t.pack = append(t.pack, pack)
	}
	return pack
}

func (t *training) normInput(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	s, g := t.states[n.Of], t.grads[n.In[0]]
	if f.Frozen {
		t.p.emit(&normFrozenGradTask{s})
	}
	if g.row != nil || t.last(n.In[0], i) && t.virtualGradient(i) {
		t.grads[i] = gradient{t: t.virtual(n.Name+"/dx", n.Out, &virtual{set: t.kernels(t.in(f, 0)), x: t.in(f, 0), state: s, back: true, g: g})}
		return
	}
	task := &normGradTask{chunked: t.chunked(g.t), x: t.in(f, 0), g: g, state: s}
	switch {
	case !t.last(n.In[0], i):
		task.dx = t.tensor(i, n.Name+"/dx")
		if relu := n.In[0]; g.mask != nil {
			// Others need the masked gradient too: it is written on the way, in place
			// if nobody needs it unmasked.
			task.masked = g.t
			if !t.last(t.g.Nodes[relu].In[0], relu) {
				task.masked = t.tensor(i, n.Name+".masked")
			}
			t.grads[relu] = gradient{t: task.masked}
		}
	case g.pending() && !t.last(t.g.Nodes[n.In[0]].In[0], n.In[0]):
		task.dx = t.tensor(i, n.Name+"/dx")
	default:
		task.dx = g.t
	}
	t.p.emit(task, task.dx, task.x, g.t, g.mask, task.masked)
	t.grads[i] = gradient{t: task.dx}
}

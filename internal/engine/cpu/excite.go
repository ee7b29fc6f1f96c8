package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Squeeze-excitation behind a BatchNorm and its activation, without storing what
// it reads or makes: y = act(norm(x)), the mean of y, and y times a row s that
// follows from the mean are all computed from x where they are read; so is the
// gradient of y, dz*s + dmean/pixels, from the gradient dz of the product.

// excitable reports whether all that a step does with activation i can be done
// without storing it: it is read by no squeeze-excitation, or by one and its
// gradient comes back to the BatchNorm in the usual order.
func (t *training) excitable(i int) bool {
	pool, mul := 0, 0
	for _, u := range t.users[i] {
		switch t.g.Nodes[u].Op {
		case graph.GlobalAvgPool:
			pool = u
		case graph.Mul:
			mul = u
		}
	}
	if pool == 0 && mul == 0 {
		return true
	}
	if pool == 0 || mul == 0 || len(t.users[i]) != 2 || !t.opens(mul) {
		return false
	}
	act := t.gradientOf(i)
	if act == 0 {
		return t.gradientOf(pool) == 0 && t.gradientOf(mul) == 0 // nothing below learns
	}
	norm := t.ends[i].norm
	sum := &t.g.Nodes[t.g.Nodes[act].In[0]]
	return sum.Kind == graph.Forward && sum.Op == graph.Add && t.gradientOf(norm) == act+2 && t.virtualGradient(act+2) &&
		sum.In[0] == t.gradientOf(mul) && sum.In[1] == t.gradientOf(pool) && t.lastUser[t.g.Nodes[act].In[0]] == act
}

// gradientOf is the node of the gradient of node i's first input, or 0.
func (t *training) gradientOf(i int) int {
	for k := t.g.Loss + 1; k < len(t.g.Nodes); k++ {
		if n := &t.g.Nodes[k]; n.Kind == graph.InputGrad && n.Of == i && n.Arg == 0 {
			return k
		}
	}
	return 0
}

// excite makes the product of a virtual tensor and a row, virtual too.
func (t *training) excite(i int, x *tensor) {
	n, v := &t.g.Nodes[i], *x.virtual
	v.row = t.in(n, 1)
	t.net.zeroFloats = max(t.net.zeroFloats, x.cp)
	t.value[i] = t.virtual(n.Name, n.Out, &v)
}

// spread makes the gradient of a mean ready to be added to every pixel.
func (t *training) spread(i int, g, x *tensor) {
	y := t.p.tensor(t.g.Nodes[i].Name+"/dx", graph.Shape{H: 1, W: 1, C: g.c}, 4)
	t.p.emit(&shareTask{chunked{t.wide, 1, rowChunk(g)}, y, g, 1 / float32(x.pixels())}, y, g)
	t.grads[i] = gradient{t: y}
}

// A shareTask is y = g*scale, a row a sample.
type shareTask struct {
	chunked
	y, g  *tensor
	scale float32
}

func (t *shareTask) run(_ *worker, i, n int) {
	m0, rows := t.bounds(i, n)
	for m := m0; m < m0+rows; m++ {
		t.set.FillRows(t.y.row(m), t.y.stride, 1, t.y.cp, unsafe.Pointer(t.g.row(m)), t.scale)
	}
}

// scaleGradBehind lowers a product's gradient ds towards the row: its sums are taken
// right where dy, the product's gradient, was written.
func (t *training) scaleGradBehind(name string, made *producer, ds, dy, x *tensor) {
	batch, px := t.net.batch, x.pixels()
	sums := t.p.whole(name+".sums", ((batch*px+made.chunk-1)/made.chunk+batch)*2*x.cp*4, batch)
	parts := &scaleGradParts{t.kernels(x), dy, x, sums, made.chunk, t.net.zeros}
	t.slot(x, made.chunk)
	t.follow(made, parts, x, sums)
	t.p.emit(&scaleGradMergeTask{t.wide, parts, ds}, ds, sums)
}

// A scaleGradParts sums dy times x over the pixels of a chunk that belong to one sample.
type scaleGradParts struct {
	set   *kernel.Set
	dy, x *tensor
	sums  *tensor // two rows a part: of dy, of no use, and of dy times x
	chunk int
	zeros unsafe.Pointer
}

// part is the row of sums of the part that holds pixel m, counted over the batch: a
// part ends with a chunk or a sample.
func (t *scaleGradParts) part(m, which int) unsafe.Pointer {
	return unsafe.Add(t.sums.base, ((m/t.chunk+m/t.x.pixels())*2+which)*t.x.cp*4)
}

func (t *scaleGradParts) columns(w *worker, _, m0, rows, c0, c1 int) {
	base := t.x.open(w, 2, m0, rows)
	eachSample(t.x.pixels(), m0, rows, func(_, at, n int) {
		m := m0 + at
		t.set.NormGradSums(unsafe.Add(w.row(t.dy, m), c0*t.dy.value), t.dy.stride, nil, 0, address(base+uintptr(m*t.x.stride+c0*t.x.value)), t.x.stride, n, c1-c0,
			t.zeros, unsafe.Add(t.part(m, 0), c0*4), unsafe.Add(t.part(m, 1), c0*4))
	})
}

// A scaleGradMergeTask adds a sample's parts in order.
type scaleGradMergeTask struct {
	set *kernel.Set
	of  *scaleGradParts
	ds  *tensor
}

func (t *scaleGradMergeTask) items(n int) int { return n }

func (t *scaleGradMergeTask) run(_ *worker, i, _ int) {
	of, ds, bytes := t.of, t.ds.row(i), t.ds.stride
	t.set.ZeroRows(ds, bytes, 1, t.ds.cp)
	for m, end := i*of.x.pixels(), (i+1)*of.x.pixels(); m < end; m = (m/of.chunk + 1) * of.chunk {
		t.set.AddRows(ds, bytes, ds, bytes, of.part(m, 1), bytes, 1, t.ds.cp)
	}
}

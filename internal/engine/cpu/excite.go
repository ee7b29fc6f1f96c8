package cpu

import (
	"unsafe"

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

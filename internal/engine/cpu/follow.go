package cpu

import (
	"slices"

	"graft/internal/graph"
)

// A follower passes over a gradient chunk by chunk, right where another task has
// written one: while it is in the cache, where a pass of its own would read it from
// memory again.
type follower interface {
	// columns does channels [c0, c1) of a chunk: rows pixels from m0.
	columns(w *worker, chunk, m0, rows, c0, c1 int)
}

// followers run in order.
type followers []follower

func (f followers) columns(w *worker, chunk, m0, rows, c0, c1 int) {
	for _, t := range f {
		t.columns(w, chunk, m0, rows, c0, c1)
	}
}

// A producer is a task that writes a gradient in chunks of whole pixels and lets
// followers pass over each right after.
type producer struct {
	step  int // in the program
	chunk int // pixels
	after *followers
}

// produced returns the task that wrote g last and nobody has touched since, or nil.
func (t *training) produced(g *tensor) *producer {
	p := t.producers[g]
	if p == nil || g.root.last != p.step {
		return nil
	}
	return p
}

// follow adds a follower, which needs tensors besides the gradient.
func (t *training) follow(p *producer, f follower, uses ...*tensor) {
	*p.after = append(*p.after, f)
	t.p.use(p.step, uses...)
}

// mask writes g to dx where z, the output of a ReLU or what has its sign, is positive,
// and else 0; scale is nil or multiplies each channel.
func (t *training) mask(dx, g, z *tensor, scale []float32) {
	task := &reluGradTask{t.chunked(dx), dx, g, z, scale, t.net.zeros}
	if made := t.produced(g); made != nil && dx == g {
		t.follow(made, task, z)
		return
	}
	t.p.emit(task, dx, g, z)
}

// alone reports whether only user reads node i.
func (t *training) alone(i, user int) bool {
	return i != t.g.Logits && len(t.users[i]) == 1 && t.users[i][0] == user
}

// rectified returns the ReLUs whose output node i is, or is a concatenation of that
// alone reads them; nil if it is anything else.
func (t *training) rectified(i int) []int {
	n := &t.g.Nodes[i]
	switch n.Op {
	case graph.ReLU:
		return []int{i}
	case graph.Concat:
		if !slices.ContainsFunc(n.In, func(j int) bool { return t.g.Nodes[j].Op != graph.ReLU || !t.alone(j, i) }) {
			return n.In
		}
	}
	return nil
}

// settled notes that no mask is left to apply to the gradients of ReLUs.
func (t *training) settled(relus []int) {
	for _, i := range relus {
		t.masked[i] = true
	}
}

// sums returns the sums over pixels of each channel of g, and the channel where g's
// begin. They are taken right where g was written, if that is known.
func (t *training) sums(name string, g *tensor) (p *partials, first int) {
	if p = t.wholeSums[g.root]; p != nil {
		return p, g.offset / g.value
	}
	c := t.chunked(g)
	made := t.produced(g)
	if made != nil {
		c.chunk = made.chunk
	}
	p = t.p.newPartials(name, g, c.chunk, t.net.batch)
	if task := (&biasGradTask{c, g, p}); made != nil {
		t.follow(made, task, p.buf)
	} else {
		t.p.emit(task, g, p.buf)
	}
	return p, 0
}

package cpu

import (
	"fmt"
	"unsafe"

	"graft/internal/graph"
)

// checkTransformer says which shapes of a transformer's operations are not supported:
// heads and tokens are whole vectors of channels.
func checkTransformer(n *graph.Node) error {
	if n.Op == graph.Attention && n.Out.C/n.Heads%vec != 0 || n.Op == graph.Tokens && n.Out.C%vec != 0 {
		return fmt.Errorf("cpu engine: %s: %d channels in %d heads are no multiples of %d", n.Name, n.Out.C, max(n.Heads, 1), vec)
	}
	return nil
}

// transformer lowers the operations that transformers brought, forward.
func (l *lowering) transformer(i int) {
	n := &l.g.Nodes[i]
	if n.Op == graph.LayerNorm {
		l.layerNorm(i)
		return
	}
	x, y := l.in(n, 0), l.out(i)
	switch n.Op {
	case graph.LayerScale:
		l.layerScale(n, y, x)
	case graph.Tokens:
		l.p.emit(&tokensTask{l.set, y, x, unsafe.Pointer(&l.values(n.Params[0])[0]), unsafe.Pointer(&l.values(n.Params[1])[0])}, y, x)
	case graph.FirstToken:
		l.rows(y, x, 0, 0, 1)
	case graph.Attention:
		t := &attentionTask{l.attention(n), y}
		l.need(t.sizes())
		l.p.emit(t, y, x)
	}
}

// transformerParams lowers the gradients of their parameters.
func (t *training) transformerParams(f *graph.Node, of int, dy *tensor) {
	if f.Op == graph.Tokens {
		t.p.emit(&tokensGradTask{t.net, dy, t.gradient(f.Params[0]), t.gradient(f.Params[1])}, dy)
		return
	}
	t.rowParams(f, of, dy)
}

// transformerInput lowers the gradients of their inputs.
func (t *training) transformerInput(i int) {
	n := &t.g.Nodes[i]
	f := &t.g.Nodes[n.Of]
	if f.Op == graph.LayerNorm || f.Op == graph.LayerScale {
		t.rowInput(i)
		return
	}
	dy := t.settle(n.In[0])
	dx := t.tensor(i, n.Name+"/dx")
	switch f.Op {
	case graph.Tokens:
		t.rows(dx, dy, 1, 0, dx.pixels())
	case graph.FirstToken:
		t.rows(dx, dy, 0, 0, 1)
	case graph.Attention:
		task := &attentionGradTask{t.attention(f), dx, dy}
		scores, pack, sums := task.sizes()
		t.need(scores, scores, pack, sums)
		t.p.emit(task, dx, dy, task.x)
	}
	t.grads[i] = gradient{t: dx}
}

package cpu

import "graft/internal/graph"

// The first layer and the pooling behind it have the largest maps of a network. What
// lies between them is not stored where nobody else reads it.

// poolVirtual reports whether what MaxPool's input gradient, node i, makes is read by
// the weight's gradient of a convolution of the pictures alone, behind a ReLU.
func (t *training) poolVirtual(i int) bool {
	nodes := t.g.Nodes
	relu := nodes[nodes[i].Of].In[0]
	if nodes[relu].Op != graph.ReLU || !t.masked[relu] || i+2 >= len(nodes) {
		return false
	}
	conv, w := nodes[relu].In[0], &nodes[i+2]
	return nodes[conv].Op == graph.Conv && nodes[conv].In[0] == 0 && t.alone(conv, relu) && t.smallWeight(&nodes[conv]) &&
		nodes[i+1].Of == relu && t.lastUser[i] == i+1 && w.Of == conv && w.Kind == graph.ParamGrad && t.lastUser[i+1] == i+2
}

// poolBehindFirst makes the input gradient of MaxPool virtual, given that of its output.
func (t *training) poolBehindFirst(i int, dy *tensor) {
	n := &t.g.Nodes[i]
	dx := t.virtual(n.Name+"/dx", n.Out, &virtual{set: t.set})
	dx.virtual.pool = t.maxPoolGrad(i, dx, dy)
	t.grads[i] = gradient{t: dx}
}

// firstGrads lowers the gradients of the first layer's parameters, n of f, by dy, which
// is virtual: the bias's is summed where the weight's opens it.
func (t *training) firstGrads(n, f *graph.Node, dy *tensor) {
	w := t.weightGrad(f, dy)
	if len(n.Params) > 1 {
		w.bias = t.p.newPartials(n.Name+".bias", dy, weightGradPixels, t.net.batch)
	}
	if dy.value == 2 {
		t.roundGrad(w)
	}
	t.emitWeightGrad(w)
	if w.bias != nil {
		b := &t.net.layouts[n.Params[1]]
		t.p.emit(&biasMergeTask{t.net, w.bias, dy.pixels(), 0, t.net.grads[b.offset : b.offset+b.out]}, w.bias.buf)
	}
}

package graph

// Grad returns the graph of a training step: g's nodes, the cross-entropy of
// its logits, and the gradient nodes that the trainable parameters need, in
// the order they run. A layer below which nothing is trainable gets no
// gradient node, so an engine spends neither work nor memory on it. A
// BatchNorm none of whose parameters is trainable is marked Frozen: it uses its
// running statistics, and keeps them.
//
// trainable is asked by parameter index; nil means every one that is no buffer.
func Grad(g *Graph, trainable func(param int) bool) *Graph {
	s := &Graph{Name: g.Name, Params: g.Params, Logits: g.Logits, Head: g.Head}
	s.Nodes = append(s.Nodes, g.Nodes...)
	trains := make([]bool, len(g.Nodes)) // has a trainable parameter of its own
	needs := make([]bool, len(g.Nodes))  // a trainable parameter lies at it or below it
	for i := range g.Nodes {
		n := &s.Nodes[i]
		for _, p := range n.Params {
			if !g.Params[p].Buffer() && (trainable == nil || trainable(p)) {
				trains[i] = true
			}
		}
		n.Frozen = n.Op == BatchNorm && !trains[i]
		needs[i] = trains[i]
		for _, j := range n.In {
			needs[i] = needs[i] || needs[j]
		}
	}
	s.backward(g, trains, needs)
	return s
}

// GradOfLogits returns g's nodes, a CrossEntropy that stands for the gradient at the
// logits, and the gradient nodes that lead from there to the output of node at, whose
// gradient is node to; it is 0 where the logits do not depend on at. Running statistics
// are used and nothing is learnt.
func GradOfLogits(g *Graph, at int) (s *Graph, to int) {
	s = &Graph{Name: g.Name, Params: g.Params, Logits: g.Logits, Head: g.Head}
	s.Nodes = append(s.Nodes, g.Nodes...)
	needs := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &s.Nodes[i]
		n.Frozen = n.Op == BatchNorm
		needs[i] = i == at
		for _, j := range n.In {
			needs[i] = needs[i] || needs[j]
		}
	}
	return s, s.backward(g, make([]bool, len(g.Nodes)), needs)[at]
}

// backward adds the loss of g's logits and the gradient nodes behind it: of the parameters
// of nodes that train, of the inputs that need one. It returns the nodes that hold the
// gradients of g's outputs, 0 where there is none.
func (s *Graph) backward(g *Graph, trains, needs []bool) []int {
	add := func(n Node) int {
		s.Nodes = append(s.Nodes, n)
		return len(s.Nodes) - 1
	}
	grads := make([]int, len(g.Nodes))
	s.Loss = add(Node{Op: CrossEntropy, Name: "loss", In: []int{g.Logits}, Out: g.Nodes[g.Logits].Out})
	grads[g.Logits] = s.Loss
	for i := len(g.Nodes) - 1; i > 0; i-- {
		n, dy := &s.Nodes[i], grads[i]
		if dy == 0 || !needs[i] {
			continue
		}
		op, name, params, in, frozen := n.Op, n.Name, n.Params, n.In, n.Frozen
		grad := Node{Op: op, Name: name, In: []int{dy}, Params: params, Of: i, Window: n.Window, Eps: n.Eps, Decay: n.Decay, P: n.P, Frozen: frozen}
		if trains[i] {
			w := grad
			w.Kind = ParamGrad
			add(w)
		}
		for arg, x := range in {
			if !needs[x] {
				continue
			}
			dx := dy // an addition hands its gradient on as it is
			if op != Add {
				d := grad
				d.Kind, d.Arg, d.Out = InputGrad, arg, g.Nodes[x].Out
				dx = add(d)
			}
			if grads[x] != 0 {
				dx = add(Node{Op: Add, Name: g.Nodes[x].Name + ".sum", In: []int{grads[x], dx}, Out: g.Nodes[x].Out})
			}
			grads[x] = dx
		}
	}
	return grads
}

package graph

// Split cuts a network where its frozen part ends: lower is all that runs before
// anything trainable, and gives features of any shape; upper begins with those
// features as its input. Both list all parameters of g in g's order, of which
// upper's nodes and lower's use their own. ok is false where nothing can be cut off.
//
// The cut is the last node of which all others behind it read nothing further
// down, with only frozen parameters up to it. Dropout stays in the upper part;
// stochastic depth in the lower one does nothing, as in evaluation.
func Split(g *Graph, frozen []bool) (lower, upper *Graph, ok bool) {
	cut := 0
	for k := 1; k < g.Logits; k++ {
		n := &g.Nodes[k]
		if n.Op == Dropout || !allFrozen(g, n, frozen) {
			break
		}
		if cuts(g, k) {
			cut = k
		}
	}
	if cut == 0 {
		return nil, nil, false
	}
	lower, upper = splitAt(g, cut)
	return lower, upper, true
}

// splitAt cuts g behind a node that everything behind it passes through.
func splitAt(g *Graph, cut int) (lower, upper *Graph) {
	lower = &Graph{Name: g.Name, Nodes: g.Nodes[: cut+1 : cut+1], Params: g.Params, Logits: cut, Head: g.Head, Features: true}
	upper = &Graph{Name: g.Name, Params: g.Params, Logits: g.Logits - cut, Head: g.Head}
	upper.Nodes = append(upper.Nodes, Node{Op: Input, Name: "features", Out: g.Nodes[cut].Out})
	for _, n := range g.Nodes[cut+1:] {
		in := make([]int, len(n.In))
		for i, j := range n.In {
			in[i] = j - cut
		}
		n.In = in
		upper.Nodes = append(upper.Nodes, n)
	}
	return lower, upper
}

func allFrozen(g *Graph, n *Node, frozen []bool) bool {
	for _, p := range n.Params {
		if !frozen[p] && !g.Params[p].Buffer() {
			return false
		}
	}
	return true
}

// cuts reports whether all nodes behind k read k or what is behind it. A grouped
// convolution cannot be the first layer of a network, so none may read k.
func cuts(g *Graph, k int) bool {
	for i := k + 1; i < len(g.Nodes); i++ {
		for _, j := range g.Nodes[i].In {
			if j < k || j == k && g.Nodes[i].Window.Groups > 1 {
				return false
			}
		}
	}
	return true
}

package graph

// SetDropout sets the probability of every dropout; a network that has none gets one before
// its output layer.
func SetDropout(g *Graph, p float64) {
	found := false
	for i := range g.Nodes {
		if g.Nodes[i].Op == Dropout {
			g.Nodes[i].P, found = p, true
		}
	}
	if found || p == 0 {
		return
	}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; (n.Op == Linear || n.Op == Conv) && n.Name == g.Head {
			x := n.In[0]
			insert(g, i, Node{Op: Dropout, Name: g.Head + ".dropout", In: []int{x}, Out: g.Nodes[x].Out, P: p})
			g.Nodes[i+1].In = []int{i}
			return
		}
	}
}

// SetStochasticDepth leaves out residual branches with a probability that rises from 0 to p
// along the network (Huang et al. 2016), and reports whether it has any. The branch is an
// addition's first input; one that has a StochasticDepth already keeps it.
func SetStochasticDepth(g *Graph, p float64) bool {
	var adds []int
	for i := range g.Nodes {
		if g.Nodes[i].Op == Add {
			adds = append(adds, i)
		}
	}
	for k := len(adds) - 1; k >= 0; k-- {
		i := adds[k]
		share := p * float64(k+1) / float64(len(adds))
		branch := -1
		for _, x := range g.Nodes[i].In {
			if g.Nodes[x].Op == StochasticDepth {
				branch = x
			}
		}
		if branch >= 0 {
			g.Nodes[branch].P = share
			continue
		}
		if share == 0 {
			continue
		}
		x := g.Nodes[i].In[0]
		insert(g, i, Node{Op: StochasticDepth, Name: g.Nodes[i].Name + ".stochastic_depth", In: []int{x}, Out: g.Nodes[x].Out, P: share})
		g.Nodes[i+1].In[0] = i
	}
	return len(adds) > 0
}

// insert puts a node before node i, which keeps reading what it read.
func insert(g *Graph, i int, n Node) {
	nodes := append([]Node(nil), g.Nodes[:i]...)
	nodes = append(nodes, n)
	for _, m := range g.Nodes[i:] {
		in := append([]int(nil), m.In...)
		for k, x := range in {
			if x >= i {
				in[k] = x + 1
			}
		}
		m.In = in
		nodes = append(nodes, m)
	}
	g.Nodes = nodes
	g.Logits++
}

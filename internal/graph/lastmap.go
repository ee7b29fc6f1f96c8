package graph

import "fmt"

// LastMap cuts a network for questions about places in the picture: upper begins with the
// output of lower, and its node at holds the last map on which places are still told apart
// and which the logits depend on everywhere. That is the input of the pooling or, where the
// output layer is a convolution, of that layer, so at is 0; in a Vision Transformer it
// is the norm before the last attention (behind it, only the class token counts).
func LastMap(g *Graph) (lower, upper *Graph, at int, err error) {
	m := lastMap(g)
	for cut := m; cut > 0; cut-- {
		if cuts(g, cut) {
			lower, upper = splitAt(g, cut)
			return lower, upper, m - cut, nil
		}
	}
	return nil, nil, 0, fmt.Errorf("network %s has no map of places that can be cut off below its output layer", g.Name)
}

func lastMap(g *Graph) int {
	for k := g.Logits; k > 0; k-- {
		if g.Nodes[k].Op == Attention {
			return g.Nodes[g.Nodes[k].In[0]].In[0]
		}
	}
	last := 0
	for k := 1; k < g.Logits; k++ {
		n := &g.Nodes[k]
		if len(n.Params) > 0 && g.InHead(n.Params[0]) {
			break
		}
		if n.Op != Dropout && n.Out.H*n.Out.W > 1 && cuts(g, k) {
			last = k
		}
	}
	return last
}

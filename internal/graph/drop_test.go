package graph

import "testing"

func dropNet(dropout bool) *Graph {
	b := NewBuilder("drop", Shape{4, 4, 3})
	x := b.Conv("stem", 0, 8, Window{Kernel: 1, Stride: 1}, true)
	x = b.ReLU(b.Add("one", b.Conv("a", x, 8, Window{Kernel: 1, Stride: 1}, true), x))
	x = b.ReLU(b.Add("two", b.StochasticDepth("two.drop", b.Conv("b", x, 8, Window{Kernel: 1, Stride: 1}, true), 0.9), x))
	x = b.GlobalAvgPool("avg", x)
	if dropout {
		x = b.Dropout("drop", x, 0.5)
	}
	return b.Graph(b.Linear("fc", x, 2), "fc")
}

func probabilities(g *Graph, op Op) (list []float64) {
	for _, n := range g.Nodes {
		if n.Op == op {
			list = append(list, n.P)
		}
	}
	return list
}

// TestSetDropout: whether the network has one or not, there is one of the probability asked
// for, right before the output layer, and the graph is in order.
func TestSetDropout(t *testing.T) {
	for _, has := range []bool{false, true} {
		g := dropNet(has)
		SetDropout(g, 0.25)
		if err := Verify(g); err != nil {
			t.Fatal(err)
		}
		if p := probabilities(g, Dropout); len(p) != 1 || p[0] != 0.25 {
			t.Errorf("dropouts of %v", p)
		}
		if in := g.Nodes[g.Nodes[g.Logits].In[0]]; in.Op != Dropout || g.Nodes[g.Logits].Name != "fc" {
			t.Errorf("the output layer reads %s", in.Name)
		}
	}
	g := dropNet(false)
	if SetDropout(g, 0); len(probabilities(g, Dropout)) != 0 {
		t.Error("a dropout of nothing was added")
	}
}

func TestSetStochasticDepth(t *testing.T) {
	g := dropNet(true)
	if !SetStochasticDepth(g, 0.4) {
		t.Fatal("no branches were found")
	}
	if err := Verify(g); err != nil {
		t.Fatal(err)
	}
	if p := probabilities(g, StochasticDepth); len(p) != 2 || p[0] != 0.2 || p[1] != 0.4 {
		t.Errorf("branches are left out with %v", p)
	}
	b := NewBuilder("plain", Shape{4, 4, 3})
	if SetStochasticDepth(b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", 0), 2), "fc"), 0.4) {
		t.Error("a network without branches has some")
	}
}

// Package explain shows where in a picture a network finds a class: Grad-CAM (Selvaraju,
// Cogswell, Das, Vedantam, Parikh and Batra 2017), drawn over the picture; and which pictures
// are most like another by their features.
//
// It cuts a network at its last map of places. An engine runs the lower part, the reference
// engine the upper one and its gradient, since that part is small. It knows graphs, pictures
// and numbers; it knows neither files nor how a model is kept.
package explain

import (
	"graft/internal/engine/ref"
	"graft/internal/graph"
)

// A Cut is a network in two parts, where Grad-CAM looks at it.
type Cut struct {
	Lower *graph.Graph // from the picture; an engine infers it
	Upper *graph.Graph // from Lower's output to the logits

	at int // node of Upper that holds the map
}

// Of cuts a network. See graph.LastMap for where.
func Of(g *graph.Graph) (*Cut, error) {
	lower, upper, at, err := graph.LastMap(g)
	if err != nil {
		return nil, err
	}
	return &Cut{lower, upper, at}, nil
}

// A Map is how much each place of what the network sees speaks for a class: H rows of W
// values from 0 to 1, the largest 1. All are 0 where nothing speaks for it.
type Map struct {
	W, H   int
	Values []float32
}

// Maps are the Grad-CAM maps of samples, each for its class:
//
//	map = max(0, sum over channels c of a[c] A[c]),  a[c] = mean over places of d logit / d A[c]
//
// where A is the last map of places. features are Lower's output of as many samples as there
// are classes; params are the network's, in PyTorch's order.
func (c *Cut) Maps(params [][]float32, features []float32, classes []int) ([]Map, error) {
	s, err := ref.SensitivityOf(c.Upper, params, features, classes, c.at)
	if err != nil {
		return nil, err
	}
	shape := c.Upper.Nodes[c.at].Out
	maps := make([]Map, len(classes))
	for i := range maps {
		n := shape.Len()
		maps[i] = c.gradCAM(shape, s.Value[i*n:(i+1)*n], s.Gradient[i*n:(i+1)*n])
	}
	return maps, nil
}

func (c *Cut) gradCAM(s graph.Shape, value, gradient []float64) Map {
	m := Map{W: s.W, H: s.H}
	if side := c.patches(); side > 0 { // tokens: the first is the class's
		m.W, m.H = side, side
		value, gradient = value[s.C:], gradient[s.C:]
	}
	mean := make([]float64, s.C)
	for j, g := range gradient {
		mean[j%s.C] += g / float64(m.W*m.H)
	}
	m.Values = make([]float32, m.W*m.H)
	most := float32(0)
	for i := range m.Values {
		sum := 0.0
		for ch, a := range mean {
			sum += a * value[i*s.C+ch]
		}
		m.Values[i] = float32(max(0, sum))
		most = max(most, m.Values[i])
	}
	for i := range m.Values {
		if most > 0 {
			m.Values[i] /= most
		}
	}
	return m
}

// patches is the side of the square of patches that tokens stand for, 0 where the network
// has none.
func (c *Cut) patches() int {
	for i := range c.Lower.Nodes {
		if n := &c.Lower.Nodes[i]; n.Op == graph.Tokens {
			return c.Lower.Nodes[n.In[0]].Out.W
		}
	}
	return 0
}

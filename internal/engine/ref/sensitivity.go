package ref

import (
	"fmt"

	"graft/internal/graph"
)

// A Sensitivity is how a logit depends on a node of a network, by sample: the node's
// output, NHWC, and the logit's gradient with respect to it.
type Sensitivity struct {
	Value, Gradient []float64
	Logits          []float64
}

// SensitivityOf runs g, as in evaluation, on as many samples as there are classes, and
// differentiates each sample's logit of its class with respect to the output of node at.
// params are in PyTorch's order; those that no node reads may be nil.
func SensitivityOf(g *graph.Graph, params [][]float32, x []float32, classes []int, at int) (*Sensitivity, error) {
	if err := graph.Verify(g); err != nil {
		return nil, err
	}
	if len(x) < len(classes)*g.Input().Len() {
		return nil, fmt.Errorf("reference engine: %d values are no %d samples of %v", len(x), len(classes), g.Input())
	}
	for _, c := range classes {
		if c < 0 || c >= g.Classes() {
			return nil, fmt.Errorf("class %d of %d", c, g.Classes())
		}
	}
	step, to := graph.GradOfLogits(g, at)
	if to == 0 {
		return nil, fmt.Errorf("network %s: its logits do not depend on %s", g.Name, g.Nodes[at].Name)
	}
	net := &network{g: g, params: make([][]float64, len(g.Params))}
	for _, n := range g.Nodes {
		for _, i := range n.Params {
			net.params[i] = make([]float64, g.Params[i].Len())
			widen(net.params[i], params[i])
		}
	}
	p := &pass{net: net, g: step, n: len(classes), outer: func(_, dy []float64) {
		for i, c := range classes {
			dy[i*g.Classes()+c] = 1
		}
	}}
	p.run(x)
	return &Sensitivity{Value: p.values[at], Gradient: p.values[to], Logits: p.values[g.Logits]}, nil
}

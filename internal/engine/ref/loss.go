package ref

import (
	"math"

	"graft/internal/graph"
)

// crossEntropy is -log softmax(x)[label], summed over the samples; y gets its
// gradient times the pass's scale, softmax(x) - onehot(label).
func (p *pass) crossEntropy(n *graph.Node, x, y []float64) {
	c := n.Out.C
	for i := range p.n {
		z, d := x[i*c:][:c], y[i*c:][:c]
		best, label := 0, int(p.labels[i])
		for j, v := range z {
			if v > z[best] {
				best = j
			}
		}
		if best == label {
			p.right++
		}
		sum := 0.0
		for _, v := range z {
			sum += math.Exp(v - z[best])
		}
		p.loss += math.Log(sum) + z[best] - z[label]
		for j, v := range z {
			d[j] = math.Exp(v-z[best]) / sum * p.scale
		}
		d[label] -= p.scale
	}
}

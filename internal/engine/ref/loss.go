package ref

import (
	"math"

	"graft/internal/graph"
)

// crossEntropy is the sum over the classes of -target x log softmax(x), summed over
// the samples; y gets its gradient times the pass's scale, softmax(x) x the
// targets' sum - target.
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
		all := 0.0
		for j := range z {
			target := p.soft.Target(i, label, j, c)
			all += target
			p.loss += target * (math.Log(sum) + z[best] - z[j])
			d[j] = -target * p.scale
		}
		for j, v := range z {
			d[j] += all * math.Exp(v-z[best]) / sum * p.scale
		}
	}
}

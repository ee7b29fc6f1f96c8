package ref

import (
	"math"

	"graft/internal/engine"
)

// Update is the engine's formula, value by value.
func (n *network) Update(u engine.Update) {
	scale := float64(u.Scale)
	if scale == 0 {
		scale = 1
	}
	for i, w := range n.params {
		if !n.trained[i] {
			continue
		}
		momentum, variance, average, anchor := n.slots[engine.Momentum][i], n.slots[engine.Variance][i], n.slots[engine.Average][i], n.slots[engine.Anchor][i]
		rate, decay, mu, pull := float64(u.Rate[i]), float64(u.Decay[i]), float64(u.Momentum), 0.0
		if u.Anchor != nil {
			pull = float64(u.Anchor[i])
		}
		for j := range w {
			g := n.grads[i][j] * scale
			toward := decay*w[j] + pull*(w[j]-anchor[j])
			if u.Adam {
				b2 := float64(u.Beta2)
				w[j] -= rate * toward
				momentum[j] = mu*momentum[j] + (1-mu)*g
				variance[j] = b2*variance[j] + (1-b2)*g*g
				m, v := momentum[j]/(1-math.Pow(mu, float64(u.Step))), variance[j]/(1-math.Pow(b2, float64(u.Step)))
				w[j] -= rate * m / (math.Sqrt(v) + float64(u.Eps))
			} else {
				d := g + toward
				momentum[j] = mu*momentum[j] + d
				if u.Nesterov {
					w[j] -= rate * (d + mu*momentum[j])
				} else {
					w[j] -= rate * momentum[j]
				}
			}
			if u.Average != 0 {
				average[j] += (1 - float64(u.Average)) * (w[j] - average[j])
			}
		}
	}
}

func (n *network) GradientNorm() float64 {
	sum := 0.0
	for i, g := range n.grads {
		if n.trained[i] {
			for _, v := range g {
				sum += v * v
			}
		}
	}
	return math.Sqrt(sum)
}

func (n *network) Swap() {
	for i := range n.params {
		if n.trained[i] {
			n.params[i], n.slots[engine.Average][i] = n.slots[engine.Average][i], n.params[i]
		}
	}
}

func (n *network) LoadSlot(s engine.Slot, i int, src []float32) { widen(n.slots[s][i], src) }
func (n *network) ReadSlot(s engine.Slot, i int, dst []float32) { narrow(dst, n.slots[s][i]) }

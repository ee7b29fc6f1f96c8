package cpu

import (
	"math"
	"unsafe"
)

// A lossTask is the cross-entropy of softmax(logits) against the labels and
// its gradient, softmax - onehot, times the pass's scale. One item: the logits
// are few, and their sum is taken in order.
type lossTask struct {
	net            *network
	logits, dlogit *tensor
}

func (t *lossTask) items(int) int { return 1 }

func (t *lossTask) run(_ *worker, _, n int) {
	net, c := t.net, t.logits.c
	net.result.Loss, net.result.Correct = 0, 0
	for i := range n {
		z := unsafe.Slice((*float32)(t.logits.row(i)), t.logits.cp)[:c]
		d := unsafe.Slice((*float32)(t.dlogit.row(i)), t.dlogit.cp)
		copy(net.logits[i*c:(i+1)*c], z)
		label := int(net.labels[i])
		best := 0
		for j, v := range z {
			if v > z[best] {
				best = j
			}
		}
		if best == label {
			net.result.Correct++
		}
		largest, sum := float64(z[best]), 0.0
		for _, v := range z {
			sum += math.Exp(float64(v) - largest)
		}
		net.result.Loss += math.Log(sum) + largest - float64(z[label])
		for j, v := range z {
			p := math.Exp(float64(v)-largest) / sum
			if j == label {
				p--
			}
			d[j] = float32(p * float64(net.scale))
		}
		clear(d[c:])
	}
}

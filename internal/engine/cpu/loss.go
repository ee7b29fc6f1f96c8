package cpu

import (
	"math"
	"unsafe"

	"graft/internal/engine"
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
		if !net.soft.Hard() {
			net.result.Loss += softLoss(&net.soft, i, label, z, d, largest, sum, float64(net.scale))
			clear(d[c:])
			continue
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

// softLoss is a sample's cross-entropy against soft targets; d gets its gradient, softmax x
// the targets' sum - target, times scale. sum is that of exp(z - largest).
func softLoss(soft *engine.Soft, i, label int, z, d []float32, largest, sum, scale float64) (loss float64) {
	all := 0.0
	for j, v := range z {
		target := soft.Target(i, label, j, len(z))
		all += target
		loss += target * (math.Log(sum) + largest - float64(v))
	}
	for j, v := range z {
		p := math.Exp(float64(v)-largest) / sum
		d[j] = float32((p*all - soft.Target(i, label, j, len(z))) * scale)
	}
	return loss
}

package train

import (
	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// Parts is how many parts a batch of n is cut into where a network takes at
// most so many samples at once; 0 is no limit.
func Parts(n, most int) int {
	if most <= 0 || n <= most {
		return 1
	}
	return (n + most - 1) / most
}

// gradients computes a batch's gradients in parts as equal as can be, their
// sums accumulated: what the whole batch gives but for rounding, dropout
// included. Batch normalisation takes its statistics of each part, and its running
// statistics follow every one.
func gradients(net engine.Network, b *dataset.Batch, pass engine.Pass, most int) (engine.Result, error) {
	parts := Parts(b.N, most)
	if parts == 1 {
		return net.Gradients(engine.Batch{X: b.X, Labels: b.Labels, N: b.N}, pass)
	}
	if pass.Scale == 0 {
		pass.Scale = 1 / float32(b.N)
	}
	var all engine.Result
	size, soft := len(b.X)/b.N, pass.Soft
	for i := range parts {
		from, to := b.N*i/parts, b.N*(i+1)/parts
		pass.First, pass.Accumulate = from, i > 0
		if soft.Mixed != nil {
			pass.Soft.Mixed, pass.Soft.Share = soft.Mixed[from:to], soft.Share[from:to]
		}
		r, err := net.Gradients(engine.Batch{X: b.X[from*size : to*size], Labels: b.Labels[from:to], N: to - from}, pass)
		if err != nil {
			return all, err
		}
		all.Loss += r.Loss
		all.Correct += r.Correct
	}
	return all, nil
}

// Normalises reports whether training g takes statistics of batches, so that
// parts of a batch do not give what the whole gives.
func Normalises(g *graph.Graph) bool {
	for i := range g.Nodes {
		if g.Nodes[i].Op == graph.BatchNorm && !g.Nodes[i].Frozen {
			return true
		}
	}
	return false
}

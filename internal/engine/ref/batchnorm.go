package ref

import (
	"math"

	"graft/internal/graph"
)

// normStats are a BatchNorm's mean and 1/deviation in one pass, by channel.
type normStats struct{ mean, inv []float64 }

// batchNorm is y = (x - mean) / sqrt(var + eps) * weight + bias; in training by
// the batch's statistics, which the running ones follow, the variance unbiased.
func (p *pass) batchNorm(i int, n *graph.Node, x, y []float64) {
	c := n.Out.C
	weight, bias := p.net.params[n.Params[0]], p.net.params[n.Params[1]]
	runMean, runVar := p.net.params[n.Params[2]], p.net.params[n.Params[3]]
	s := &normStats{make([]float64, c), make([]float64, c)}
	p.norms[i] = s
	m := float64(len(x) / c)
	variance := make([]float64, c)
	if p.train && !n.Frozen {
		for j, v := range x {
			s.mean[j%c] += v / m
		}
		for j, v := range x {
			d := v - s.mean[j%c]
			variance[j%c] += d * d / m
		}
		for ch := range c {
			runMean[ch] += n.Decay * (s.mean[ch] - runMean[ch])
			runVar[ch] += n.Decay * (variance[ch]*m/max(m-1, 1) - runVar[ch])
		}
	} else {
		copy(s.mean, runMean)
		copy(variance, runVar)
	}
	for ch := range c {
		s.inv[ch] = 1 / math.Sqrt(variance[ch]+n.Eps)
	}
	for j, v := range x {
		ch := j % c
		y[j] = (v-s.mean[ch])*s.inv[ch]*weight[ch] + bias[ch]
	}
}

// sums are sum(dy) and sum(dy * (x - mean)/deviation) by channel.
func (p *pass) sums(of int, f *graph.Node, dy []float64) (sum, dot []float64) {
	c, s, x := f.Out.C, p.norms[of], p.values[f.In[0]]
	sum, dot = make([]float64, c), make([]float64, c)
	for j, g := range dy {
		ch := j % c
		sum[ch] += g
		dot[ch] += g * (x[j] - s.mean[ch]) * s.inv[ch]
	}
	return sum, dot
}

func (p *pass) batchNormParams(of int, f *graph.Node, dy []float64) {
	sum, dot := p.sums(of, f, dy)
	for ch := range sum {
		p.net.grads[f.Params[0]][ch] += dot[ch]
		p.net.grads[f.Params[1]][ch] += sum[ch]
	}
}

// batchNormInput is dx = weight/deviation * (dy - mean(dy) - xhat*mean(dy*xhat)).
func (p *pass) batchNormInput(of int, f *graph.Node, dy, dx []float64) {
	c, s, x := f.Out.C, p.norms[of], p.values[f.In[0]]
	weight := p.net.params[f.Params[0]]
	sum, dot := p.sums(of, f, dy)
	if f.Frozen {
		clear(sum)
		clear(dot)
	}
	m := float64(len(dy) / c)
	for j, g := range dy {
		ch := j % c
		xhat := (x[j] - s.mean[ch]) * s.inv[ch]
		dx[j] = weight[ch] * s.inv[ch] * (g - sum[ch]/m - xhat*dot[ch]/m)
	}
}

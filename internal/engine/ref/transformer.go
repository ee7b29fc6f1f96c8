package ref

import (
	"math"

	"graft/internal/graph"
)

// layerNorm is y = (x - mean) / sqrt(var + eps) * weight + bias over each pixel's channels.
func (p *pass) layerNorm(n *graph.Node, x, y []float64) {
	weight, bias, c := p.net.params[n.Params[0]], p.net.params[n.Params[1]], n.Out.C
	for at := 0; at < len(x); at += c {
		for j, v := range normalized(x[at:at+c], n.Eps) {
			y[at+j] = v*weight[j] + bias[j]
		}
	}
}

// normalized is a row with mean 0 and deviation 1.
func normalized(row []float64, eps float64) []float64 {
	inv, mean := rowStats(row, eps)
	out := make([]float64, len(row))
	for j, v := range row {
		out[j] = (v - mean) * inv
	}
	return out
}

func rowStats(row []float64, eps float64) (inv, mean float64) {
	c, variance := float64(len(row)), 0.0
	for _, v := range row {
		mean += v / c
	}
	for _, v := range row {
		variance += (v - mean) * (v - mean) / c
	}
	return 1 / math.Sqrt(variance+eps), mean
}

// layerNormInput is dx = (g - mean(g) - xhat*mean(g*xhat)) / deviation, with g = dy*weight.
func (p *pass) layerNormInput(f *graph.Node, dy, dx []float64) {
	x, weight, c := p.values[f.In[0]], p.net.params[f.Params[0]], f.Out.C
	for at := 0; at < len(x); at += c {
		row := x[at : at+c]
		inv, _ := rowStats(row, f.Eps)
		xhat := normalized(row, f.Eps)
		sum, dot := 0.0, 0.0
		for j, h := range xhat {
			g := dy[at+j] * weight[j]
			sum += g / float64(c)
			dot += g * h / float64(c)
		}
		for j, h := range xhat {
			dx[at+j] = (dy[at+j]*weight[j] - sum - h*dot) * inv
		}
	}
}

func (p *pass) layerNormParams(f *graph.Node, dy []float64) {
	x, c := p.values[f.In[0]], f.Out.C
	for at := 0; at < len(x); at += c {
		for j, h := range normalized(x[at:at+c], f.Eps) {
			p.net.grads[f.Params[0]][j] += dy[at+j] * h
			p.net.grads[f.Params[1]][j] += dy[at+j]
		}
	}
}

// layerScale multiplies each channel by its factor; so does its gradient.
func (p *pass) layerScale(n *graph.Node, x, y []float64) {
	for j, v := range x {
		y[j] = v * p.net.params[n.Params[0]][j%n.Out.C]
	}
}

// tokens puts the class token before the pixels and adds the positions.
func (p *pass) tokens(n *graph.Node, x, y []float64) {
	c, size := n.Out.C, n.Out.Len()
	for img := range p.n {
		row := y[img*size:][:size]
		copy(row, p.net.params[n.Params[0]])
		copy(row[c:], x[img*(size-c):])
		for j, v := range p.net.params[n.Params[1]] {
			row[j] += v
		}
	}
}

func (p *pass) tokensParams(f *graph.Node, dy []float64) {
	size := f.Out.Len()
	for j, g := range dy {
		p.net.grads[f.Params[1]][j%size] += g
		if j%size < f.Out.C {
			p.net.grads[f.Params[0]][j%size] += g
		}
	}
}

// A head is one head of one sample: token t has its query, key and value, each of
// width d, in a row of the input.
type head struct{ tokens, c, d, in, out int }

func (p *pass) heads(n *graph.Node, visit func(h head)) {
	c, tokens := n.Out.C, n.Out.W
	parallel(p.n*n.Heads, func(i int) {
		img, k := i/n.Heads, i%n.Heads
		d := c / n.Heads
		visit(head{tokens, c, d, img*tokens*3*c + k*d, img*tokens*c + k*d})
	})
}

func (h head) q(x []float64, t int) []float64 { return x[h.in+t*3*h.c:][:h.d] }
func (h head) k(x []float64, t int) []float64 { return x[h.in+t*3*h.c+h.c:][:h.d] }
func (h head) v(x []float64, t int) []float64 { return x[h.in+t*3*h.c+2*h.c:][:h.d] }
func (h head) y(y []float64, t int) []float64 { return y[h.out+t*h.c:][:h.d] }

func dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func axpy(y []float64, a float64, x []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

// weights are token t's: the softmax over the tokens of its query times their keys.
func (h head) weights(x []float64, t int) []float64 {
	w, most, sum := make([]float64, h.tokens), math.Inf(-1), 0.0
	for s := range w {
		w[s] = dot(h.q(x, t), h.k(x, s)) / math.Sqrt(float64(h.d))
		most = max(most, w[s])
	}
	for s := range w {
		w[s] = math.Exp(w[s] - most)
		sum += w[s]
	}
	for s := range w {
		w[s] /= sum
	}
	return w
}

func (p *pass) attention(n *graph.Node, x, y []float64) {
	p.heads(n, func(h head) {
		for t := range h.tokens {
			for s, w := range h.weights(x, t) {
				axpy(h.y(y, t), w, h.v(x, s))
			}
		}
	})
}

// attentionInput: dv = w dy, ds = w (dy v - sum(w dy v)), dq = ds k, dk = ds q, the last two over sqrt(d).
func (p *pass) attentionInput(f *graph.Node, dy, dx []float64) {
	x := p.values[f.In[0]]
	p.heads(f, func(h head) {
		scale := 1 / math.Sqrt(float64(h.d))
		for t := range h.tokens {
			w, g := h.weights(x, t), h.y(dy, t)
			mean := 0.0
			for s := range w {
				mean += w[s] * dot(g, h.v(x, s))
			}
			for s := range w {
				axpy(h.v(dx, s), w[s], g)
				ds := w[s] * (dot(g, h.v(x, s)) - mean) * scale
				axpy(h.q(dx, t), ds, h.k(x, s))
				axpy(h.k(dx, s), ds, h.q(x, t))
			}
		}
	})
}

package ref

import "graft/internal/graph"

// A window visits, for every output pixel, the input pixels under it.
type window struct {
	in, out     graph.Shape
	k, s, p     int
	groups      int
	cin, cout   int // a group
	weightFloor int // values of an output channel
}

func (p *pass) window(n *graph.Node) window {
	w := window{in: p.g.Nodes[n.In[0]].Out, out: n.Out, k: n.Window.Kernel, s: n.Window.Stride, p: n.Window.Pad, groups: n.Window.Groups}
	if n.Op == graph.Linear {
		w.k, w.s, w.groups = 1, 1, 1
	}
	w.cin, w.cout = w.in.C/w.groups, w.out.C/w.groups
	w.weightFloor = w.cin * w.k * w.k
	return w
}

// each calls visit with the offset in the input of the first channel under tap
// t of output pixel (h, x), for those that are no padding.
func (w *window) each(h, x int, visit func(t, at int)) {
	for t := range w.k * w.k {
		ih, iw := h*w.s-w.p+t/w.k, x*w.s-w.p+t%w.k
		if uint(ih) < uint(w.in.H) && uint(iw) < uint(w.in.W) {
			visit(t, (ih*w.in.W+iw)*w.in.C)
		}
	}
}

// conv is y[o] = b[o] + sum over c, taps of w[o][c][tap] x[c].
func (p *pass) conv(n *graph.Node, x, y []float64) {
	w := p.window(n)
	weight := p.net.params[n.Params[0]]
	parallel(p.n, func(img int) {
		in, out := x[img*w.in.Len():], y[img*w.out.Len():]
		for h := range w.out.H {
			for v := range w.out.W {
				row := out[(h*w.out.W+v)*w.out.C:][:w.out.C]
				if len(n.Params) > 1 {
					copy(row, p.net.params[n.Params[1]])
				}
				w.each(h, v, func(t, at int) {
					for o := range row {
						px := in[at+o/w.cout*w.cin:][:w.cin]
						k := weight[o*w.weightFloor+t:]
						for c, value := range px {
							row[o] += value * k[c*w.k*w.k]
						}
					}
				})
			}
		}
	})
}

// convInput is dx[c] = sum over o, taps of w[o][c][tap] dy[o].
func (p *pass) convInput(f *graph.Node, dy, dx []float64) {
	w := p.window(f)
	weight := p.net.params[f.Params[0]]
	parallel(p.n, func(img int) {
		in, out := dx[img*w.in.Len():], dy[img*w.out.Len():]
		for h := range w.out.H {
			for v := range w.out.W {
				row := out[(h*w.out.W+v)*w.out.C:][:w.out.C]
				w.each(h, v, func(t, at int) {
					for o, g := range row {
						px := in[at+o/w.cout*w.cin:][:w.cin]
						k := weight[o*w.weightFloor+t:]
						for c := range px {
							px[c] += g * k[c*w.k*w.k]
						}
					}
				})
			}
		}
	})
}

// convParams is dw[o][c][tap] = sum over pixels of dy[o] x[c], db[o] = sum of dy[o].
func (p *pass) convParams(f *graph.Node, x, dy []float64) {
	w := p.window(f)
	dw := p.net.grads[f.Params[0]]
	parallel(w.out.C, func(o int) {
		grad := dw[o*w.weightFloor:][:w.weightFloor]
		bias := 0.0
		for img := range p.n {
			in, out := x[img*w.in.Len():], dy[img*w.out.Len():]
			for h := range w.out.H {
				for v := range w.out.W {
					g := out[(h*w.out.W+v)*w.out.C+o]
					bias += g
					w.each(h, v, func(t, at int) {
						for c, value := range in[at+o/w.cout*w.cin:][:w.cin] {
							grad[c*w.k*w.k+t] += g * value
						}
					})
				}
			}
		}
		if len(f.Params) > 1 {
			p.net.grads[f.Params[1]][o] += bias
		}
	})
}

package ref

import "graft/internal/graph"

// maxPool is the maximum under each window, of padding none; the first of equal
// ones gets the gradient, as in PyTorch.
func (p *pass) maxPool(i int, n *graph.Node, x, y []float64) {
	w := window{in: p.g.Nodes[n.In[0]].Out, out: n.Out, k: n.Window.Kernel, s: n.Window.Stride, p: n.Window.Pad}
	args := make([]int32, len(y))
	p.args[i] = args
	for img := range p.n {
		base := img * w.in.Len()
		for h := range w.out.H {
			for v := range w.out.W {
				for c := range w.out.C {
					j := img*w.out.Len() + (h*w.out.W+v)*w.out.C + c
					first := true
					w.each(h, v, func(_, at int) {
						value := x[base+at+c]
						if first || value > y[j] || value != value {
							y[j], args[j], first = value, int32(base+at+c), false
						}
					})
				}
			}
		}
	}
}

// avgPool is the mean over all pixels of a sample.
func (p *pass) avgPool(n *graph.Node, x, y []float64) {
	in := p.g.Nodes[n.In[0]].Out
	for j, v := range x {
		y[j/in.Len()*in.C+j%in.C] += v / float64(in.H*in.W)
	}
}

func (p *pass) avgPoolInput(f *graph.Node, dy, dx []float64) {
	in := p.g.Nodes[f.In[0]].Out
	for j := range dx {
		dx[j] = dy[j/in.Len()*in.C+j%in.C] / float64(in.H*in.W)
	}
}

package ref

import (
	"graft/internal/engine"
	"graft/internal/graph"
)

// dropout zeroes values by engine.Keep in training and scales the rest by 1/(1-P).
func (p *pass) dropout(i int, n *graph.Node, x, y []float64) {
	if !p.train {
		copy(y, x)
		return
	}
	key := engine.DropoutKey(p.seed, i)
	for j, v := range x {
		if engine.Keep(key, p.first*n.Out.Len()+j, n.P) {
			y[j] = v / (1 - n.P)
		}
	}
}

// stochasticDepth is dropout of whole samples.
func (p *pass) stochasticDepth(i int, n *graph.Node, x, y []float64) {
	if !p.train {
		copy(y, x)
		return
	}
	key, size := engine.DropoutKey(p.seed, i), n.Out.Len()
	for j, v := range x {
		if engine.Keep(key, p.first+j/size, n.P) {
			y[j] = v / (1 - n.P)
		}
	}
}

// mul scales every pixel of a sample by the sample's s, channel by channel.
func (p *pass) mul(n *graph.Node, x, s, y []float64) {
	c, size := n.Out.C, n.Out.Len()
	for j, v := range x {
		y[j] = v * s[j/size*c+j%c]
	}
}

func (p *pass) mulInput(f *graph.Node, arg int, dy, dx []float64) {
	if arg == 0 {
		p.mul(f, dy, p.values[f.In[1]], dx)
		return
	}
	c, size := f.Out.C, f.Out.Len()
	for j, v := range p.values[f.In[0]] {
		dx[j/size*c+j%c] += v * dy[j]
	}
}

// concat puts the channels of its inputs side by side.
func (p *pass) concat(n *graph.Node, y []float64) {
	at := 0
	for _, in := range n.In {
		c := p.g.Nodes[in].Out.C
		for px := range p.n * n.Out.H * n.Out.W {
			copy(y[px*n.Out.C+at:][:c], p.values[in][px*c:])
		}
		at += c
	}
}

func (p *pass) concatInput(f *graph.Node, arg int, dy, dx []float64) {
	at := 0
	for _, in := range f.In[:arg] {
		at += p.g.Nodes[in].Out.C
	}
	c := p.g.Nodes[f.In[arg]].Out.C
	for px := range p.n * f.Out.H * f.Out.W {
		copy(dx[px*c:][:c], dy[px*f.Out.C+at:])
	}
}

// shortcut takes every Stride-th pixel and pads the channels evenly with zeros.
func (p *pass) shortcut(n *graph.Node, x, y []float64) {
	p.shortcutPixels(n, func(from, to, c int) { copy(y[to:to+c], x[from:]) })
}

func (p *pass) shortcutInput(f *graph.Node, dy, dx []float64) {
	p.shortcutPixels(f, func(from, to, c int) { copy(dx[from:from+c], dy[to:]) })
}

func (p *pass) shortcutPixels(n *graph.Node, visit func(from, to, c int)) {
	in, out, s := p.g.Nodes[n.In[0]].Out, n.Out, n.Window.Stride
	for img := range p.n {
		for h := range out.H {
			for w := range out.W {
				visit(img*in.Len()+(h*s*in.W+w*s)*in.C, img*out.Len()+(h*out.W+w)*out.C+(out.C-in.C)/2, in.C)
			}
		}
	}
}

package graph

import "fmt"

// Verify checks what every engine relies on: inputs stand before their users,
// shapes follow from the operations, parameters have their roles and shapes,
// names are unique. It is the specification of a graph in executable form.
func Verify(g *Graph) error {
	if len(g.Nodes) < 2 || g.Nodes[0].Op != Input {
		return fmt.Errorf("graph %s: the first node must be the input", g.Name)
	}
	names := map[string]bool{}
	for _, p := range g.Params {
		if names[p.Name] {
			return fmt.Errorf("graph %s: parameter %s stands twice", g.Name, p.Name)
		}
		names[p.Name] = true
	}
	for i := range g.Nodes {
		if err := verifyNode(g, i); err != nil {
			return fmt.Errorf("graph %s: node %d, %s%s %q: %w", g.Name, i, g.Nodes[i].Op, g.Nodes[i].Kind, g.Nodes[i].Name, err)
		}
	}
	if o := g.Nodes[g.Logits].Out; !g.Features && (o.H != 1 || o.W != 1) {
		return fmt.Errorf("graph %s: logits are %dx%dx%d, not 1x1xclasses", g.Name, o.H, o.W, o.C)
	}
	return nil
}

func verifyNode(g *Graph, i int) error {
	n := &g.Nodes[i]
	for _, j := range n.In {
		if j < 0 || j >= i {
			return fmt.Errorf("reads node %d, which is not before it", j)
		}
	}
	if n.Kind == Forward && (n.Out.H < 1 || n.Out.W < 1 || n.Out.C < 1) {
		return fmt.Errorf("empty output %dx%dx%d: the picture is too small for this network", n.Out.H, n.Out.W, n.Out.C)
	}
	if n.Kind != Forward {
		return verifyGradient(g, i)
	}
	if want := inputs(n.Op); want >= 0 && len(n.In) != want {
		return fmt.Errorf("has %d inputs, needs %d", len(n.In), want)
	}
	if n.Op == Input {
		return nil
	}
	in := g.Nodes[n.In[0]].Out
	want := in
	switch n.Op {
	case Conv:
		want = n.Window.output(in)
		want.C = n.Out.C
		if w := n.Window; w.Same && (w.Pad != w.before(in.H) || w.Pad != w.before(in.W)) {
			return fmt.Errorf("padding %d is not what a %dx%d input asks for", w.Pad, in.H, in.W)
		}
		if n.Window.Groups < 1 || in.C%n.Window.Groups != 0 || n.Out.C%n.Window.Groups != 0 {
			return fmt.Errorf("%d groups do not divide %d and %d channels", n.Window.Groups, in.C, n.Out.C)
		}
		if err := hasShape(g, n, 0, n.Out.C, in.C/n.Window.Groups, n.Window.Kernel, n.Window.Kernel); err != nil {
			return err
		}
	case Linear:
		want.C = n.Out.C
		if err := hasShape(g, n, 0, n.Out.C, in.C); err != nil {
			return err
		}
	case BatchNorm:
		if len(n.Params) != 4 {
			return fmt.Errorf("has %d parameters, needs 4", len(n.Params))
		}
		for k := range n.Params {
			if err := hasShape(g, n, k, in.C); err != nil {
				return err
			}
		}
	case LayerNorm, LayerScale, Tokens, Attention, FirstToken:
		var err error
		if want, err = verifyTransformer(g, n, in); err != nil {
			return err
		}
	case MaxPool:
		want = n.Window.output(in)
	case GlobalAvgPool:
		want = Shape{1, 1, in.C}
	case Add:
		if o := g.Nodes[n.In[1]].Out; o != in {
			return fmt.Errorf("adds %v and %v", in, o)
		}
	case Mul:
		if s := g.Nodes[n.In[1]].Out; s != (Shape{1, 1, in.C}) {
			return fmt.Errorf("scales %v by %v, which is not 1x1x%d", in, s, in.C)
		}
	case Concat:
		want.C = 0
		for _, j := range n.In {
			o := g.Nodes[j].Out
			if o.H != in.H || o.W != in.W {
				return fmt.Errorf("joins %v and %v", in, o)
			}
			want.C += o.C
		}
	case Shortcut:
		want = n.Window.output(in)
		want.C = n.Out.C
		if d := n.Out.C - in.C; d < 0 || d%2 != 0 {
			return fmt.Errorf("cannot pad %d channels evenly to %d", in.C, n.Out.C)
		}
	}
	if n.Out != want {
		return fmt.Errorf("output is %v, its inputs give %v", n.Out, want)
	}
	return nil
}

// verifyTransformer checks an operation that transformers brought and returns the
// output that its input gives.
func verifyTransformer(g *Graph, n *Node, in Shape) (Shape, error) {
	switch n.Op {
	case LayerNorm:
		for k := range 2 {
			if err := hasShape(g, n, k, in.C); err != nil {
				return in, err
			}
		}
	case LayerScale:
		return in, hasShape(g, n, 0, in.C, 1, 1)
	case Tokens:
		t := in.H*in.W + 1
		if err := hasShape(g, n, 0, 1, 1, in.C); err != nil {
			return in, err
		}
		return Shape{1, t, in.C}, hasShape(g, n, 1, 1, t, in.C)
	case Attention:
		if n.Heads < 1 || in.C%(3*n.Heads) != 0 || in.H != 1 {
			return in, fmt.Errorf("%d heads do not cut %v into queries, keys and values", n.Heads, in)
		}
		in.C /= 3
	case FirstToken:
		return Shape{1, 1, in.C}, nil
	}
	return in, nil
}

func verifyGradient(g *Graph, i int) error {
	n := &g.Nodes[i]
	f := &g.Nodes[n.Of]
	if n.Of >= i || f.Kind != Forward || f.Op != n.Op {
		return fmt.Errorf("is no gradient of node %d, %s", n.Of, f.Op)
	}
	if dy := g.Nodes[n.In[0]].Out; dy != f.Out {
		return fmt.Errorf("reads a gradient of %v, the output is %v", dy, f.Out)
	}
	if n.Kind == InputGrad && n.Out != g.Nodes[f.In[n.Arg]].Out {
		return fmt.Errorf("gives %v, the input is %v", n.Out, g.Nodes[f.In[n.Arg]].Out)
	}
	return nil
}

func hasShape(g *Graph, n *Node, k int, shape ...int) error {
	if k >= len(n.Params) {
		return fmt.Errorf("lacks parameter %d", k)
	}
	p := g.Params[n.Params[k]]
	if len(p.Shape) == len(shape) {
		same := true
		for i := range shape {
			same = same && p.Shape[i] == shape[i]
		}
		if same {
			return nil
		}
	}
	return fmt.Errorf("parameter %s has shape %v, needs %v", p.Name, p.Shape, shape)
}

// inputs is the number of inputs an operation has, -1 for any.
func inputs(op Op) int {
	switch op {
	case Input:
		return 0
	case Add, Mul:
		return 2
	case Concat:
		return -1
	}
	return 1
}

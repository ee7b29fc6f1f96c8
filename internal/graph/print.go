package graph

import (
	"fmt"
	"strings"
)

// String lists the nodes, one a line: number, operation, name, inputs, window,
// output, parameters.
func (g *Graph) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %dx%dx%d -> %d classes\n", g.Name, g.Input().H, g.Input().W, g.Input().C, g.Classes())
	for i := range g.Nodes {
		n := &g.Nodes[i]
		fmt.Fprintf(&b, "%4d %s%s %s", i, n.Op, n.Kind, n.Name)
		if len(n.In) > 0 {
			fmt.Fprintf(&b, " %v", n.In)
		}
		if w := n.Window; w.Kernel > 0 && n.Kind == Forward {
			fmt.Fprintf(&b, " k%d s%d p%d", w.Kernel, w.Stride, w.Pad)
			if w.Groups > 1 {
				fmt.Fprintf(&b, " g%d", w.Groups)
			}
			if w.Ceil {
				b.WriteString(" ceil")
			}
			if w.Same {
				b.WriteString(" same")
			}
		}
		if n.Heads > 0 && n.Kind == Forward {
			fmt.Fprintf(&b, " %d heads", n.Heads)
		}
		if n.Frozen && n.Kind == Forward {
			b.WriteString(" frozen")
		}
		if n.Kind != ParamGrad {
			fmt.Fprintf(&b, " -> %dx%dx%d", n.Out.H, n.Out.W, n.Out.C)
		}
		if n.Kind == Forward {
			for _, p := range n.Params {
				fmt.Fprintf(&b, " %v", g.Params[p].Shape)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// MACs is the multiply-adds of a forward node for one picture, as torchvision
// counts them: convolutions, linear layers and attention's two products.
func (g *Graph) MACs(node int) int64 {
	n := &g.Nodes[node]
	if n.Kind == Forward && n.Op == Attention {
		return 2 * int64(n.Out.W) * int64(n.Out.Len())
	}
	if n.Kind != Forward || n.Op != Conv && n.Op != Linear {
		return 0
	}
	weight := g.Params[n.Params[0]]
	return int64(n.Out.H*n.Out.W) * int64(weight.Len())
}

// Counts is the number of parameters, buffers left out, and of multiply-adds of
// one picture's forward pass.
func Counts(g *Graph) (params int, macs int64) {
	for _, p := range g.Params {
		if !p.Buffer() {
			params += p.Len()
		}
	}
	for i := range g.Nodes {
		macs += g.MACs(i)
	}
	return params, macs
}

// A Block is a top-level part of a network: a stage, as its author names it.
type Block struct {
	Name   string
	Out    Shape
	Params int
	MACs   int64
}

// Blocks are the parts of a network in order: what names have before their
// first dot, or their second inside torchvision's `features`.
func Blocks(g *Graph) []Block {
	var list []Block
	at := map[string]int{}
	for i := 1; i < len(g.Nodes); i++ {
		n := &g.Nodes[i]
		if n.Kind != Forward || n.Op == CrossEntropy {
			continue
		}
		name := blockName(n.Name)
		k, ok := at[name]
		if !ok {
			k = len(list)
			at[name] = k
			list = append(list, Block{Name: name})
		}
		b := &list[k]
		b.Out = n.Out
		b.MACs += g.MACs(i)
		for _, p := range n.Params {
			if !g.Params[p].Buffer() {
				b.Params += g.Params[p].Len()
			}
		}
	}
	return list
}

// activations are the last parts of names that Builder derives.
var activations = func() map[string]bool {
	names := map[string]bool{}
	for op := ReLU; op.Activation(); op++ {
		names[strings.ToLower(op.String())] = true
	}
	return names
}()

// BlockOf is the name of the block that a node belongs to.
func BlockOf(node string) string { return blockName(node) }

func blockName(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 && activations[name[i+1:]] {
		name = name[:i]
	}
	parts := strings.Split(name, ".")
	if parts[0] == "features" && len(parts) > 1 {
		return parts[0] + "." + parts[1]
	}
	if parts[0] == "encoder" && len(parts) > 2 { // Vision Transformer: encoder.layers.encoder_layer_0
		return strings.Join(parts[:3], ".")
	}
	return parts[0]
}

package graft

import (
	"math"

	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
)

// A mirrored network answers for a picture and its mirror image: its logits are
// the logarithms of the mean probabilities.
type mirrored struct {
	engine.Network
	in      graph.Shape
	classes int
	x, out  []float32
}

func newMirrored(net engine.Network, g *graph.Graph, batch, classes int) *mirrored {
	return &mirrored{net, g.Input(), classes, make([]float32, batch*g.Input().Len()), make([]float32, batch*classes)}
}

// Infer runs both.
func (m *mirrored) Infer(x []float32, n int, logits []float32) error {
	row := m.in.W * m.in.C
	for at := 0; at < n*m.in.Len(); at += row {
		for px := 0; px < row; px += m.in.C {
			copy(m.x[at+row-m.in.C-px:][:m.in.C], x[at+px:])
		}
	}
	if err := m.Network.Infer(m.x, n, m.out); err != nil {
		return err
	}
	if err := m.Network.Infer(x, n, logits); err != nil {
		return err
	}
	for i := range n {
		a, b := logits[i*m.classes:(i+1)*m.classes], m.out[i*m.classes:(i+1)*m.classes]
		eval.Softmax(a)
		eval.Softmax(b)
		for k := range a {
			a[k] = float32(math.Log(max((float64(a[k])+float64(b[k]))/2, 1e-30)))
		}
	}
	return nil
}

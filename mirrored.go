package graft

import (
	"math"

	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
)

// A mirrored network answers for a picture and its mirror image: its logits are
// the logarithms of the mean probabilities, and features behind them are means.
type mirrored struct {
	engine.Network
	in      graph.Shape
	classes int
	outputs int
	x, out  []float32
}

func newMirrored(net engine.Network, g *graph.Graph, batch, classes, outputs int) *mirrored {
	return &mirrored{net, g.Input(), classes, outputs, make([]float32, batch*g.Input().Len()), make([]float32, batch*outputs)}
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
		a, b := logits[i*m.outputs:(i+1)*m.outputs], m.out[i*m.outputs:(i+1)*m.outputs]
		for k := m.classes; k < m.outputs; k++ {
			a[k] = (a[k] + b[k]) / 2
		}
		a, b = a[:m.classes], b[:m.classes]
		eval.Softmax(a)
		eval.Softmax(b)
		for k := range a {
			a[k] = float32(math.Log(max((float64(a[k])+float64(b[k]))/2, 1e-30)))
		}
	}
	return nil
}

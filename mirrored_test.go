package graft

import (
	"math"
	"testing"

	"graft/internal/engine"
	"graft/internal/graph"
)

// left answers with the sum of the left half of a 1 x 4 picture and of its right half.
type left struct{ engine.Network }

func (left) Infer(x []float32, n int, logits []float32) error {
	for i := range n {
		logits[2*i], logits[2*i+1] = x[4*i]+x[4*i+1], x[4*i+2]+x[4*i+3]
	}
	return nil
}

func TestMirroredAnswersAlikeForMirrorImages(t *testing.T) {
	g := &graph.Graph{Nodes: []graph.Node{{Op: graph.Input, Out: graph.Shape{H: 1, W: 4, C: 1}}}}
	m := newMirrored(left{}, g, 2, 2, 2)
	logits := make([]float32, 4)
	if err := m.Infer([]float32{1, 2, 0, 1, 1, 0, 2, 1}, 2, logits); err != nil {
		t.Fatal(err)
	}
	want := math.Log(0.5) // the halves' probabilities, exchanged, have a mean of one half
	for i, v := range logits {
		if math.Abs(float64(v)-want) > 1e-6 {
			t.Errorf("logit %d is %g, want %g", i, v, want)
		}
	}
}

package graph_test

import (
	"testing"

	"graft/internal/graph"
	"graft/internal/model"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		model, freeze string
		cut           graph.Shape // of the features
	}{
		{"resnet18", "all", graph.Shape{H: 1, W: 1, C: 512}},
		{"resnet18", "4", graph.Shape{H: 56, W: 56, C: 64}}, // conv1, bn1, maxpool, layer1
		{"squeezenet1_1", "all", graph.Shape{H: 13, W: 13, C: 512}},
		{"mobilenet_v3_small", "all", graph.Shape{H: 1, W: 1, C: 1024}},
		{"efficientnet_b0", "all", graph.Shape{H: 1, W: 1, C: 1280}},
		{"mobilenet_v2", "1", graph.Shape{H: 112, W: 112, C: 32}}, // before the activation: a depthwise convolution reads that
		{"resnet18", "", graph.Shape{}},
	} {
		m, err := model.Find(c.model)
		if err != nil {
			t.Fatal(err)
		}
		g := m.Build(3, m.Size)
		frozen, err := graph.Freeze(g, c.freeze)
		if err != nil {
			t.Fatal(err)
		}
		lower, upper, ok := graph.Split(g, frozen)
		if !ok {
			if c.cut != (graph.Shape{}) {
				t.Errorf("%s, %q: not cut", c.model, c.freeze)
			}
			continue
		}
		for _, part := range []*graph.Graph{lower, upper, graph.Grad(upper, func(i int) bool { return !frozen[i] })} {
			if err := graph.Verify(part); err != nil {
				t.Errorf("%s, %q: %v", c.model, c.freeze, err)
			}
		}
		if got := lower.Nodes[lower.Logits].Out; got != c.cut || upper.Input() != got {
			t.Errorf("%s, %q: cut at %v and %v, want %v", c.model, c.freeze, got, upper.Input(), c.cut)
		}
		if a, b := len(lower.Nodes)+len(upper.Nodes)-1, len(g.Nodes); a != b {
			t.Errorf("%s, %q: %d nodes became %d", c.model, c.freeze, b, a)
		}
	}
}

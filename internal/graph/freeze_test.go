package graph_test

import (
	"slices"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/model"
)

func TestFreeze(t *testing.T) {
	m, err := model.Find("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(3, 64)
	for _, c := range []struct{ what, frozen, free string }{
		{"", "", "conv1.weight bn1.weight fc.weight"},
		{"0", "", "conv1.weight"},
		{"1", "conv1.weight", "bn1.weight layer1.0.conv1.weight"},
		{"4", "conv1.weight bn1.weight bn1.running_mean layer1.1.bn2.bias", "layer2.0.conv1.weight fc.bias"},
		{"all", "conv1.weight layer4.1.bn2.bias", "fc.weight fc.bias"},
		{"layer1", "layer1.0.conv1.weight", "conv1.weight layer2.0.conv1.weight"},
		{"conv1, layer4.1", "conv1.weight layer4.1.conv2.weight", "layer4.0.conv1.weight layer1.0.conv1.weight"},
	} {
		frozen, err := graph.Freeze(g, c.what)
		if err != nil {
			t.Errorf("%q: %v", c.what, err)
			continue
		}
		for i, p := range g.Params {
			if slices.Contains(strings.Fields(c.frozen), p.Name) && !frozen[i] {
				t.Errorf("%q does not freeze %s", c.what, p.Name)
			}
			if slices.Contains(strings.Fields(c.free), p.Name) && frozen[i] {
				t.Errorf("%q freezes %s", c.what, p.Name)
			}
		}
	}
	for what, want := range map[string]string{"99": "has 9", "-1": "has 9", "9": "output layer", "fc": "output layer", "layer9": "layer4", "lay": "layer4", ",": "no parameter"} {
		if _, err := graph.Freeze(g, what); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", what, err, want)
		}
	}
}

package graph_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/model"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the dumps in testdata")

func build(t testing.TB, name string, classes, size int) *graph.Graph {
	t.Helper()
	m, err := model.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	return m.Build(classes, size)
}

// TestDumps holds networks and their steps against text that people have read.
func TestDumps(t *testing.T) {
	g := build(t, "resnet20", 3, 32)
	head := func(i int) bool { return g.InHead(i) }
	upper := func(i int) bool { return g.InHead(i) || strings.HasPrefix(g.Params[i].Name, "layer3.2") }
	for name, x := range map[string]*graph.Graph{
		"resnet20":            g,
		"resnet20-step":       graph.Grad(g, nil),
		"resnet20-step-head":  graph.Grad(g, head),
		"resnet20-step-upper": graph.Grad(g, upper),
		"squeezenet1_1-step":  graph.Grad(build(t, "squeezenet1_1", 3, 224), nil),
	} {
		if err := graph.Verify(x); err != nil {
			t.Error(err)
		}
		path := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(path, []byte(x.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), x.String()); d != "" {
			t.Errorf("%s (run with -update after reading the change):\n%s", name, d)
		}
	}
}

func TestGradFreezesWhatIsBelow(t *testing.T) {
	g := build(t, "resnet18", 5, 64)
	s := graph.Grad(g, func(i int) bool { return g.InHead(i) })
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.Kind != graph.Forward && n.Op != graph.Linear {
			t.Errorf("a head alone needs no %s%s %s", n.Op, n.Kind, n.Name)
		}
		if n.Op == graph.BatchNorm && !n.Frozen {
			t.Errorf("%s follows the data though nothing of it is trained", n.Name)
		}
	}
}

func TestWindowSizes(t *testing.T) {
	for _, c := range []struct {
		n    int
		w    graph.Window
		want int
	}{
		{224, graph.Window{Kernel: 7, Stride: 2, Pad: 3}, 112},
		{112, graph.Window{Kernel: 3, Stride: 2, Pad: 1}, 56},
		{111, graph.Window{Kernel: 3, Stride: 2, Ceil: true}, 55},
		{110, graph.Window{Kernel: 3, Stride: 2, Ceil: true}, 55},
		{55, graph.Window{Kernel: 3, Stride: 2, Ceil: true}, 27},
		{4, graph.Window{Kernel: 2, Stride: 3, Pad: 1, Ceil: true}, 2}, // the third window would start behind the input
		{5, graph.Window{Kernel: 5, Stride: 1}, 1},
	} {
		b := graph.NewBuilder("x", graph.Shape{H: c.n, W: c.n, C: 1})
		if got := b.Out(b.MaxPool("p", 0, c.w)); got.H != c.want || got.W != c.want {
			t.Errorf("%d under %+v gives %d, torch gives %d", c.n, c.w, got.H, c.want)
		}
	}
}

func TestVerifyFindsMistakes(t *testing.T) {
	spoil := map[string]func(*graph.Graph){
		"not before":   func(g *graph.Graph) { g.Nodes[2].In = []int{5} },
		"shape":        func(g *graph.Graph) { g.Params[0].Shape = []int{16, 3, 3, 4} },
		"stands twice": func(g *graph.Graph) { g.Params[1].Name = g.Params[0].Name },
		"output":       func(g *graph.Graph) { g.Nodes[2].Out.C = 17 },
		"first node":   func(g *graph.Graph) { g.Nodes = g.Nodes[1:] },
		"inputs":       func(g *graph.Graph) { g.Nodes[3].In = nil },
		"1x1xclasses":  func(g *graph.Graph) { g.Logits = 2 },
		"too small":    func(g *graph.Graph) { g.Nodes[1].Out = graph.Shape{} },
	}
	for want, f := range spoil {
		g := build(t, "resnet20", 3, 32)
		g.Nodes = append([]graph.Node(nil), g.Nodes...)
		f(g)
		if err := graph.Verify(g); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one that says %q", err, want)
		}
	}
}

func TestBlocks(t *testing.T) {
	var names []string
	for _, b := range graph.Blocks(build(t, "resnet18", 1000, 224)) {
		names = append(names, b.Name)
	}
	if got := strings.Join(names, " "); got != "conv1 bn1 maxpool layer1 layer2 layer3 layer4 avgpool fc" {
		t.Errorf("blocks %s", got)
	}
}

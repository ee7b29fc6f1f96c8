package explain_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/enginetest"
	"graft/internal/explain"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/transform"
)

// features runs the lower part of a cut on the CPU engine in float32.
func features(t *testing.T, lower *graph.Graph, params [][]float32, x []float32, n int) []float32 {
	t.Helper()
	e, err := cpu.New(cpu.Options{Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	net, err := e.Compile(lower, engine.Config{Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	for i, p := range params {
		net.Load(i, p)
	}
	out := make([]float32, n*lower.Outputs())
	if err := net.Infer(x, n, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestGradCAM: the maps are PyTorch's, in which hooks at the layers that pytorch-grad-cam
// recommends compute them.
func TestGradCAM(t *testing.T) {
	var golden map[string]struct {
		Size    int
		Classes []int
		Maps    [][][]float64
	}
	b, err := os.ReadFile("testdata/gradcam.json")
	if err == nil {
		err = json.Unmarshal(b, &golden)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range golden {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && want.Size > 96 {
				t.Skip("a large network; run without -short")
			}
			n := len(want.Classes)
			g, params, x := enginetest.Formula(t, name, want.Size, n)
			cut, err := explain.Of(g)
			if err != nil {
				t.Fatal(err)
			}
			maps, err := cut.Maps(params, features(t, cut.Lower, params, x, n), want.Classes)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for i, m := range maps {
				if m.H != len(want.Maps[i]) || m.W != len(want.Maps[i][0]) {
					t.Fatalf("a map of %d x %d, want %d x %d", m.W, m.H, len(want.Maps[i][0]), len(want.Maps[i]))
				}
				for k, v := range m.Values {
					worst = max(worst, math.Abs(float64(v)-want.Maps[i][k/m.W][k%m.W]))
				}
			}
			t.Logf("off by %.1e of the largest", worst)
			if worst > 1e-4 {
				t.Errorf("off by %.1e of the largest", worst)
			}
		})
	}
}

// TestPoolAndLinear: behind a global average and a linear layer the map is the channels' sum
// weighted by the class's row, as CAM (Zhou et al. 2016) has it.
func TestPoolAndLinear(t *testing.T) {
	b := graph.NewBuilder("tiny", graph.Shape{H: 2, W: 2, C: 3})
	x := b.Conv("c", 0, 2, graph.Window{Kernel: 1, Stride: 1}, false)
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("pool", x), 2), "fc")
	cut, err := explain.Of(g)
	if err != nil {
		t.Fatal(err)
	}
	params := [][]float32{make([]float32, 6), {1, -2, 3, 0.5}, {7, 7}} // c, fc's rows, fc's bias
	maps, err := cut.Maps(params, []float32{4, 1, 0, 2, 1, 0, 2, 2, 4, 1, 0, 2, 1, 0, 2, 2}, []int{0, 1})
	if err != nil {
		t.Fatal(err)
	}
	// Row 0: 4-2, 0-4, 1-0, 2-4; row 1: 12+0.5, 0+1, 3, 6+1.
	for i, want := range [][]float32{{1, 0, 0.5, 0}, {1, 0.08, 0.24, 0.56}} {
		for k, v := range maps[i].Values {
			if math.Abs(float64(v-want[k])) > 1e-6 {
				t.Errorf("class %d: %v, want %v", i, maps[i].Values, want)
				break
			}
		}
	}
	if _, err := cut.Maps(params, []float32{1, 2, 3, 4, 5, 6, 7, 8}, []int{2}); err == nil {
		t.Error("a class that is none was explained")
	}
}

// TestEveryNetwork: each that is registered can be cut, and its map has places.
func TestEveryNetwork(t *testing.T) {
	for _, m := range model.All() {
		cut, err := explain.Of(m.Build(3, m.Size))
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		for _, part := range []*graph.Graph{cut.Lower, cut.Upper} {
			if err := graph.Verify(part); err != nil {
				t.Errorf("%s: %v", m.Name, err)
			}
		}
		if s := cut.Upper.Input(); s.H*s.W < 16 {
			t.Errorf("%s: a map of %v", m.Name, s)
		}
	}
}

func TestOverlay(t *testing.T) {
	pic := transform.New(8, 4)
	for i := range pic.Pix {
		pic.Pix[i] = []uint8{200, 40, 40}[i%3]
	}
	out := explain.Overlay(pic, explain.Map{W: 2, H: 1, Values: []float32{0, 1}})
	left, right := out.Pix[:3], out.Pix[3*7:3*8]
	if left[0] != left[1] || left[1] != left[2] {
		t.Errorf("where nothing speaks for the class, the picture is %v, want grey", left)
	}
	if right[0] < 150 || right[2] > right[0] {
		t.Errorf("where most does, it is %v", right)
	}
}

func TestNearest(t *testing.T) {
	rows := []float32{0, 1, 2, 0, 1, 1, -1, 0, 0, 0, 4, 0}
	got := explain.Nearest(rows, []float32{3, 0}, 3)
	var index []int
	for _, n := range got {
		index = append(index, n.Index)
	}
	if !slices.Equal(index, []int{1, 5, 2}) || math.Abs(got[2].Cosine-math.Sqrt(0.5)) > 1e-9 {
		t.Errorf("%v", got)
	}
	if n := len(explain.Nearest(rows, []float32{3, 0}, 100)); n != 6 {
		t.Errorf("%d neighbours of 6", n)
	}
}

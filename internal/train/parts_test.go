package train

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/ref"
	"graft/internal/graph"
	"graft/internal/model"
)

// TestPartsEqualTheWhole: without batch norm, parts give the whole batch's loss
// and gradients within rounding, dropout included; and the same bits every time.
func TestPartsEqualTheWhole(t *testing.T) {
	b := graph.NewBuilder("parts", graph.Shape{H: 8, W: 8, C: 3})
	x := b.ReLU(b.Conv("conv1", 0, 16, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, true))
	x = b.ReLU(b.Conv("conv2", x, 16, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, true))
	g := b.Graph(b.Linear("fc", b.Dropout("drop", b.GlobalAvgPool("avg", x), 0.5), 3), "fc")
	fast, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	const n = 11
	r := rand.New(rand.NewPCG(1, 2))
	batch := &dataset.Batch{N: n, X: make([]float32, n*g.Input().Len())}
	for i := range batch.X {
		batch.X[i] = float32(r.NormFloat64())
	}
	for i := range n {
		batch.Labels = append(batch.Labels, int32(i%3))
	}
	soft := engine.Soft{Smoothing: 0.1, Mixed: make([]int32, n), Share: make([]float32, n)}
	for i := range n {
		soft.Mixed[i], soft.Share[i] = int32(i/4), 1/float32(1+i)
	}
	for name, e := range map[string]engine.Engine{"ref": ref.New(), "cpu": fast} {
		run := func(most int) (engine.Result, [][]float32) {
			net, err := e.Compile(g, engine.Config{Batch: min(most, n), Train: true})
			if err != nil {
				t.Fatal(err)
			}
			defer net.Close()
			Load(net, model.Initialise(g, 1))
			res, err := gradients(net, batch, engine.Pass{Seed: 5, Soft: soft}, most)
			if err != nil {
				t.Fatal(err)
			}
			var grads [][]float32
			for i, p := range g.Params {
				v := make([]float32, p.Len())
				net.Gradient(i, v)
				grads = append(grads, v)
			}
			return res, grads
		}
		whole, want := run(n)
		for _, most := range []int{1, 2, 4, 10} {
			res, got := run(most)
			again, same := run(most)
			if again != res {
				t.Errorf("%s, parts of %d: %v, then %v", name, most, res, again)
			}
			if math.Abs(res.Loss-whole.Loss) > 1e-5*whole.Loss || res.Correct != whole.Correct {
				t.Errorf("%s, parts of %d: %+v, the whole %+v", name, most, res, whole)
			}
			for i := range got {
				if !slices.Equal(got[i], same[i]) {
					t.Errorf("%s, parts of %d: %s differs from run to run", name, most, g.Params[i].Name)
				}
				largest, off := 0.0, 0.0
				for k := range got[i] {
					largest = max(largest, math.Abs(float64(want[i][k])))
					off = max(off, math.Abs(float64(got[i][k]-want[i][k])))
				}
				if off > 1e-5*largest {
					t.Errorf("%s, parts of %d: gradient of %s is off by %.1e of %.1e", name, most, g.Params[i].Name, off, largest)
				}
			}
		}
	}
}

package cpu

import (
	"math"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/engine/enginetest"
	"graft/internal/graph"
	"graft/internal/model"
)

// expanding is an engine that finds the gradients of expansions from so many bytes a sample on.
func expanding(t *testing.T, set *kernel.Set, threads, bytes int) *Engine {
	e, err := New(Options{Threads: threads, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	e.expansion = bytes
	return e
}

// TestExpansion holds the gradients of expansions that are found without storing theirs against those found one by one,
// of whole and part batches and added up, and their bits for one thread against those for three.
func TestExpansion(t *testing.T) {
	const never = 1 << 30
	for _, c := range []struct {
		model      string
		expansions int
	}{{"mobilenet_v2", 6}, {"mobilenet_v3_small", 8}, {"efficientnet_b0", 5}} {
		m, err := model.Find(c.model)
		if err != nil {
			t.Fatal(err)
		}
		g := m.Build(7, 64)
		for _, set := range kernel.Available() {
			if !set.Winograd {
				continue // the slow ones
			}
			t.Run(c.model+" "+set.Name, func(t *testing.T) {
				for _, n := range []int{5, 3} {
					want, none := gradients(t, expanding(t, set, 2, never), g, n)
					got, some := gradients(t, expanding(t, set, 2, 0), g, n)
					if none != 0 || some != c.expansions {
						t.Fatalf("%d and %d expansions, want 0 and %d", none, some, c.expansions)
					}
					largest := 0.0
					for i := range want {
						largest = max(largest, distance(want[i], nil))
					}
					for i := range want {
						// Some are sums that would be 0 without rounding.
						if d, bound := distance(want[i], got[i]), 5e-3*distance(want[i], nil)+1e-6*largest; !(d <= bound) {
							t.Errorf("%d pictures: gradient of %s off by %.1e, bound %.1e", n, g.Params[i].Name, d, bound)
						}
					}
				}
				if enginetest.Digest(t, expanding(t, set, 1, 0), g, 5, 2) != enginetest.Digest(t, expanding(t, set, 3, 0), g, 5, 2) {
					t.Error("other bits with 3 threads than with 1")
				}
			})
		}
	}
}

// distance is the norm of a - b; nil stands for 0.
func distance(a, b []float32) float64 {
	sum := 0.0
	for i, v := range a {
		d := float64(v)
		if b != nil {
			d -= float64(b[i])
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}

// gradients are half those of a step and the same step added to it, for n pictures of a batch of 5, and how many
// expansions it has.
func gradients(t *testing.T, e *Engine, g *graph.Graph, n int) (all [][]float32, expansions int) {
	net, err := e.Compile(g, engine.Config{Batch: 5, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	for _, task := range net.(*network).step.tasks {
		if d, ok := task.(*depthwiseBackTask); ok && d.expansion != nil {
			expansions++
		}
	}
	for i, v := range model.Initialise(g, 1) {
		net.Load(i, v)
	}
	b := engine.Batch{X: make([]float32, n*g.Input().Len()), Labels: []int32{0, 2, 6, 1, 5}[:n], N: n}
	for i := range b.X {
		b.X[i] = float32(math.Sin(float64(i) * 1.37))
	}
	for _, accumulate := range []bool{false, true} {
		if _, err := net.Gradients(b, engine.Pass{Seed: 1, Accumulate: accumulate}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range g.Params {
		v := make([]float32, g.Params[i].Len())
		net.Gradient(i, v)
		for k := range v {
			v[k] /= 2
		}
		all = append(all, v)
	}
	return all, expansions
}

package features_test

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/features"
	"graft/internal/graph"
	"graft/internal/model"
)

// pictures are random samples in batches of 4; the one of index missing is left out.
func pictures(n, size, missing int) func(context.Context, int) iter.Seq2[*dataset.Batch, error] {
	return func(_ context.Context, variant int) iter.Seq2[*dataset.Batch, error] {
		return func(yield func(*dataset.Batch, error) bool) {
			for from := 0; from < n; from += 4 {
				b := &dataset.Batch{}
				for i := from; i < min(from+4, n); i++ {
					if i == missing {
						continue
					}
					r := rand.New(rand.NewPCG(uint64(variant), uint64(i)))
					for range size {
						b.X = append(b.X, float32(r.NormFloat64()))
					}
					b.Labels, b.Index, b.N = append(b.Labels, int32(i%3)), append(b.Index, i), b.N+1
				}
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

func compile(t *testing.T, g *graph.Graph, c engine.Config, values [][]float32) engine.Network {
	t.Helper()
	e, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	net, err := e.Compile(g, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(net.Close)
	for i := range values {
		net.Load(i, values[i])
	}
	return net
}

// TestKept trains the upper part of a network on kept features, in memory and in a
// file, and holds it against the whole network with its lower part frozen.
func TestKept(t *testing.T) {
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(3, 32)
	frozen, err := graph.Freeze(g, "3")
	if err != nil {
		t.Fatal(err)
	}
	trainable := func(i int) bool { return !frozen[i] }
	lower, upper, ok := graph.Split(g, frozen)
	if !ok {
		t.Fatal("not cut")
	}
	values := model.Initialise(g, 3)
	const n, missing = 10, 5
	for name, limit := range map[string]int{"memory": 1 << 30, "file": 3 * 4 * upper.Input().Len(), "all in the file": 0} {
		t.Run(name, func(t *testing.T) {
			low := compile(t, lower, engine.Config{Batch: 4}, values)
			net := &features.Network{Network: compile(t, upper, engine.Config{Batch: n, Train: true, Trainable: trainable}, nil), Lower: low,
				InLower: make([]bool, len(g.Params))}
			for _, node := range lower.Nodes {
				for _, p := range node.Params {
					net.InLower[p] = true
				}
			}
			for i, v := range values {
				net.Load(i, v)
			}
			s, err := features.New(features.Options{Samples: n, Variants: 2, Size: upper.Input().Len(), Limit: limit, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Fill(t.Context(), low, pictures(n, g.Input().Len(), missing), nil); err != nil {
				t.Fatal(err)
			}
			if s.Images() != n-1 {
				t.Errorf("%d pictures, want %d", s.Images(), n-1)
			}
			if s.Bytes() > limit {
				t.Errorf("%d bytes in memory, the limit is %d", s.Bytes(), limit)
			}
			whole := compile(t, g, engine.Config{Batch: n, Train: true, Trainable: trainable}, values)
			for epoch := range 3 {
				var x []float32
				var labels []int32
				for b := range pictures(n, g.Input().Len(), missing)(t.Context(), epoch%2) {
					x, labels = append(x, b.X...), append(labels, b.Labels...)
				}
				for b, err := range s.Batches(n, false, false, 1)(t.Context(), epoch, 0) {
					if err != nil {
						t.Fatal(err)
					}
					got, err := net.Gradients(engine.Batch{X: b.X, Labels: b.Labels, N: b.N}, engine.Pass{})
					if err != nil {
						t.Fatal(err)
					}
					want, err := whole.Gradients(engine.Batch{X: x, Labels: labels, N: n - 1}, engine.Pass{})
					if err != nil {
						t.Fatal(err)
					}
					if math.Abs(got.Loss-want.Loss) > 1e-4*want.Loss {
						t.Errorf("epoch %d: loss %g on kept features, %g on pictures", epoch, got.Loss, want.Loss)
					}
				}
			}
			for i, p := range g.Params {
				got := make([]float32, p.Len())
				if net.Read(i, got); net.InLower[i] && !slices.Equal(got, values[i]) {
					t.Errorf("%s of the lower part is not what was loaded", p.Name)
				}
			}
		})
	}
}

// TestOrder: an epoch's order follows from seed and epoch, every sample once.
func TestOrder(t *testing.T) {
	s, err := features.New(features.Options{Samples: 7, Variants: 1, Size: 1, Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	echo := engineOfOne{}
	if err := s.Fill(t.Context(), echo, pictures(7, 1, -1), nil); err != nil {
		t.Fatal(err)
	}
	order := func(epoch int, seed uint64) (all []int) {
		for b, err := range s.Batches(3, true, false, seed)(t.Context(), epoch, 0) {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b.Index[:b.N]...)
		}
		return all
	}
	a := order(0, 1)
	if !slices.Equal(a, order(0, 1)) || slices.Equal(a, order(1, 1)) || slices.Equal(a, order(0, 2)) {
		t.Errorf("orders %v, %v, %v", a, order(1, 1), order(0, 2))
	}
	slices.Sort(a)
	if !slices.Equal(a, []int{0, 1, 2, 3, 4, 5, 6}) {
		t.Errorf("an epoch has %v", a)
	}
}

// engineOfOne gives back what it is given.
type engineOfOne struct{ engine.Network }

func (engineOfOne) Infer(x []float32, n int, out []float32) error {
	copy(out, x[:n])
	return nil
}

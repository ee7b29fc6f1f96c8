// Package enginetest is what every engine must pass: agreement with the
// reference engine operation by operation, with PyTorch network by network, and
// the promises of package engine: the same bits for any number of threads,
// frozen parameters left alone, no allocation.
//
// It knows engines through their interface only. Engines call it from their own
// tests.
package enginetest

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/ref"
	"graft/internal/graph"

	"pgregory.net/rapid"
)

// Run holds an engine against the reference engine on small graphs of every
// operation, and to the promises of the interface. noAlloc says that the engine
// promises not to allocate.
func Run(t *testing.T, e engine.Engine, noAlloc bool) {
	t.Run("operations", func(t *testing.T) {
		for _, c := range cases() {
			t.Run(c.name, func(t *testing.T) { compare(t, e, c.build(), c.batch, 3, nil) })
		}
	})
	t.Run("random graphs", func(t *testing.T) {
		// One step: after an update, rounding can decide which of two values is a
		// window's maximum. The same graphs every time, unless -rapid.seed says otherwise:
		// in about one of 10,000 a value before a ReLU is so near to zero that the
		// reference's own gradient jumps with noise of 3e-6 in the input.
		if f := flag.Lookup("rapid.seed"); f != nil && f.Value.String() == "0" {
			f.Value.Set("1")
			defer f.Value.Set("0")
		}
		rapid.Check(t, func(t *rapid.T) { compare(t, e, randomGraph(t), rapid.IntRange(2, 5).Draw(t, "batch"), 1, nil) })
	})
	t.Run("frozen", func(t *testing.T) { frozen(t, e) })
	t.Run("accumulate", func(t *testing.T) { accumulate(t, e) })
	t.Run("updates", func(t *testing.T) { updates(t, e) })
	t.Run("state", func(t *testing.T) { state(t, e) })
	t.Run("mistakes", func(t *testing.T) { mistakes(t, e) })
	t.Run("not finite", func(t *testing.T) { notFinite(t, e) })
	if noAlloc {
		t.Run("allocations", func(t *testing.T) { allocations(t, e) })
	}
}

// fill gives every parameter values that keep activations near 1.
func fill(g *graph.Graph, nets ...engine.Network) {
	r := rand.New(rand.NewPCG(7, 7))
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		for j := range v {
			x := r.NormFloat64()
			switch p.Role {
			case graph.Weight:
				x /= math.Sqrt(float64(p.Len() / p.Shape[0]))
			case graph.Scale, graph.RunningVar:
				x = 1 + 0.3*r.Float64()
			default:
				x *= 0.2
			}
			v[j] = float32(x)
		}
		for _, n := range nets {
			n.Load(i, v)
		}
	}
}

// batch draws pictures and labels.
func batch(g *graph.Graph, n int, seed uint64) engine.Batch {
	r := rand.New(rand.NewPCG(seed, 1))
	b := engine.Batch{X: make([]float32, n*g.Input().Len()), Labels: make([]int32, n), N: n}
	for i := range b.X {
		b.X[i] = float32(r.NormFloat64())
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(g.Classes()))
	}
	return b
}

func rates(g *graph.Graph) engine.Update {
	u := engine.Update{Momentum: 0.9}
	for i := range g.Params {
		u.Rate = append(u.Rate, 0.01*float32(1+i%3))
		u.Decay = append(u.Decay, 0.003)
	}
	return u
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
	Fatal(...any)
	Logf(string, ...any)
}

// compare runs steps and inferences on e and on the reference engine and
// holds logits, losses, gradients, parameters and momentum against each other.
//
// The bound is eps x (k + 1) x scale with k the length of the longest chain of
// additions behind a value, here a generous constant for graphs of few layers,
// and scale the largest value of the array, or for gradients at least a fifth
// of the largest of all: some are zero in theory, such as a bias's before BatchNorm.
func compare(t fataler, e engine.Engine, g *graph.Graph, n, steps int, trainable func(int) bool) {
	t.Helper()
	c := engine.Config{Batch: n + 1, Train: true, Trainable: trainable}
	a, err := e.Compile(g, c)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := ref.New().Compile(g, c)
	if err != nil {
		t.Fatal(err)
	}
	fill(g, a, b)
	const eps, chain = 1.2e-7, 400
	bound := eps * (chain + 1)
	same := func(what string, got, want []float32, floor float64) {
		t.Helper()
		scale := math.Max(floor, 1e-6)
		for _, v := range want {
			scale = math.Max(scale, math.Abs(float64(v)))
		}
		for i := range want {
			if off := math.Abs(float64(got[i]) - float64(want[i])); !(off <= bound*scale) {
				t.Fatalf("%s: %s, value %d is %g, the reference has %g (bound %g)", e.Device(), what, i, got[i], want[i], bound*scale)
			}
		}
	}
	x, y := make([]float32, n*g.Classes()), make([]float32, n*g.Classes())
	for step := range steps {
		in := batch(g, n, uint64(step))
		for name, net := range map[string]engine.Network{"": a, "reference": b} {
			out := x
			if name != "" {
				out = y
			}
			if err := net.Infer(in.X, n, out); err != nil {
				t.Fatal(err)
			}
		}
		same(fmt.Sprintf("inference %d", step), x, y, 0)
		p := engine.Pass{Seed: uint64(100 + step)}
		ra, err := a.Gradients(in, p)
		if err != nil {
			t.Fatal(err)
		}
		rb, err := b.Gradients(in, p)
		if err != nil {
			t.Fatal(err)
		}
		a.Logits(x)
		b.Logits(y)
		same(fmt.Sprintf("logits of step %d", step), x, y, 0)
		if math.Abs(ra.Loss-rb.Loss) > bound*math.Max(1, rb.Loss) {
			t.Fatalf("%s: loss %g, the reference has %g", e.Device(), ra.Loss, rb.Loss)
		}
		largest := 0.0
		for i, q := range g.Params {
			v := make([]float32, q.Len())
			b.Gradient(i, v)
			for _, f := range v {
				largest = math.Max(largest, math.Abs(float64(f)))
			}
		}
		each(g, a.Gradient, b.Gradient, func(name string, got, want []float32) {
			same(fmt.Sprintf("gradient of %s, step %d", name, step), got, want, math.Max(0.2, 0.2*largest))
		})
		a.Update(rates(g))
		b.Update(rates(g))
		each(g, a.Read, b.Read, func(name string, got, want []float32) { same("parameter "+name, got, want, 0.1) })
		each(g, slot(a, engine.Momentum), slot(b, engine.Momentum), func(name string, got, want []float32) {
			same("momentum of "+name, got, want, math.Max(0.2, 0.2*largest))
		})
	}
}

// slot is the getter of what the optimiser keeps.
func slot(net engine.Network, s engine.Slot) func(int, []float32) {
	return func(i int, dst []float32) { net.ReadSlot(s, i, dst) }
}

// each reads every parameter through two getters.
func each(g *graph.Graph, a, b func(int, []float32), visit func(name string, x, y []float32)) {
	for i, p := range g.Params {
		x, y := make([]float32, p.Len()), make([]float32, p.Len())
		a(i, x)
		b(i, y)
		visit(p.Name, x, y)
	}
}

// Digest is a hash of all parameters after steps on random batches, of n and
// of n-1 samples.
func Digest(t testing.TB, e engine.Engine, g *graph.Graph, n, steps int) uint64 {
	t.Helper()
	net, err := e.Compile(g, engine.Config{Batch: n, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	fill(g, net)
	for s := range steps {
		if _, err := net.Gradients(batch(g, n-s%2, uint64(s)), engine.Pass{Seed: uint64(s)}); err != nil {
			t.Fatal(err)
		}
		net.Update(rates(g))
	}
	h := fnv.New64a()
	logits := make([]float32, n*g.Classes())
	if err := net.Infer(batch(g, n, 99).X, n, logits); err != nil {
		t.Fatal(err)
	}
	hash := func(v []float32) {
		for _, f := range v {
			u := math.Float32bits(f)
			h.Write([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
		}
	}
	hash(logits)
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		net.Read(i, v)
		hash(v)
	}
	return h.Sum64()
}

// Threads proves that results do not depend on the number of threads, bit for bit.
func Threads(t *testing.T, with func(threads int) engine.Engine, g *graph.Graph, n int) {
	t.Helper()
	want := Digest(t, with(1), g, n, 3)
	for _, threads := range []int{2, 3, 5} {
		if got := Digest(t, with(threads), g, n, 3); got != want {
			t.Errorf("%s: %d threads give other weights than 1", g.Name, threads)
		}
	}
	if got := Digest(t, with(1), g, n, 3); got != want {
		t.Errorf("%s: the same run gives other weights", g.Name)
	}
}

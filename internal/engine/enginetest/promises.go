package enginetest

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/graph"
)

// blocks is a small network with two normalised stages and a residual.
func blocks() *graph.Graph {
	return network(graph.Shape{H: 8, W: 8, C: 3}, func(b builder) int {
		x := b.normed("low", 0, 16, 3, 1, 1)
		y := b.BatchNorm("mid.bn", b.conv("mid", x, 16, 3, 1, 1))
		x = b.ReLU(b.Add("add", y, x))
		return b.normed("high", x, 24, 3, 2, 1)
	})()
}

// frozen checks that parameters without a gradient, and the statistics that go
// with them, stay as they are to the last bit, and that the others learn as on
// the reference engine.
func frozen(t *testing.T, e engine.Engine) {
	for name, trains := range map[string][]string{"head only": {"fc."}, "upper part": {"fc.", "high"}, "holes": {"fc.", "low"}} {
		t.Run(name, func(t *testing.T) {
			g := blocks()
			trainable := func(i int) bool {
				return slices.ContainsFunc(trains, func(p string) bool { return strings.HasPrefix(g.Params[i].Name, p) })
			}
			compare(t, e, g, 4, 3, trainable)
			net, err := e.Compile(g, engine.Config{Batch: 4, Train: true, Trainable: trainable})
			if err != nil {
				t.Fatal(err)
			}
			defer net.Close()
			fill(g, net)
			before := all(g, net.Read)
			for s := range 2 {
				if _, err := net.Gradients(batch(g, 4, uint64(s)), engine.Pass{}); err != nil {
					t.Fatal(err)
				}
				net.Update(rates(g))
			}
			for i, after := range all(g, net.Read) {
				if same := slices.Equal(before[i], after); same == trainable(i) {
					t.Errorf("%s: trainable %v, unchanged %v", g.Params[i].Name, trainable(i), same)
				}
			}
		})
	}
}

func all(g *graph.Graph, get func(int, []float32)) [][]float32 {
	var list [][]float32
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		get(i, v)
		list = append(list, v)
	}
	return list
}

// accumulate checks that gradients add up over calls.
func accumulate(t *testing.T, e engine.Engine) {
	g := blocks()
	net, err := e.Compile(g, engine.Config{Batch: 4, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	fill(g, net)
	one, two := batch(g, 4, 1), batch(g, 3, 2)
	run := func(b engine.Batch, p engine.Pass) [][]float32 {
		if _, err := net.Gradients(b, p); err != nil {
			t.Fatal(err)
		}
		return all(g, net.Gradient)
	}
	a, b := run(one, engine.Pass{Scale: 1}), run(two, engine.Pass{Scale: 1})
	run(one, engine.Pass{Scale: 1})
	sum := run(two, engine.Pass{Scale: 1, Accumulate: true})
	for i := range sum {
		for j := range sum[i] {
			want := float64(a[i][j]) + float64(b[i][j])
			if math.Abs(float64(sum[i][j])-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("%s: %g, the parts are %g and %g", g.Params[i].Name, sum[i][j], a[i][j], b[i][j])
			}
		}
	}
}

// state checks that what is loaded is read back, bit for bit, and that a step
// uses the gradients that were set.
func state(t *testing.T, e engine.Engine) {
	g := blocks()
	net, err := e.Compile(g, engine.Config{Batch: 2, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		for j := range v {
			v[j] = float32(i) + float32(j)/1024
		}
		got := make([]float32, len(v))
		if net.Load(i, v); true {
			net.Read(i, got)
		}
		if !slices.Equal(got, v) {
			t.Fatalf("%s is read otherwise than loaded", p.Name)
		}
		net.LoadSlot(engine.Momentum, i, v)
		net.ReadSlot(engine.Momentum, i, got)
		if !slices.Equal(got, v) {
			t.Fatalf("the momentum of %s is read otherwise than loaded", p.Name)
		}
	}
	fill(g, net)
	if _, err := net.Gradients(batch(g, 2, 1), engine.Pass{}); err != nil {
		t.Fatal(err)
	}
	u := engine.Update{Rate: make([]float32, len(g.Params)), Decay: make([]float32, len(g.Params))}
	i := g.Param("mid.weight")
	u.Rate[i] = 0.5
	before, grad, after := make([]float32, g.Params[i].Len()), make([]float32, g.Params[i].Len()), make([]float32, g.Params[i].Len())
	net.Read(i, before)
	for j := range grad {
		grad[j] = float32(j % 5)
	}
	net.SetGradient(i, grad)
	net.Update(u)
	net.Read(i, after)
	for j := range after {
		if want := before[j] - 0.5*grad[j]; math.Abs(float64(after[j]-want)) > 1e-6 {
			t.Fatalf("value %d became %g, the gradient set asks for %g", j, after[j], want)
		}
	}
}

// mistakes checks that wrong calls get errors, not wrong answers.
func mistakes(t *testing.T, e engine.Engine) {
	g := blocks()
	net, err := e.Compile(g, engine.Config{Batch: 2, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	b := batch(g, 2, 1)
	b.Labels[1] = 5
	if _, err := net.Gradients(b, engine.Pass{}); !errors.Is(err, engine.ErrLabel) {
		t.Errorf("a label outside the classes gives %v", err)
	}
	if _, err := net.Gradients(batch(g, 3, 1), engine.Pass{}); err == nil {
		t.Error("a batch above the planned size was accepted")
	}
	if err := net.Infer(b.X[:10], 2, make([]float32, 10)); err == nil {
		t.Error("too few values were accepted")
	}
	if _, err := e.Compile(g, engine.Config{}); err == nil {
		t.Error("a batch of 0 was accepted")
	}
	inference, err := e.Compile(g, engine.Config{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer inference.Close()
	if _, err := inference.Gradients(batch(g, 2, 1), engine.Pass{}); err == nil {
		t.Error("a network for inference computed gradients")
	}
}

// notFinite checks that a picture that is not finite shows in the loss.
func notFinite(t *testing.T, e engine.Engine) {
	g := blocks()
	net, err := e.Compile(g, engine.Config{Batch: 2, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	fill(g, net)
	b := batch(g, 2, 1)
	b.X[70] = float32(math.NaN())
	r, err := net.Gradients(b, engine.Pass{})
	if err != nil {
		t.Fatal(err)
	}
	if !math.IsNaN(r.Loss) && !math.IsInf(r.Loss, 0) {
		t.Errorf("loss %g of a picture with NaN", r.Loss)
	}
}

// allocations checks that the steady state allocates nothing.
func allocations(t *testing.T, e engine.Engine) {
	for _, g := range []*graph.Graph{blocks(), Transformer()} {
		allocationsOf(t, e, g)
	}
}

func allocationsOf(t *testing.T, e engine.Engine, g *graph.Graph) {
	net, err := e.Compile(g, engine.Config{Batch: 4, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	fill(g, net)
	b, u, logits := batch(g, 4, 1), rates(g), make([]float32, 4*g.Classes())
	n := testing.AllocsPerRun(10, func() {
		if _, err := net.Gradients(b, engine.Pass{}); err != nil {
			t.Fatal(err)
		}
		net.Update(u)
		if err := net.Infer(b.X, 4, logits); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("a step and an inference allocate %g times", n)
	}
}

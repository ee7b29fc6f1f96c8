package cpu_test

import (
	"math"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/graph"
	"graft/internal/model"
)

// TestProfile: every product of a step is in one row, every row has a kernel and
// a time a step, and profiling changes no answer.
func TestProfile(t *testing.T) {
	e, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"resnet20", "squeezenet1_1", "mobilenet_v2"} {
		m, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		g := m.Build(3, m.Size)
		net, err := e.Compile(g, engine.Config{Batch: 2, Train: true})
		if err != nil {
			t.Fatal(err)
		}
		defer net.Close()
		for i, v := range model.Initialise(g, 1) {
			net.Load(i, v)
		}
		b := engine.Batch{X: make([]float32, 2*g.Input().Len()), Labels: []int32{0, 2}, N: 2}
		for i := range b.X {
			b.X[i] = float32(i%13)/6 - 1
		}
		u := engine.Update{Rate: make([]float32, len(g.Params)), Decay: make([]float32, len(g.Params))}
		for _, infer := range []bool{false, true} {
			steps := 0
			rows, err := net.(engine.Profiler).Profile(b, u, infer, func() bool { steps++; return steps <= 3 })
			if err != nil {
				t.Fatal(err)
			}
			flops := map[string]float64{}
			for _, r := range rows {
				if r.Kernel == "" && r.Op != "dropout" && r.Bytes > 0 {
					t.Errorf("%s: %s %s has no kernel", name, r.Layer, r.Pass)
				}
				if len(r.Seconds) != 3 || r.Bytes < 0 || math.IsNaN(r.Bytes) {
					t.Errorf("%s: %+v", name, r)
				}
				flops[r.Pass] += r.Flops
			}
			_, macs := graph.Counts(g)
			want := 2 * 2 * float64(macs)
			if flops["forward"] != want {
				t.Errorf("%s: forward %g operations, want %g", name, flops["forward"], want)
			}
			both := flops["both grads"] / 2
			if got := flops["weight grad"] + both; !infer && got != want {
				t.Errorf("%s: weight gradients %g operations, want %g", name, got, want)
			}
			if got := flops["input grad"] + both; !infer && !(got > 0 && got < want) {
				t.Errorf("%s: input gradients %g operations, less than %g wanted", name, got, want)
			}
		}
		once := make([]float32, 6)
		again := make([]float32, 6)
		first, err := net.Gradients(b, engine.Pass{Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		net.Logits(once)
		if _, err := net.(engine.Profiler).Profile(b, u, false, func() bool { return false }); err != nil {
			t.Fatal(err)
		}
		second, err := net.Gradients(b, engine.Pass{Seed: 1})
		if err != nil || first != second {
			t.Errorf("%s: %+v before profiling, %+v after, %v", name, first, second, err)
		}
		net.Logits(again)
		for i := range once {
			if once[i] != again[i] {
				t.Errorf("%s: logits changed", name)
			}
		}
	}
}

package cpu_test

import (
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/model"
)

// TestPlan holds the plan against itself: nobody's bytes overlap while both live,
// and what Compile takes is what the plan says.
func TestPlan(t *testing.T) {
	e, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"resnet20", "squeezenet1_1", "resnet18"} {
		for _, train := range []bool{false, true} {
			m, err := model.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			g := m.Build(3, m.Size)
			c := engine.Config{Batch: 16, Train: train}
			p, err := e.Plan(g, c)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s train=%v: arena %d KB, bound %d KB, kept %d KB, total %d KB", name, train, p.Arena>>10, p.Bound>>10, p.Kept>>10, p.Total>>10)
			if p.Arena < p.Bound {
				t.Errorf("%s: an arena of %d is smaller than what lives in it, %d", name, p.Arena, p.Bound)
			}
			if p.Arena > p.Bound+p.Bound/5 {
				t.Errorf("%s train=%v: the arena is %d bytes, %d would do", name, train, p.Arena, p.Bound)
			}
			if (p.Kept > 0) != train {
				t.Errorf("%s train=%v: %d bytes kept for the backward pass", name, train, p.Kept)
			}
			for i, a := range p.Tensors {
				for _, b := range p.Tensors[:i] {
					if a.First <= b.Last && b.First <= a.Last && a.Place < b.Place+b.Bytes && b.Place < a.Place+a.Bytes {
						t.Errorf("%s: %s and %s overlap", name, a.Name, b.Name)
					}
				}
			}
			net, err := e.Compile(g, c)
			if err != nil {
				t.Fatal(err)
			}
			if got := net.Bytes(); got > p.Total+p.Total/50 || got < p.Total-p.Total/50 {
				t.Errorf("%s train=%v: Compile took %d bytes, the plan says %d", name, train, got, p.Total)
			}
			net.Close()
		}
	}
}

package enginetest

import (
	"fmt"
	"math"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/ref"
)

// updates holds every rule of Update, GradientNorm and Swap against the reference engine,
// on gradients that are set, so that only the update's own rounding counts.
func updates(t *testing.T, e engine.Engine) {
	g := blocks()
	for name, u := range map[string]engine.Update{
		"sgd": {}, "nesterov": {Momentum: 0.9, Nesterov: true}, "scaled": {Momentum: 0.9, Scale: 0.25}, "average": {Momentum: 0.9, Average: 0.75},
		"anchor": {Momentum: 0.9, Scale: 0.5, Anchor: []float32{0.25}}, "adamw": {Adam: true, Momentum: 0.9, Beta2: 0.99, Eps: 1e-6, Average: 0.5, Scale: 0.5, Anchor: []float32{0.25}},
	} {
		t.Run(name, func(t *testing.T) {
			c := engine.Config{Batch: 2, Train: true, Slots: []engine.Slot{engine.Variance, engine.Average, engine.Anchor},
				Trainable: func(i int) bool { return g.Params[i].Name != "mid.weight" }}
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
			if u.Anchor != nil {
				all := u.Anchor[0]
				u.Anchor = nil
				for range g.Params {
					u.Anchor = append(u.Anchor, all)
				}
			}
			u.Rate, u.Decay = rates(g).Rate, rates(g).Decay
			for step := range 3 {
				for i, p := range g.Params {
					v := make([]float32, p.Len())
					for j := range v {
						v[j] = float32(math.Sin(float64(step + i + j)))
					}
					if a.SetGradient(i, v); step == 0 {
						a.LoadSlot(engine.Anchor, i, v)
						b.LoadSlot(engine.Anchor, i, v)
					}
					b.SetGradient(i, v)
				}
				if x, y := a.GradientNorm(), b.GradientNorm(); math.Abs(x-y) > 1e-9*y || y == 0 {
					t.Fatalf("the norm is %g, the reference has %g", x, y)
				}
				u.Step = step + 1
				a.Update(u)
				b.Update(u)
			}
			if u.Average != 0 {
				a.Swap()
				b.Swap()
			}
			same := func(what string) func(name string, got, want []float32) {
				return func(name string, got, want []float32) {
					for i := range want {
						if math.Abs(float64(got[i]-want[i])) > 1e-5*(1+math.Abs(float64(want[i]))) {
							t.Fatalf("%s of %s, value %d is %g, the reference has %g", what, name, i, got[i], want[i])
						}
					}
				}
			}
			each(g, a.Read, b.Read, same("value"))
			for s := range engine.SlotCount {
				if s == engine.Momentum && u.Momentum == 0 {
					continue // what is not used need not be kept
				}
				each(g, slot(a, s), slot(b, s), same(fmt.Sprint("slot ", s)))
			}
		})
	}
}

package cpu

import (
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/engine/enginetest"
	"graft/internal/model"
)

// TestAside holds steps whose gradients are written aside, whatever their size, against
// those of ordinary stores: the same bits.
func TestAside(t *testing.T) {
	for _, name := range []string{"mobilenet_v2", "efficientnet_b0"} {
		m, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		g := m.Build(7, 64)
		for _, set := range kernel.Available() {
			if !set.Winograd {
				continue // the slow ones
			}
			digest := func(threads, bytes int) uint64 {
				e, err := New(Options{Threads: threads, Set: set})
				if err != nil {
					t.Fatal(err)
				}
				e.aside = bytes
				if n, _, err := e.plan(g, engine.Config{Batch: 5, Train: true}); err != nil {
					t.Fatal(err)
				} else {
					if some := n.asideFloats > 0; some != (bytes == 0) {
						t.Fatalf("%s, %s: gradients aside: %v", name, set.Name, some)
					}
					n.release()
				}
				return enginetest.Digest(t, e, g, 5, 2)
			}
			want := digest(2, asideBytes)
			if digest(3, 0) != want {
				t.Errorf("%s, %s: other bits aside", name, set.Name)
			}
		}
	}
}

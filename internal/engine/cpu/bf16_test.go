package cpu_test

import (
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/engine/enginetest"
	"graft/internal/model"
)

// bf16Sets runs a test under every set that multiplies in bfloat16.
func bf16Sets(t *testing.T, f func(t *testing.T, engine func(threads int) engine.Engine)) {
	sets(t, func(t *testing.T, set *kernel.Set) {
		if set.BF16 == nil {
			if _, err := cpu.New(cpu.Options{Set: set, BF16: true}); err == nil {
				t.Error("bf16 without the instructions is no error")
			}
			t.Skip("this set has no products of bfloat16")
		}
		f(t, func(threads int) engine.Engine {
			e, err := cpu.New(cpu.Options{Threads: threads, Set: set, BF16: true})
			if err != nil {
				t.Fatal(err)
			}
			return e
		})
	})
}

func TestGoldenBF16(t *testing.T) {
	bf16Sets(t, func(t *testing.T, e func(int) engine.Engine) {
		enginetest.GoldenBF16(t, e(2))
	})
}

func TestThreadsBF16(t *testing.T) {
	bf16Sets(t, func(t *testing.T, e func(int) engine.Engine) {
		for _, name := range []string{"resnet20", "squeezenet1_1", "resnet18", "resnet50"} {
			m, err := model.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			enginetest.Threads(t, e, m.Build(7, min(m.Size, 64)), 5)
		}
	})
}

func TestRounded(t *testing.T) {
	bf16Sets(t, func(t *testing.T, e func(int) engine.Engine) { enginetest.Rounded(t, e(2)) })
}

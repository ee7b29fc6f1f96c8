package cpu_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/engine/enginetest"
	"graft/internal/model"
)

// sets runs a test under every instruction set the processor has, and fails for
// those that GRAFT_REQUIRE_ISA names and it lacks.
func sets(t *testing.T, f func(t *testing.T, set *kernel.Set)) {
	t.Helper()
	var have []string
	for _, s := range kernel.Available() {
		have = append(have, s.Name)
		t.Run(s.Name, func(t *testing.T) { f(t, s) })
	}
	for name := range strings.SplitSeq(os.Getenv("GRAFT_REQUIRE_ISA"), ",") {
		if name != "" && !slices.Contains(have, name) {
			t.Errorf("GRAFT_REQUIRE_ISA: this processor lacks %s", name)
		}
	}
}

func newEngine(t testing.TB, set *kernel.Set, threads int) engine.Engine {
	t.Helper()
	e, err := cpu.New(cpu.Options{Threads: threads, Set: set})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEngine(t *testing.T) {
	sets(t, func(t *testing.T, set *kernel.Set) { enginetest.Run(t, newEngine(t, set, 2), true) })
}

func TestGolden(t *testing.T) {
	sets(t, func(t *testing.T, set *kernel.Set) {
		models := enginetest.Models()
		if set.Name == "generic" {
			models = []string{"resnet20", "squeezenet1_1", "resnet18"}
		}
		enginetest.Golden(t, newEngine(t, set, 2), false, models...)
	})
}

func TestThreads(t *testing.T) {
	sets(t, func(t *testing.T, set *kernel.Set) {
		names := []string{"resnet20", "squeezenet1_1", "resnet18", "resnet50"}
		if set.Name == "generic" {
			names = names[:1]
		}
		for _, name := range names {
			m, err := model.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			enginetest.Threads(t, func(threads int) engine.Engine { return newEngine(t, set, threads) }, m.Build(7, min(m.Size, 64)), 5)
		}
	})
}

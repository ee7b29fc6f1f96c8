package cpu_test

import (
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/engine/enginetest"
	"graft/internal/engine/ref"
	"graft/internal/model"
	"graft/internal/weights"
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
		if !set.Winograd { // the slow ones
			models = []string{"resnet20", "squeezenet1_1", "resnet18", "mobilenet_v3_small", "efficientnet_b0"}
		}
		if set.Name == "avx2" { // the two of most parameters, whose layers others have too
			models = slices.DeleteFunc(models, func(m string) bool { return m == "vit_b_16" || m == "wide_resnet50_2" })
		}
		direct, err := cpu.New(cpu.Options{Threads: 2, Set: set, Direct: true})
		if err != nil {
			t.Fatal(err)
		}
		enginetest.Golden(t, direct, false, models...)
	})
}

func TestGoldenWinograd(t *testing.T) {
	sets(t, func(t *testing.T, set *kernel.Set) {
		if !set.Winograd {
			t.Skip("this set convolves directly only")
		}
		enginetest.Golden(t, newEngine(t, set, 2), true, "resnet18", "resnet34", "resnet50", "squeezenet1_1")
	})
}

func TestThreads(t *testing.T) {
	sets(t, func(t *testing.T, set *kernel.Set) {
		names := []string{"resnet20", "squeezenet1_1", "resnet18", "resnet50", "mobilenet_v2", "efficientnet_b0", "regnet_y_400mf"}
		enginetest.Threads(t, func(threads int) engine.Engine { return newEngine(t, set, threads) }, enginetest.Transformer(), 5)
		if !set.Winograd { // the slow ones
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

// TestFoldedNormEqualsUnfolded infers with real weights, batch norm folded into
// the convolutions here and kept apart in the reference engine.
func TestFoldedNormEqualsUnfolded(t *testing.T) {
	const path = "../../../../shared/weights/resnet20-cifar10-12fca82f.th"
	if _, err := os.Stat(path); err != nil {
		t.Skip("missing: ../shared/weights/resnet20-cifar10-12fca82f.th")
	}
	sd, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(10, 32)
	values, err := model.Restore(g, sd)
	if err != nil {
		t.Fatal(err)
	}
	const n = 8
	x := make([]float32, n*g.Input().Len())
	r := rand.New(rand.NewPCG(3, 3))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	infer := func(e engine.Engine) []float32 {
		net, err := e.Compile(g, engine.Config{Batch: n})
		if err != nil {
			t.Fatal(err)
		}
		defer net.Close()
		for i := range values {
			net.Load(i, values[i])
		}
		logits := make([]float32, n*10)
		if err := net.Infer(x, n, logits); err != nil {
			t.Fatal(err)
		}
		return logits
	}
	want := infer(ref.New())
	sets(t, func(t *testing.T, set *kernel.Set) {
		worst, largest := 0.0, 0.0
		for i, v := range infer(newEngine(t, set, 2)) {
			worst, largest = max(worst, math.Abs(float64(v-want[i]))), max(largest, math.Abs(float64(want[i])))
		}
		t.Logf("off by %.1e of the largest logit", worst/largest)
		if worst/largest > 1e-5 {
			t.Errorf("off by %.1e of the largest logit, bound 1e-5", worst/largest)
		}
	})
}

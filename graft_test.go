package graft

import (
	"context"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"graft/internal/rundir"
	"graft/internal/weights"

	"github.com/google/go-cmp/cmp"
)

// small is a run that takes a second or two.
func small(t testing.TB) Config {
	t.Helper()
	t.Setenv("GRAFT_CACHE", t.TempDir())
	return Config{Data: "clothing", Model: "resnet20", Weights: "none", Recipe: "plain", Epochs: 1, Batch: 64, LR: 0.01, Out: filepath.Join(t.TempDir(), "run")}
}

func mustTrain(t testing.TB, c Config) *Run {
	t.Helper()
	run, err := Train(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func TestFlagWinsOverRecipeWinsOverDefault(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   map[string]any
	}{
		"default":             {Config{}, map[string]any{"epochs": 8, "batch": 32, "lr": 4e-3, "head": 1.0, "momentum": 0.9, "decay": 1e-3, "groups": true, "sum": false}},
		"plain":               {Config{Recipe: "plain"}, map[string]any{"epochs": 5, "batch": 64, "lr": 1e-3, "head": 10.0, "momentum": 0.9, "decay": 1e-3, "groups": true, "sum": false}},
		"recipe":              {Config{Recipe: "d2l"}, map[string]any{"epochs": 5, "batch": 128, "lr": 5e-5, "head": 10.0, "momentum": 0.0, "decay": 1e-3, "groups": true, "sum": true}},
		"recipe from scratch": {Config{Recipe: "d2l", Weights: "none"}, map[string]any{"epochs": 5, "batch": 128, "lr": 5e-4, "head": 10.0, "momentum": 0.0, "decay": 1e-3, "groups": false, "sum": true}},
		"flags": {Config{Recipe: "d2l", Epochs: 2, Batch: 7, LR: 1, HeadLRX: 3, Momentum: Float(0.5), WeightDecay: Float(0), NoParamGroups: true},
			map[string]any{"epochs": 2, "batch": 7, "lr": 1.0, "head": 3.0, "momentum": 0.5, "decay": 0.0, "groups": false, "sum": true}},
		"adjusted": {Config{Recipe: "plain", Epochs: 2, Adjust: func(r *Recipe) { r.Epochs++; r.Sum = true }},
			map[string]any{"epochs": 3, "batch": 64, "lr": 1e-3, "head": 10.0, "momentum": 0.9, "decay": 1e-3, "groups": true, "sum": true}},
	} {
		r, err := c.config.recipe()
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{"epochs": r.Epochs, "batch": r.Batch, "lr": r.LR, "head": r.HeadLRX, "momentum": r.Momentum, "decay": r.WeightDecay, "groups": r.Groups, "sum": r.Sum}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestTrainWritesARun(t *testing.T) {
	c := small(t)
	var plan Plan
	var epochs int
	c.Epochs = 2
	c.Events = func(e Event) {
		switch e := e.(type) {
		case Plan:
			plan = e
		case Epoch:
			epochs++
		}
	}
	run := mustTrain(t, c)
	if epochs != 2 || plan.Train != 300 || plan.Test != 90 || plan.Dir != c.Out {
		t.Errorf("%d epochs, plan %+v", epochs, plan)
	}
	config, err := rundir.ReadConfig(run.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if config.Settings.Epochs != 2 || config.Weights.Asked != "none" || len(config.Data.Fingerprint) != 64 || config.Machine.Device != run.Device {
		t.Errorf("config %+v", config)
	}
	e, err := Evaluate(context.Background(), EvalConfig{Model: run.Dir, Data: "clothing"})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(e.Accuracy-run.BestTestAcc) > 1e-9 || e.N != 90 || e.Part != "test" {
		t.Errorf("a run opens its best model: evaluated %.4f on %d (%s), trained to %.4f", e.Accuracy, e.N, e.Part, run.BestTestAcc)
	}
	// The model file stands alone.
	moved := filepath.Join(t.TempDir(), "moved.safetensors")
	b, err := os.ReadFile(filepath.Join(run.Dir, "best.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(moved, b, 0o644); err != nil {
		t.Fatal(err)
	}
	sd, err := weights.Open(moved)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"graft.version", "graft.model", "graft.classes", "graft.preprocess", "graft.data"} {
		if sd.Metadata[key] == "" {
			t.Errorf("the model file lacks %s", key)
		}
	}
	again, err := Evaluate(context.Background(), EvalConfig{Model: moved, Data: "clothing"})
	if err != nil || again.Accuracy != e.Accuracy {
		t.Errorf("moved, it has accuracy %v (%v)", again, err)
	}
}

func TestCancelledRunKeepsWhatItHas(t *testing.T) {
	c := small(t)
	c.Epochs = 50
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c.Events = func(e Event) {
		if _, ok := e.(Epoch); ok {
			cancel()
		}
	}
	run, err := Train(ctx, c)
	if err != nil || !run.Interrupted || run.BestEpoch != 1 {
		t.Fatalf("%+v, %v", run, err)
	}
	if _, err := Open(run.Dir); err != nil {
		t.Error(err)
	}
}

func TestLossThatIsNoNumberStopsTheRun(t *testing.T) {
	c := small(t)
	c.LR, c.Epochs = 1e6, 3
	_, err := Train(context.Background(), c)
	if err == nil || !strings.Contains(err.Error(), "step") || !strings.Contains(err.Error(), "rate") || !strings.Contains(err.Error(), "batch") {
		t.Errorf("error %v names no step, rate and batch", err)
	}
}

func TestGraftOfGraft(t *testing.T) {
	c := small(t)
	run := mustTrain(t, c)
	next := small(t)
	next.Weights = filepath.Join(run.Dir, "best.safetensors")
	mustTrain(t, next)
	next.Out += "2"
	next.Model = "squeezenet1_1"
	if _, err := Train(context.Background(), next); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("weights of another network: %v", err)
	}
}

// TestConcurrentPredict asks one classifier from many goroutines.
func TestConcurrentPredict(t *testing.T) {
	run := mustTrain(t, small(t))
	c, err := Open(run.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	picture := func(n int) image.Image {
		img := image.NewRGBA(image.Rect(0, 0, 40+n, 30))
		for i := range img.Pix {
			img.Pix[i] = uint8(i * (n + 3))
		}
		for x := range 40 {
			img.SetRGBA(x, n, color.RGBA{255, uint8(n), 0, 255})
		}
		return img
	}
	var images []image.Image
	for n := range 5 {
		images = append(images, picture(n))
	}
	want, err := c.Predict(context.Background(), images...)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range 20 {
		wg.Go(func() {
			got, err := c.Predict(context.Background(), images[n%5])
			if err != nil {
				t.Error(err)
				return
			}
			if d := cmp.Diff(want[n%5], got[0]); d != "" {
				t.Errorf("alone and at once differ:\n%s", d)
			}
		})
	}
	wg.Wait()
	sum := 0.0
	for _, l := range want[0].TopK {
		sum += l.Prob
	}
	if math.Abs(sum-1) > 1e-5 {
		t.Errorf("probabilities sum to %g", sum)
	}
	if _, err := c.Predict(context.Background(), nil); err == nil {
		t.Error("no picture was accepted")
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	newer := filepath.Join(dir, "newer.safetensors")
	write := func(path string, meta map[string]string) {
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := weights.WriteSafetensors(f, []weights.Tensor{{Name: "x", Shape: []int{1}, Data: []float32{1}}}, meta); err != nil {
			t.Fatal(err)
		}
	}
	write(newer, map[string]string{"graft.format": "99", "graft.version": "9.0", "graft.model": "resnet18"})
	bare := filepath.Join(dir, "bare.safetensors")
	write(bare, nil)
	for path, want := range map[string]string{newer: "use a newer graft", bare: "not a model of graft's", filepath.Join(dir, "none"): "no run or model file"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", path, err, want)
		}
	}
}

// TestFreeze trains twice from the same file with a part frozen: what is frozen,
// batch norm's statistics included, ends as it began, and the rest does not.
func TestFreeze(t *testing.T) {
	first := small(t)
	start := filepath.Join(mustTrain(t, first).Dir, "model.safetensors")
	before, err := weights.Open(start)
	if err != nil {
		t.Fatal(err)
	}
	for freeze, learns := range map[string]func(name string) bool{
		"all":          func(string) bool { return false }, // beside the output layer
		"conv1,layer1": func(name string) bool { return strings.HasPrefix(name, "bn1.") || name > "layer2" },
	} {
		c := first
		c.Weights, c.Freeze, c.Out = start, freeze, filepath.Join(t.TempDir(), "frozen")
		var plan Plan
		c.Events = func(e Event) {
			if p, ok := e.(Plan); ok {
				plan = p
			}
		}
		after, err := weights.Open(filepath.Join(mustTrain(t, c).Dir, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		count := 0
		for _, name := range before.Names() {
			a, _ := before.Get(name)
			b, ok := after.Get(name)
			if strings.HasPrefix(name, "linear.") || strings.HasSuffix(name, "num_batches_tracked") {
				continue // the graft is new
			}
			if changed := !ok || !cmp.Equal(a.Data, b.Data); changed != learns(name) {
				t.Errorf("freeze %s: %s changed: %t", freeze, name, changed)
			}
			count++
		}
		if count < 50 || plan.Trainable >= plan.Parameters || plan.Freeze != freeze {
			t.Errorf("freeze %s: %d compared, plan %+v", freeze, count, plan)
		}
	}
	c := first
	c.Freeze, c.Force = "layer9", true
	if _, err := Train(context.Background(), c); err == nil || !strings.Contains(err.Error(), "layer9") {
		t.Errorf("error %v", err)
	}
}

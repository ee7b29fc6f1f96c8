package train

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/engine/cpu"
	"graft/internal/engine/ref"
	"graft/internal/graph"
)

// The golden steps are PyTorch's; testdata/golden/training has the script.
type goldenSteps struct {
	Recipe Recipe
	Loss   []float64
	Rate   []float64
	Params map[string][]float64
	Metric []float64
	Mix    float32
}

func wave(name string, i int) float32 {
	for _, c := range []byte(name) {
		i += int(c)
	}
	return float32(math.Sin(float64(i + 1)))
}

// goldenNet is the script's network.
func goldenNet(t *testing.T, e engine.Engine, r Recipe) (*graph.Graph, engine.Network) {
	b := graph.NewBuilder("golden", graph.Shape{H: 2, W: 2, C: 3})
	x := b.ReLU(b.BatchNorm("norm", b.Conv("conv", 0, 4, graph.Window{Kernel: 1, Stride: 1}, false)))
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", x), 3), "fc")
	net, err := e.Compile(g, engine.Config{Batch: 4, Train: true, Slots: r.Slots()})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		for j := range v {
			switch {
			case p.Name == "norm.weight":
				v[j] = 1 + 0.1*wave(p.Name, j)
			case p.Name == "norm.bias":
				v[j] = 0.1 * wave(p.Name, j)
			case p.Role == graph.RunningVar:
				v[j] = 1
			case !p.Buffer():
				v[j] = 0.5 * wave(p.Name, j)
			}
		}
		net.Load(i, v)
	}
	return g, net
}

func goldenBatch(s int) *dataset.Batch {
	b := &dataset.Batch{N: 4}
	for i := range 48 {
		b.X = append(b.X, wave("x", i+100*s))
	}
	for i := range 4 {
		b.Labels, b.Index = append(b.Labels, int32((i*i+s)%3)), append(b.Index, i)
	}
	return b
}

// TestStepsEqualPyTorch runs ten steps of every optimiser, schedule and regulariser on both
// engines, an epoch each.
func TestStepsEqualPyTorch(t *testing.T) {
	text, err := os.ReadFile("../../testdata/golden/training/steps.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string]goldenSteps
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	fast, err := cpu.New(cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range cases {
		for _, e := range []engine.Engine{ref.New(), fast} {
			t.Run(fmt.Sprintf("%s on %s", name, e.Device()), func(t *testing.T) { c.check(t, e) })
		}
	}
}

func (c goldenSteps) check(t *testing.T, e engine.Engine) {
	r := c.Recipe
	var weights []float32
	if r.Classes != "" {
		for w := range strings.SplitSeq(r.Classes, ",") {
			f, _ := strconv.ParseFloat(w, 32)
			weights = append(weights, float32(f))
		}
	}
	r.Epochs, r.Batch, r.HeadLRX = len(c.Loss), 4, max(r.HeadLRX, 1)
	g, net := goldenNet(t, e, r)
	defer net.Close()
	job := Job{Net: net, Graph: g, Recipe: r, Weights: weights, Begun: Capture(net, g, 0, 0).Params, Test: source3(), Train: Source{Images: 4,
		Batches: func(_ context.Context, epoch, _ int) iter.Seq2[*dataset.Batch, error] {
			return func(yield func(*dataset.Batch, error) bool) { yield(goldenBatch(epoch), nil) }
		}}}
	run := newRun(job)
	for s, want := range c.Loss {
		rate := run.rate()
		if math.Abs(rate-c.Rate[s]) > 1e-12 && r.Groups == false {
			t.Fatalf("step %d has the rate %g, PyTorch %g", s, rate, c.Rate[s])
		}
		b := goldenBatch(s)
		res, err := run.goldenStep(b, rate, c.Mix)
		if err != nil {
			t.Fatal(err)
		}
		per := 4.0
		if weights != nil {
			per = weight(b, &engine.Soft{Weights: weights})
		}
		if got := res.Loss / per; math.Abs(got-want) > 2e-6*(1+want) {
			t.Fatalf("the loss of step %d is %.9g, PyTorch's %.9g", s, got, want)
		}
		run.at.Step++
		if c.Metric != nil {
			run.at.Plateau.See(c.Metric[s], r.Gamma, r.Plateau)
		}
	}
	if r.EMA != 0 {
		net.Swap()
	}
	for name, want := range c.Params {
		got := make([]float32, len(want))
		net.Read(g.Param(name), got)
		for i := range want {
			if math.Abs(float64(got[i])-want[i]) > 5e-6*(1+math.Abs(want[i])) {
				t.Errorf("%s[%d] is %.8g, PyTorch's %.8g", name, i, got[i], want[i])
			}
		}
	}
}

// goldenStep is a step, with mixup of a given share where there is one.
func (r *run) goldenStep(b *dataset.Batch, rate float64, share float32) (engine.Result, error) {
	if share == 0 {
		return r.trainStep(b, rate, 1)
	}
	m := mixer{shape: r.Graph.Input()}
	m.blend(b, share)
	soft := engine.Soft{}
	for i := range b.N {
		soft.Mixed, soft.Share = append(soft.Mixed, b.Labels[(i+b.N-1)%b.N]), append(soft.Share, share)
	}
	res, err := gradients(r.Net, b, engine.Pass{Soft: soft}, 0)
	if err != nil {
		return res, err
	}
	setRates(&r.update, r.groups, rate)
	r.Net.Update(r.update)
	return res, nil
}

func source3() Source { return source(4, nil) }

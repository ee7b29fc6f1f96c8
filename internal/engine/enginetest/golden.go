package enginetest

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/graph"
	"graft/internal/model"
)

// The golden numbers are PyTorch's in float64, of networks whose parameters and
// inputs follow from a formula; testdata/golden/networks has the script.

// Models are those with golden numbers.
func Models() []string {
	return []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet20", "squeezenet1_0", "squeezenet1_1",
		"mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0", "resnext50_32x4d", "wide_resnet50_2", "regnet_y_400mf",
		"tf_efficientnet_lite0", "efficientnet_lite0", "convnext_tiny", "vit_b_16"}
}

const goldenClasses = 7

type goldenEval struct {
	Size, Batch int
	Logits      [][]float64
}

type goldenTrain struct {
	Size, Batch int
	LR          float64
	HeadX       float64 `json:"head_lr_multiplier"`
	WeightDecay float64 `json:"weight_decay"`
	Momentum    float64
	Labels      []int32
	Head        []string
	Loss        []float64
	Logits      [][]float64
	Grad        map[string]struct {
		L2     float64
		First8 []float64
	}
	Buffers map[string]struct {
		L2     float64
		First4 []float64
	} `json:"buffers_after_step1"`
	Norms map[string]float64 `json:"param_l2_after_last_step"`
}

// deviation is how far PyTorch's own float32 is from its float64.
type deviation struct {
	Eval       float64
	Loss       []float64
	GradL2     float64 `json:"grad_l2"`
	GradFirst8 float64 `json:"grad_first8"`
	BuffersL2  float64 `json:"buffers_l2"`
	ParamL2    float64 `json:"param_l2"`
}

func goldenDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "../../../testdata/golden/networks")
}

func readGolden(t testing.TB, name string, v any) bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDir(), name))
	if os.IsNotExist(err) {
		return false
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// formula is value i of the array of that name, in [-1, 1): MurmurHash3's finaliser.
func formula(name string, i int) float64 {
	return float64(formulaBits(name, i))/(1<<31) - 1
}

func formulaBits(name string, i int) uint32 {
	u := uint32(uint64(i)*2654435761 + uint64(crc32.ChecksumIEEE([]byte(name))))
	u ^= u >> 16
	u *= 0x85ebca6b
	u ^= u >> 13
	u *= 0xc2b2ae35
	return u ^ u>>16
}

// goldenParam is a parameter by the formula.
func goldenParam(p graph.Param) []float32 {
	v := make([]float32, p.Len())
	for i := range v {
		x := formula(p.Name, i)
		switch {
		case p.Role == graph.Weight || p.Role == graph.Embedding || p.Role == graph.Scale && len(p.Shape) > 1:
			x *= math.Sqrt(6 / float64(p.Len()/p.Shape[0]))
		case p.Role == graph.Scale || strings.HasSuffix(p.Name, "_bias"): // not called bias: ViT's in_proj_bias
			x = 1 + 0.1*x
		case p.Role == graph.RunningVar:
			x = 1 + 0.5*math.Abs(x)
		default:
			x *= 0.1
		}
		v[i] = float32(x)
	}
	return v
}

// goldenInput is a batch by the formula, NHWC.
func goldenInput(batch, size int) []float32 {
	x := make([]float32, batch*size*size*3)
	for n := range batch {
		for c := range 3 {
			for px := range size * size {
				x[(n*size*size+px)*3+c] = float32(2 * formula("input", (n*3+c)*size*size+px))
			}
		}
	}
	return x
}

// compileGolden builds a model filled by the formula, without dropout.
func compileGolden(t testing.TB, e engine.Engine, name string, size, batch int, train bool) (engine.Network, *graph.Graph) {
	t.Helper()
	m, err := model.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(goldenClasses, size)
	for i := range g.Nodes {
		g.Nodes[i].P = 0
	}
	net, err := e.Compile(g, engine.Config{Batch: batch, Train: train})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range g.Params {
		net.Load(i, goldenParam(p))
	}
	return net, g
}

// Formula is a network filled by the formula of the golden numbers, and so many pictures, NHWC:
// for other golden numbers of the same networks.
func Formula(t testing.TB, name string, size, batch int) (g *graph.Graph, params [][]float32, x []float32) {
	t.Helper()
	m, err := model.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	g = m.Build(goldenClasses, size)
	for _, p := range g.Params {
		params = append(params, goldenParam(p))
	}
	return g, params, goldenInput(batch, size)
}

// Golden holds an engine against PyTorch's numbers for the named models, within
// the bounds that go with them: those of float32 with direct convolution, or
// ten times those where winograd is set.
func Golden(t *testing.T, e engine.Engine, winograd bool, models ...string) {
	all := map[string]deviation{}
	readGolden(t, "float32-deviation.json", &all)
	for _, name := range models {
		t.Run(name, func(t *testing.T) {
			d := all[name]
			factor := 1.0
			if winograd {
				factor = 10
			}
			var eval struct{ Eval []goldenEval }
			if readGolden(t, "eval-"+name+".json", &eval) {
				for _, c := range eval.Eval {
					if testing.Short() && c.Size > 96 {
						continue
					}
					goldenLogits(t, e, name, c, factor*max(20*d.Eval, 1e-5))
				}
			}
			var train struct{ Train goldenTrain }
			if readGolden(t, "train-"+name+".json", &train) {
				goldenSteps(t, e, name, &train.Train, d, factor)
			}
		})
	}
}

func goldenLogits(t *testing.T, e engine.Engine, name string, c goldenEval, bound float64) {
	t.Helper()
	net, _ := compileGolden(t, e, name, c.Size, c.Batch, false)
	defer net.Close()
	got := make([]float32, c.Batch*goldenClasses)
	if err := net.Infer(goldenInput(c.Batch, c.Size), c.Batch, got); err != nil {
		t.Fatal(err)
	}
	largest, worst := 0.0, 0.0
	for i, row := range c.Logits {
		for j, want := range row {
			largest = max(largest, math.Abs(want))
			worst = max(worst, math.Abs(float64(got[i*goldenClasses+j])-want))
		}
	}
	t.Logf("%s, size %d: logits off by %.1e of the largest (bound %.1e)", e.Device(), c.Size, worst/largest, bound)
	if !(worst/largest <= bound) {
		t.Errorf("size %d: logits off by %.1e of the largest, bound %.1e", c.Size, worst/largest, bound)
	}
}

func goldenSteps(t *testing.T, e engine.Engine, name string, c *goldenTrain, d deviation, factor float64) {
	t.Helper()
	net, g := compileGolden(t, e, name, c.Size, c.Batch, true)
	defer net.Close()
	u := engine.Update{Momentum: float32(c.Momentum)}
	for i := range g.Params {
		rate := c.LR
		if g.InHead(i) {
			rate *= c.HeadX
		}
		u.Rate, u.Decay = append(u.Rate, float32(rate)), append(u.Decay, float32(c.WeightDecay))
	}
	relative := func(got, want float64) float64 { return math.Abs(got-want) / math.Max(math.Abs(want), 1e-12) }
	check := func(what string, off, bound float64) {
		t.Helper()
		if !(off <= bound) {
			t.Errorf("%s: %s off by %.1e, bound %.1e", e.Device(), what, off, bound)
		}
	}
	x := goldenInput(c.Batch, c.Size)
	for step, want := range c.Loss {
		r, err := net.Gradients(engine.Batch{X: x, Labels: c.Labels, N: c.Batch}, engine.Pass{})
		if err != nil {
			t.Fatal(err)
		}
		off := relative(r.Loss/float64(c.Batch), want)
		if factor > 1 && step > 0 { // a small loss after large ones: what was lost is part of the large ones
			off *= want / max(want, c.Loss[0])
		}
		if step == 0 {
			check("loss of step 1", off, factor*max(20*d.Loss[0], 1e-5))
			worst := goldenGradients(t, net, g, c)
			check("gradients", worst, factor*max(5*max(d.GradL2, d.GradFirst8), 1e-3))
			t.Logf("%s: loss off by %.1e, gradients by %.1e", e.Device(), off, worst)
		} else {
			check("later loss", off, factor*max(5*d.Loss[step], 1e-3))
		}
		net.Update(u)
		if step == 0 {
			worst := 0.0
			for n, want := range c.Buffers {
				worst = max(worst, relative(l2(read(net, g, n)), want.L2))
			}
			check("running statistics", worst, 1e-5)
		}
	}
	worst := 0.0
	for n, want := range c.Norms {
		worst = max(worst, relative(l2(read(net, g, n)), want))
	}
	check("norms after the last step", worst, factor*max(5*d.ParamL2, 1e-3))
}

// goldenGradients is the largest difference of a gradient's norm or of its first
// values, in units of its norm, or of a thousandth of the largest norm.
func goldenGradients(t *testing.T, net engine.Network, g *graph.Graph, c *goldenTrain) float64 {
	t.Helper()
	largest, worst := 0.0, 0.0
	for _, want := range c.Grad {
		largest = max(largest, want.L2)
	}
	for n, want := range c.Grad {
		i := g.Param(n)
		if i < 0 {
			t.Fatalf("no parameter %s", n)
		}
		got := make([]float32, g.Params[i].Len())
		net.Gradient(i, got)
		unit := max(want.L2, 1e-3*largest)
		worst = max(worst, math.Abs(l2(got)-want.L2)/unit)
		for j, w := range want.First8 {
			worst = max(worst, math.Abs(float64(got[j])-w)/unit)
		}
	}
	return worst
}

func read(net engine.Network, g *graph.Graph, name string) []float32 {
	i := g.Param(name)
	v := make([]float32, g.Params[i].Len())
	net.Read(i, v)
	return v
}

func l2(v []float32) float64 {
	s := 0.0
	for _, x := range v {
		s += float64(x) * float64(x)
	}
	return math.Sqrt(s)
}

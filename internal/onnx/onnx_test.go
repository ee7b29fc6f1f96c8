package onnx_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/ref"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/onnx"
)

// parameters are a network's first values, with norms and biases that do something.
func parameters(g *graph.Graph) [][]float32 {
	values := model.Initialise(g, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for i, p := range g.Params {
		for k := range values[i] {
			switch p.Role {
			case graph.Scale, graph.RunningVar:
				values[i][k] = float32(0.7 + 0.6*r.Float64())
			case graph.Bias, graph.RunningMean:
				values[i][k] = float32(0.2 * (r.Float64() - 0.5))
			}
		}
	}
	return values
}

// infer is what the reference engine answers.
func infer(t *testing.T, g *graph.Graph, params [][]float32, x []float32, n int) []float32 {
	t.Helper()
	net, err := ref.New().Compile(g, engine.Config{Batch: n})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range params {
		net.Load(i, v)
	}
	logits := make([]float32, n*g.Classes())
	if err := net.Infer(x, n, logits); err != nil {
		t.Fatal(err)
	}
	return logits
}

// written is what stands in the file of a network: written, read back, ready to run.
func written(t *testing.T, g *graph.Graph, params [][]float32, o onnx.Options) *onnx.Session {
	t.Helper()
	m, err := onnx.Build(g, params, o)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := m.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := onnx.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := back.Write(&again); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Fatalf("what was read back is written otherwise (%v)", err)
	}
	s, err := onnx.NewSession(back)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func planesOf(x []float32, n, side int) onnx.Array {
	a := onnx.Array{Dims: []int{n, 3, side, side}, Floats: make([]float32, len(x))}
	for i := range n {
		for px := range side * side {
			for c := range 3 {
				a.Floats[(i*3+c)*side*side+px] = x[(i*side*side+px)*3+c]
			}
		}
	}
	return a
}

// compare holds logits against the reference and probabilities against their softmax.
func compare(t *testing.T, out map[string]onnx.Array, want []float32, classes int, temperature float64) {
	t.Helper()
	got, most, far := out["logits"].Floats, 0.0, 0.0
	if len(got) != len(want) {
		t.Fatalf("%d logits, want %d", len(got), len(want))
	}
	for i, v := range want {
		most = max(most, math.Abs(float64(v)))
		far = max(far, math.Abs(float64(v-got[i])))
	}
	if !(far <= 2e-5*most) {
		t.Errorf("logits differ by %g of %g", far, most)
	}
	for i, p := range out["probabilities"].Floats {
		row, sum := want[i/classes*classes:][:classes], 0.0
		for _, v := range row {
			sum += math.Exp(float64(v-want[i]) / temperature)
		}
		if math.Abs(float64(p)-1/sum) > 1e-4 {
			t.Errorf("probability %d is %g, want %g", i, p, 1/sum)
		}
	}
}

// TestEveryModelIsExportable: a registered network is exportable by being registered.
func TestEveryModelIsExportable(t *testing.T) {
	for _, m := range model.All() {
		t.Run(m.Name, func(t *testing.T) {
			if large := map[string]bool{"resnet101": true, "resnet152": true, "wide_resnet50_2": true}; large[m.Name] {
				t.Skip("of the same blocks as resnet50, and slow")
			}
			const side, n = 32, 2
			g := m.Build(5, side)
			params := parameters(g)
			x := make([]float32, n*g.Input().Len())
			r := rand.New(rand.NewPCG(3, 4))
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			want := infer(t, g, params, x, n)
			out, err := written(t, g, params, onnx.Options{Temperature: 1.5}).Run(planesOf(x, n, side))
			if err != nil {
				t.Fatal(err)
			}
			compare(t, out, want, 5, 1.5)
		})
	}
}

// TestNormsThatStandAlone: a batch norm that no convolution takes up becomes an operator of its own, and
// one behind a convolution that others read too is not folded.
func TestNormsThatStandAlone(t *testing.T) {
	b := graph.NewBuilder("norms", graph.Shape{H: 6, W: 6, C: 3})
	x := b.BatchNorm("first", 0)
	y := b.Conv("conv", x, 3, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, true)
	z := b.Add("sum", b.BatchNorm("second", y), y)
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("pool", b.Activation(graph.HardSigmoid, z)), 4), "fc")
	params := parameters(g)
	in := make([]float32, 2*g.Input().Len())
	for i := range in {
		in[i] = float32(math.Sin(float64(i)))
	}
	out, err := written(t, g, params, onnx.Options{Opset: onnx.OldestOpset}).Run(planesOf(in, 2, 6))
	if err != nil {
		t.Fatal(err)
	}
	compare(t, out, infer(t, g, params, in, 2), 4, 1)
}

func TestTooLarge(t *testing.T) {
	m := &onnx.Model{Opset: onnx.Opset}
	weights := make([]float32, 1<<20) // the same ones again and again: 2 GB of file, 4 MB of memory
	for range 512 {
		m.Graph.Tensors = append(m.Graph.Tensors, onnx.Tensor{Name: "w", Dims: []int{len(weights)}, Floats: weights})
	}
	var large *onnx.TooLargeError
	var b bytes.Buffer
	if err := m.Write(&b); !errors.As(err, &large) || b.Len() > 0 || !strings.Contains(err.Error(), "safetensors") {
		t.Errorf("2 GB were written: %v, %d bytes", err, b.Len())
	}
}

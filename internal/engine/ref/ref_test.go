package ref_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/enginetest"
	"graft/internal/engine/ref"
	"graft/internal/graph"
)

func TestGolden(t *testing.T) {
	enginetest.Golden(t, ref.New(), false, "resnet20", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0")
}

// TestGradientsAreDerivatives holds every operation's gradient against central
// differences of the loss.
func TestGradientsAreDerivatives(t *testing.T) {
	b := graph.NewBuilder("all", graph.Shape{H: 7, W: 6, C: 3})
	x := b.Conv("a", 0, 4, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, true)
	x = b.ReLU(b.BatchNorm("a.bn", x))
	y := b.Conv("g", x, 4, graph.Window{Kernel: 3, Stride: 1, Pad: 1, Groups: 2}, false)
	x = b.Add("add", b.BatchNorm("g.bn", y), x)
	x = b.Concat("cat", x, b.MaxPool("pool", x, graph.Window{Kernel: 3, Stride: 1, Pad: 1}))
	x = b.Dropout("drop", b.Conv("s", x, 6, graph.Window{Kernel: 3, Stride: 2, Pad: 1}, true), 0.3)
	x = b.Add("add2", b.Shortcut("cut", x, 8, 2), b.Conv("t", x, 8, graph.Window{Kernel: 1, Stride: 2}, false))
	for _, op := range []graph.Op{graph.ReLU6, graph.HardSwish, graph.SiLU, graph.GELU} {
		x = b.Activation(op, x)
	}
	scale := b.Activation(graph.HardSigmoid, b.Activation(graph.Sigmoid, b.GlobalAvgPool("squeeze", x)))
	x = b.StochasticDepth("drop2", b.Mul("mul", x, scale), 0.3)
	x = b.LayerScale("gamma", b.LayerNorm("ln", x, 1e-3), 1)
	x = b.Tokens("tokens", "cls", "pos", x)
	x = b.Add("add3", x, b.Attention("attention", b.Linear("qkv", x, 24), 2))
	g := b.Graph(b.Linear("fc", b.FirstToken("first", x), 3), "fc")

	net, err := ref.New().Compile(g, engine.Config{Batch: 3, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	params := make([][]float32, len(g.Params))
	for i, p := range g.Params {
		params[i] = make([]float32, p.Len())
		for j := range params[i] {
			params[i][j] = float32(r.NormFloat64() * 0.5)
			if p.Role == graph.Scale || p.Role == graph.RunningVar {
				params[i][j] = 1 + float32(r.Float64())/2
			}
		}
		net.Load(i, params[i])
	}
	in := engine.Batch{X: make([]float32, 3*g.Input().Len()), Labels: []int32{0, 2, 1}, N: 3}
	for i := range in.X {
		in.X[i] = float32(r.NormFloat64())
	}
	loss := func() float64 {
		res, err := net.Gradients(in, engine.Pass{Seed: 9, Scale: 1})
		if err != nil {
			t.Fatal(err)
		}
		return res.Loss
	}
	loss()
	grads := make([][]float32, len(g.Params))
	for i := range g.Params {
		grads[i] = make([]float32, len(params[i]))
		net.Gradient(i, grads[i])
	}
	const h = 1.0 / (1 << 16) // so small that few activations cross a ReLU's kink
	for i, p := range g.Params {
		if p.Buffer() {
			continue
		}
		for j := 0; j < len(params[i]); j += 1 + len(params[i])/6 {
			old := params[i][j]
			at := func(v float32) float64 {
				params[i][j] = v
				net.Load(i, params[i])
				return loss()
			}
			up, down := old+h, old-h
			slope := (at(up) - at(down)) / (float64(up) - float64(down))
			at(old)
			if math.Abs(slope-float64(grads[i][j])) > 2e-4*(1+math.Abs(slope)) {
				t.Errorf("%s[%d]: gradient %g, differences give %g", p.Name, j, grads[i][j], slope)
			}
		}
	}
}

package enginetest

import (
	"math"
	"slices"
	"testing"

	"graft/internal/engine"
	"graft/internal/engine/ref"
	"graft/internal/graph"
)

// autocast is how far PyTorch's own bfloat16 (torch.autocast) is from its float64, as
// our tests measure it. ResNet-50 at 96 pixels and four pictures is chaotic.
var autocast = map[string]struct{ eval, loss, grad float64 }{
	"resnet18":      {4.4e-3, 2.6e-3, 0.14},
	"resnet50":      {1.2e-2, 1.5e-1, 0.45},
	"squeezenet1_1": {7.2e-3, 6.3e-4, 0.12},
}

// GoldenBF16 holds an engine that multiplies in bfloat16 against PyTorch's numbers in
// float64, within three times autocast's distance: logits in units of the largest,
// the loss of the first step, gradients in units of their norms.
func GoldenBF16(t *testing.T, e engine.Engine) {
	for name, d := range autocast {
		t.Run(name, func(t *testing.T) {
			var eval struct{ Eval []goldenEval }
			if readGolden(t, "eval-"+name+".json", &eval) {
				for _, c := range eval.Eval {
					goldenLogits(t, e, name, c, 3*d.eval)
				}
			}
			var train struct{ Train goldenTrain }
			if readGolden(t, "train-"+name+".json", &train) {
				goldenFirstStep(t, e, name, &train.Train, max(3*d.loss, 5e-3), 3*d.grad)
			}
		})
	}
}

func goldenFirstStep(t *testing.T, e engine.Engine, name string, c *goldenTrain, lossBound, gradBound float64) {
	t.Helper()
	net, g := compileGolden(t, e, name, c.Size, c.Batch, true)
	defer net.Close()
	r, err := net.Gradients(engine.Batch{X: goldenInput(c.Batch, c.Size), Labels: c.Labels, N: c.Batch}, engine.Pass{})
	if err != nil {
		t.Fatal(err)
	}
	loss := math.Abs(r.Loss/float64(c.Batch)-c.Loss[0]) / c.Loss[0]
	gradients := goldenGradients(t, net, g, c)
	t.Logf("%s: loss off by %.1e, gradients by %.1e of their norms", e.Device(), loss, gradients)
	if !(loss <= lossBound) || !(gradients <= gradBound) {
		t.Errorf("loss off by %.1e, gradients by %.1e of their norms: bounds %.1e and %.1e", loss, gradients, lossBound, gradBound)
	}
}

// Rounded holds an engine that multiplies in bfloat16 against the reference on every
// small graph: the gradient of each parameter as a whole, in units of its
// norm: within 2e-2 where the graph is linear (1.3e-2 with Winograd's weight gradient). Where a ReLU's sign or the place of a
// maximum can flip, within 4e-1: three convolutions with batch norm are off by 1.6e-1 by direct
// products and by 2.9e-1 with Winograd. A wrong product is off by more than its norm.
func Rounded(t *testing.T, e engine.Engine) {
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			g := c.build()
			off, where := roundedGradients(t, e, g, c.batch)
			bound := 2e-2
			if slices.ContainsFunc(g.Nodes, func(n graph.Node) bool { return n.Op.Activation() || n.Op == graph.BatchNorm || n.Op == graph.MaxPool }) {
				bound = 0.4
			}
			t.Logf("gradients off by %.1e of their norms (%s)", off, where)
			if !(off <= bound) {
				t.Errorf("gradient of %s off by %.1e of its norm, bound %.1e", where, off, bound)
			}
		})
	}
	t.Run("promises", func(t *testing.T) {
		state(t, e)
		mistakes(t, e)
		notFinite(t, e)
		allocations(t, e)
	})
}

// roundedGradients is the largest relative error of a parameter's gradient.
func roundedGradients(t *testing.T, e engine.Engine, g *graph.Graph, n int) (worst float64, where string) {
	t.Helper()
	var nets []engine.Network
	for _, e := range []engine.Engine{e, ref.New()} {
		net, err := e.Compile(g, engine.Config{Batch: n, Train: true})
		if err != nil {
			t.Fatal(err)
		}
		defer net.Close()
		nets = append(nets, net)
	}
	fill(g, nets...)
	for _, net := range nets {
		if _, err := net.Gradients(batch(g, n, 1), engine.Pass{}); err != nil {
			t.Fatal(err)
		}
	}
	largest := 0.0
	each(g, nets[0].Gradient, nets[1].Gradient, func(_ string, _, want []float32) { largest = max(largest, l2(want)) })
	each(g, nets[0].Gradient, nets[1].Gradient, func(name string, got, want []float32) {
		difference := make([]float32, len(got))
		for i := range got {
			difference[i] = got[i] - want[i]
		}
		if off := l2(difference) / max(l2(want), 5e-2*largest); !(off <= worst) {
			worst, where = off, name
		}
	})
	return worst, where
}

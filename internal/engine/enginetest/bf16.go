package enginetest

import (
	"math"
	"testing"

	"graft/internal/engine"
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

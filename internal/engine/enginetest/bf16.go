package enginetest

import (
	"math"
	"testing"

	"graft/internal/engine"
)

// GoldenBF16 holds an engine that multiplies in bfloat16 against PyTorch's numbers in
// float64: of the largest logit, of the loss of the first step, and of gradients' norms.
func GoldenBF16(t *testing.T, e engine.Engine, models ...string) {
	for _, name := range models {
		t.Run(name, func(t *testing.T) {
			var eval struct{ Eval []goldenEval }
			if readGolden(t, "eval-"+name+".json", &eval) {
				for _, c := range eval.Eval {
					goldenLogits(t, e, name, c, 0.05)
				}
			}
			var train struct{ Train goldenTrain }
			if readGolden(t, "train-"+name+".json", &train) {
				goldenFirstStep(t, e, name, &train.Train)
			}
		})
	}
}

func goldenFirstStep(t *testing.T, e engine.Engine, name string, c *goldenTrain) {
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
	if !(loss <= 0.02) || !(gradients <= 0.5) {
		t.Errorf("loss off by %.1e, gradients by %.1e of their norms: bounds 2e-2 and 5e-1", loss, gradients)
	}
}

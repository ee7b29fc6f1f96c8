package model_test

import (
	"bytes"
	"context"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/weights"
)

// TestRegistered holds every registered model against torchvision's counts:
// parameters and billions of multiply-adds, from its table of published weights.
func TestRegistered(t *testing.T) {
	published := map[string]struct {
		params int
		gmac   float64
	}{
		"resnet18": {11689512, 1.814}, "resnet34": {21797672, 3.664}, "resnet50": {25557032, 4.089}, "resnet101": {44549160, 7.801},
		"resnet152": {60192808, 11.514}, "resnet20": {269722, 0.0407}, "squeezenet1_0": {1248424, 0.819}, "squeezenet1_1": {1235496, 0.349},
		"mobilenet_v2": {3504872, 0.301}, "mobilenet_v3_small": {2542856, 0.057}, "mobilenet_v3_large": {5483032, 0.217}, "efficientnet_b0": {5288548, 0.386},
		"resnext50_32x4d": {25028904, 4.230}, "wide_resnet50_2": {68883240, 11.398}, "regnet_y_400mf": {4344144, 0.402},
		"tf_efficientnet_lite0": {4652008, 0.385}, "efficientnet_lite0": {4652008, 0.385},
		"convnext_tiny": {28589128, 4.456}, "vit_b_16": {86567656, 17.564},
	}
	for _, m := range model.All() {
		t.Run(m.Name, func(t *testing.T) {
			g := m.Build(m.Classes, m.Size)
			for _, x := range []*graph.Graph{g, graph.Grad(g, nil), m.Build(3, m.Size)} {
				if err := graph.Verify(x); err != nil {
					t.Fatal(err)
				}
			}
			want, ok := published[m.Name]
			if !ok {
				t.Fatal("no published counts to compare with")
			}
			params, macs := graph.Counts(g)
			if params != want.params || math.Abs(float64(macs)/1e9-want.gmac) > max(0.005*want.gmac, 0.0005) {
				t.Errorf("%d parameters and %.3f GMAC, torchvision has %d and %.3f", params, float64(macs)/1e9, want.params, want.gmac)
			}
			heads := 0
			for i := range g.Params {
				if g.InHead(i) {
					heads++
				}
			}
			if heads != 2 {
				t.Errorf("the output layer has %d parameters, want weight and bias", heads)
			}
			for _, w := range m.Weights {
				if err := w.Preprocess.Validate(); err != nil {
					t.Error(err)
				}
				if w.Licence == "" || w.Origin == "" || !w.Embedded && (w.File.URL == "" || w.File.SHA256Prefix == "") {
					t.Errorf("weights %s lack licence, origin, address or hash", w.Tag)
				}
			}
		})
	}
}

// TestPublishedFiles loads the real weights that are at hand.
func TestPublishedFiles(t *testing.T) {
	for name, file := range map[string]string{"squeezenet1_1": "squeezenet1_1-imagenet.pth", "resnet20": "resnet20-cifar10-12fca82f.th"} {
		path := "../../../shared/weights/" + file
		if _, err := os.Stat(path); err != nil {
			t.Skipf("missing: %s", path)
		}
		sd, err := weights.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := model.Restore(m.Build(m.Classes, m.Size), sd); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGraft(t *testing.T) {
	m, err := model.Find("squeezenet1_1")
	if err != nil {
		t.Fatal(err)
	}
	sd, err := model.LoadWeights(context.Background(), m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(5, 224)
	values, err := model.Graft(g, sd, 1)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := model.Graft(g, sd, 1)
	other, _ := model.Graft(g, sd, 2)
	for i, p := range g.Params {
		if len(values[i]) != p.Len() || !slices.Equal(values[i], again[i]) {
			t.Fatalf("%s: %d values, or others the second time", p.Name, len(values[i]))
		}
		if !g.InHead(i) {
			if from, _ := sd.Get(p.Name); !slices.Equal(values[i], from.Data) {
				t.Errorf("%s is not copied", p.Name)
			}
			continue
		}
		if p.Role == graph.Bias {
			if slices.ContainsFunc(values[i], func(v float32) bool { return v != 0 }) {
				t.Error("the new bias is not zero")
			}
			continue
		}
		bound := math.Sqrt(6. / (512 + 5)) // Xavier-uniform of a 1x1 convolution
		low, high := slices.Min(values[i]), slices.Max(values[i])
		if float64(high) > bound || float64(low) < -bound || float64(high) < 0.99*bound || float64(low) > -0.99*bound {
			t.Errorf("the new weights span %g to %g, Xavier's bound is %g", low, high, bound)
		}
		if slices.Equal(values[i], other[i]) {
			t.Error("another seed gives the same output layer")
		}
	}
	// The wrong network is refused, with all that does not fit.
	r, _ := model.Find("resnet20")
	if _, err := model.Graft(r.Build(5, 32), sd, 1); err == nil || !strings.Contains(err.Error(), "missing") || !strings.Contains(err.Error(), "extra") {
		t.Errorf("error %v", err)
	}
}

func TestInitialise(t *testing.T) {
	m, _ := model.Find("resnet18")
	g := m.Build(10, 224)
	values := model.Initialise(g, 3)
	deviation := func(name string) float64 {
		s := 0.0
		v := values[g.Param(name)]
		for _, x := range v {
			s += float64(x) * float64(x)
		}
		return math.Sqrt(s / float64(len(v)))
	}
	// kaiming_normal with fan_out and ReLU's gain; a linear layer's uniform bound is 1/sqrt(fan_in).
	for name, want := range map[string]float64{
		"conv1.weight": math.Sqrt(2. / (64 * 49)), "layer4.1.conv2.weight": math.Sqrt(2. / (512 * 9)), "fc.weight": 1 / math.Sqrt(3*512),
		"bn1.weight": 1, "bn1.bias": 0, "bn1.running_var": 1,
	} {
		if got := deviation(name); math.Abs(got-want) > 0.03*want+1e-9 {
			t.Errorf("%s has deviation %g, torchvision's %g", name, got, want)
		}
	}
}

func TestRestoreRoundTrip(t *testing.T) {
	m, _ := model.Find("resnet20")
	g := m.Build(4, 32)
	values := model.Initialise(g, 1)
	var list []weights.Tensor
	for i, p := range g.Params {
		list = append(list, weights.Tensor{Name: p.Name, Shape: p.Shape, Data: values[i]})
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, list, nil); err != nil {
		t.Fatal(err)
	}
	sd, err := weights.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x")
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.Restore(g, sd)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		if !slices.Equal(got[i], values[i]) {
			t.Errorf("%s changed", g.Params[i].Name)
		}
	}
	if _, err := model.Restore(m.Build(5, 32), sd); err == nil {
		t.Error("another number of classes was accepted")
	}
}

func TestFindSuggests(t *testing.T) {
	if _, err := model.Find("resnet19"); err == nil || !strings.Contains(err.Error(), "resnet18") {
		t.Errorf("error %v", err)
	}
}

package model_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/weights"
)

// foreign are names that others give to parameters of ours.
var foreign = map[string]map[string]string{
	"efficientnet_b0": {
		"features.0.0.weight": "conv_stem.weight", "features.1.0.block.0.0.weight": "blocks.0.0.conv_dw.weight",
		"features.1.0.block.1.fc1.bias": "blocks.0.0.se.conv_reduce.bias", "features.1.0.block.2.1.bias": "blocks.0.0.bn2.bias",
		"features.6.2.block.2.fc2.weight": "blocks.5.2.se.conv_expand.weight", "features.7.0.block.3.1.running_var": "blocks.6.0.bn3.running_var",
		"features.8.1.weight": "bn2.weight", "classifier.1.bias": "classifier.bias"},
	"mobilenet_v2": {
		"features.0.1.running_mean": "bn1.running_mean", "features.1.conv.0.0.weight": "blocks.0.0.conv_dw.weight", "features.1.conv.1.weight": "blocks.0.0.conv_pw.weight",
		"features.1.conv.2.bias": "blocks.0.0.bn2.bias", "features.3.conv.2.weight": "blocks.1.1.conv_pwl.weight", "features.17.conv.3.weight": "blocks.6.0.bn3.weight",
		"features.18.0.weight": "conv_head.weight"},
	"regnet_y_400mf": {
		"stem.0.weight": "stem.conv.weight", "trunk_output.block1.block1-0.proj.0.weight": "s1.b1.downsample.conv.weight",
		"trunk_output.block4.block4-5.f.se.fc2.bias": "s4.b6.se.fc2.bias", "trunk_output.block2.block2-1.f.b.1.running_var": "s2.b2.conv2.bn.running_var",
		"fc.weight": "head.fc.weight"},
	"convnext_tiny": {
		"features.0.0.weight": "stem.0.weight", "features.1.2.layer_scale": "stages.0.blocks.2.gamma", "features.4.1.bias": "stages.2.downsample.1.bias",
		"features.7.0.block.5.weight": "stages.3.blocks.0.mlp.fc2.weight", "classifier.0.weight": "head.norm.weight", "classifier.2.bias": "head.fc.bias"},
	"tf_efficientnet_lite0": {
		"conv_stem.weight": "_conv_stem.weight", "bn1.bias": "_bn0.bias", "blocks.0.0.bn2.weight": "_blocks.0._bn2.weight", "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
		"blocks.1.0.conv_pw.weight": "_blocks.1._expand_conv.weight", "blocks.6.0.bn3.weight": "_blocks.15._bn2.weight", "bn2.weight": "_bn1.weight",
		"classifier.weight": "_fc.weight"},
}

// TestNamings loads every network from a file with other people's names.
func TestNamings(t *testing.T) {
	for name, pairs := range foreign {
		t.Run(name, func(t *testing.T) {
			m, err := model.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			g := m.Build(10, m.Size)
			names := model.ForeignNames(g)
			for ours, theirs := range pairs {
				if i := g.Param(ours); i < 0 || names[i] != theirs {
					t.Errorf("%s (parameter %d) is called %v, want %s", ours, i, names[max(i, 0)], theirs)
				}
			}
			values := model.Initialise(g, 1)
			sd := stateDict(t, g, names, values)
			got, err := model.Restore(g, sd)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if !slices.Equal(got[i], values[i]) {
					t.Fatalf("%s has other values", g.Params[i].Name)
				}
			}
			if _, err := model.Graft(m.Build(3, m.Size), sd, 1); err != nil {
				t.Errorf("grafting another width: %v", err)
			}
		})
	}
}

func safetensors(t *testing.T, g *graph.Graph, names []string, values [][]float32) []byte {
	t.Helper()
	var list []weights.Tensor
	for i, p := range g.Params {
		list = append(list, weights.Tensor{Name: names[i], Shape: p.Shape, Data: values[i]})
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, list, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func stateDict(t *testing.T, g *graph.Graph, names []string, values [][]float32) *weights.StateDict {
	t.Helper()
	b := safetensors(t, g, names, values)
	sd, err := weights.Read(bytes.NewReader(b), int64(len(b)), "x")
	if err != nil {
		t.Fatal(err)
	}
	return sd
}

const timmConfig = `{"architecture": "mobilenetv2_100", "num_classes": 10, "pretrained_cfg": {"tag": "ra_in1k", "input_size": [3, 192, 192],
	"interpolation": "bicubic", "crop_pct": 0.875, "mean": [0.5, 0.4, 0.3], "std": [0.25, 0.25, 0.25]}}`

// TestHuggingFace fetches a model of timm's from a server of the test's own, and
// opens the same files in a folder.
func TestHuggingFace(t *testing.T) {
	m, err := model.Find("mobilenet_v2")
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(10, 192)
	files := map[string][]byte{"config.json": []byte(timmConfig), "model.safetensors": safetensors(t, g, model.ForeignNames(g), model.Initialise(g, 2))}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, ok := files[strings.TrimPrefix(r.URL.Path, "/timm/mobilenetv2_100.ra_in1k/resolve/v2/")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Write(b)
	}))
	t.Setenv("HF_ENDPOINT", server.URL)
	t.Setenv("GRAFT_CACHE", t.TempDir())
	folder := t.TempDir()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(folder, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open := func(m *model.Model, asked string) (*model.Found, bool, error) {
		return m.Open(context.Background(), asked, func(string, int64, int64) {})
	}
	for _, asked := range []string{"hf:timm/mobilenetv2_100.ra_in1k@v2", folder} {
		f, ok, err := open(m, asked)
		if err != nil || !ok {
			t.Fatalf("%s: %v, %v", asked, ok, err)
		}
		if p := f.Preprocess; p.Crop != 192 || p.Resize != 219 || p.Interpolation != "bicubic" || p.Mean != [3]float32{0.5, 0.4, 0.3} || p.Std[2] != 0.25 || p.EXIF != "apply" {
			t.Errorf("%s: preprocessing %+v", asked, p)
		}
		if _, err := model.Restore(g, f.State); err != nil {
			t.Errorf("%s: %v", asked, err)
		}
	}
	if _, ok, err := open(m, filepath.Join(folder, "model.safetensors")); ok || err != nil {
		t.Errorf("a file is taken for a folder: %v, %v", ok, err)
	}
	other, _ := model.Find("resnet18")
	for _, c := range []struct {
		model       *model.Model
		asked, want string
	}{
		{other, folder, "weights of mobilenetv2_100"},
		{m, t.TempDir(), "config.json and model.safetensors"},
		{m, "hf:resnet50", "OWNER/NAME"},
		{m, "hf:timm/../x", "OWNER/NAME"},
		{m, "hf:timm/none", "404"},
	} {
		if _, ok, err := open(c.model, c.asked); !ok || err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v does not say %q", c.asked, err, c.want)
		}
	}
	server.Close()
	if _, _, err := open(m, "hf:timm/resnet50.a1_in1k"); err == nil || !strings.Contains(err.Error(), "download it by other means") {
		t.Errorf("an unreachable server gives %v", err)
	}
}

// TestFolderCalledAuto: auto and none name no folder, whatever lies beside.
func TestFolderCalledAuto(t *testing.T) {
	t.Chdir(t.TempDir())
	m, err := model.Find("squeezenet1_1")
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{"auto", "none"} {
		if err := os.Mkdir(asked, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := m.Open(context.Background(), asked, nil); ok || err != nil {
			t.Errorf("--weights %s: found %v, error %v", asked, ok, err)
		}
	}
}

package card_test

import (
	"os"
	"strings"
	"testing"

	"graft/internal/card"
)

// full is a card that says all there is to say, with names that need quoting.
func full() *card.Card {
	return &card.Card{
		Name: `my "pets": v2`, File: "model.onnx", Format: "onnx", Network: "resnet18", Library: "torchvision", Size: 224,
		Classes: []card.Class{
			{"cat|tom", 80, 10, 20, &card.Figure{Value: 0.95, Low: 0.76, High: 0.99, N: 20}},
			{"dog <b>", 60, 0, 0, nil},
		},
		Origin: card.Weights{Name: "resnet18.imagenet1k_v1", Source: "torchvision", Licence: "BSD-3-Clause"},
		Data:   "pets: ours", Fingerprint: "0123abcd", Preprocess: `{"crop":224}`, Version: "0.1.0",
		Part: "test", Measured: &card.Figure{Value: 0.95, Low: 0.76, High: 0.99, N: 20},
		Calibrate: &card.Calibration{Temperature: 1.4, Before: 0.08, After: 0.03}, Proof: "Proved.",
	}
}

// TestCardAsWritten holds the card against its golden form; bench/onnx/check.py has huggingface_hub read one.
// GRAFT_UPDATE=1 writes it anew.
func TestCardAsWritten(t *testing.T) {
	got := full().Markdown()
	if os.Getenv("GRAFT_UPDATE") != "" {
		if err := os.WriteFile("testdata/full.md", got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/full.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the card is otherwise than testdata/full.md:\n%s", got)
	}
}

func TestWhatIsNotKnownIsNotClaimed(t *testing.T) {
	c := &card.Card{Name: "resnet18", File: "m.pth", Format: "pth", Network: "resnet18", Library: "torchvision", Classes: []card.Class{{Name: "a"}, {Name: "b"}}}
	text := string(c.Markdown())
	for _, no := range []string{"license", "model-index", "accuracy", "| class", "calibration"} {
		if strings.Contains(text, no) {
			t.Errorf("it says %q of what nobody knows:\n%s", no, text)
		}
	}
	for _, yes := range []string{"Not measured", "weights_only=True", `classes = ["a","b"]`, "Classes: a, b."} {
		if !strings.Contains(text, yes) {
			t.Errorf("it lacks %q:\n%s", yes, text)
		}
	}
	c.Library, c.Format = "timm", "safetensors"
	if text := string(c.Markdown()); !strings.Contains(text, "timm.create_model") || !strings.Contains(text, "load_file") {
		t.Errorf("not loaded by timm:\n%s", text)
	}
}

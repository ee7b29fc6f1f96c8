package transform_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"graft/internal/transform"

	"pgregory.net/rapid"
)

func noise(w, h int, seed uint64) *transform.Picture {
	r := rand.New(rand.NewPCG(seed, 0))
	p := transform.New(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(r.Uint32())
	}
	return p
}

func TestResizeToItselfChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 40).Draw(t, "w"), rapid.IntRange(1, 40).Draw(t, "h"), 1)
		if got := transform.Resize(p, p.W, p.H); !bytes.Equal(got.Pix, p.Pix) {
			t.Fatal("pixels changed")
		}
	})
}

func TestResizeKeepsAFlatPicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := transform.New(rapid.IntRange(1, 60).Draw(t, "w"), rapid.IntRange(1, 60).Draw(t, "h"))
		v := rapid.Byte().Draw(t, "v")
		for i := range p.Pix {
			p.Pix[i] = v
		}
		got := transform.Resize(p, rapid.IntRange(1, 80).Draw(t, "to w"), rapid.IntRange(1, 80).Draw(t, "to h"))
		for i, x := range got.Pix {
			if x != v {
				t.Fatalf("value %d became %d, was %d", i, x, v)
			}
		}
	})
}

// TestEvalIsResizeAndCrop: leaving out what the crop drops changes no bit.
func TestEvalIsResizeAndCrop(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := noise(rapid.IntRange(1, 90).Draw(t, "w"), rapid.IntRange(1, 90).Draw(t, "h"), 2)
		pre := transform.Preprocess{Resize: rapid.IntRange(1, 60).Draw(t, "resize"), Crop: rapid.IntRange(1, 60).Draw(t, "crop"), Interpolation: "bilinear"}
		want := transform.CenterCrop(transform.ResizeShorter(p, pre.Resize), pre.Crop)
		if got := pre.Eval(p); !bytes.Equal(got.Pix, want.Pix) {
			t.Fatalf("%+v differs", pre)
		}
	})
}

func TestTwoFlipsAreNone(t *testing.T) {
	p := noise(13, 7, 2)
	if got := transform.FlipHorizontal(transform.FlipHorizontal(p)); !bytes.Equal(got.Pix, p.Pix) {
		t.Fatal("pixels changed")
	}
}

func TestRandomBoxLiesInside(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 500).Draw(t, "w"), rapid.IntRange(1, 500).Draw(t, "h")
		seed := rapid.Uint64().Draw(t, "seed")
		draw := func() transform.CropBox {
			return transform.RandomResizedCropBox(w, h, [2]float64{0.08, 1}, [2]float64{3. / 4, 4. / 3}, rand.New(rand.NewPCG(seed, 1)))
		}
		b := draw()
		if b.Top < 0 || b.Left < 0 || b.Height < 1 || b.Width < 1 || b.Top+b.Height > h || b.Left+b.Width > w {
			t.Fatalf("%+v is not inside %dx%d", b, w, h)
		}
		if b != draw() {
			t.Fatal("the same seed gave another box")
		}
	})
}

func TestFallbackBoxIsCentral(t *testing.T) {
	// A strip so long that no draw fits: torchvision takes the middle, as wide as the ratio allows.
	b := transform.RandomResizedCropBox(1000, 3, [2]float64{0.9, 1}, [2]float64{3. / 4, 4. / 3}, rand.New(rand.NewPCG(1, 1)))
	if want := (transform.CropBox{Top: 0, Left: 498, Height: 3, Width: 4}); b != want {
		t.Fatalf("%+v, want %+v", b, want)
	}
}

func TestNormalize(t *testing.T) {
	p := transform.Preprocess{Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225}}
	pic := transform.New(1, 1)
	copy(pic.Pix, []uint8{255, 0, 128})
	got := make([]float32, 3)
	p.Normalize(got, pic)
	want := []float32{(1 - 0.485) / 0.229, -0.456 / 0.224, (128./255 - 0.406) / 0.225}
	for i := range want {
		if d := got[i] - want[i]; d > 1e-6 || d < -1e-6 {
			t.Errorf("channel %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func TestCenterCropPadsSmallPictures(t *testing.T) {
	p := noise(3, 9, 3)
	got := transform.CenterCrop(p, 6)
	if got.W != 6 || got.H != 6 {
		t.Fatalf("%dx%d", got.W, got.H)
	}
	for c := range 3 {
		if got.Pix[c] != 0 {
			t.Error("the border is not black")
		}
	}
}

func TestValidate(t *testing.T) {
	good := transform.Preprocess{Resize: 256, Crop: 224, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, EXIF: "apply"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*transform.Preprocess){
		"crop":          func(p *transform.Preprocess) { p.Crop = 0 },
		"resize":        func(p *transform.Preprocess) { p.Resize = -1 },
		"interpolation": func(p *transform.Preprocess) { p.Interpolation = "lanczos" },
		"exif":          func(p *transform.Preprocess) { p.EXIF = "maybe" },
		"std":           func(p *transform.Preprocess) { p.Std[1] = 0 },
	} {
		p := good
		spoil(&p)
		if p.Validate() == nil {
			t.Errorf("a wrong %s was accepted", name)
		}
	}
}

func BenchmarkAugment(b *testing.B) {
	p := transform.Preprocess{Resize: 256, Crop: 224, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}}
	pic := noise(500, 375, 1)
	r := rand.New(rand.NewPCG(1, 2))
	for b.Loop() {
		p.Augment(pic, r)
	}
}

func BenchmarkEval(b *testing.B) {
	p := transform.Preprocess{Resize: 256, Crop: 224, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}}
	pic := noise(500, 375, 1)
	for b.Loop() {
		p.Eval(pic)
	}
}

package transform_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"graft/internal/transform"

	"pgregory.net/rapid"
)

func TestParseAugmentation(t *testing.T) {
	for text, want := range map[string]transform.Augmentation{
		"":                     {Crop: 0.08, Flip: true},
		"none":                 {},
		"crop=0.5, flip":       {Crop: 0.5, Flip: true},
		"jitter":               {Jitter: [4]float64{0.4, 0.4, 0.4, 0.1}},
		"jitter=0.2":           {Jitter: [4]float64{0.2, 0.2, 0.2, 0.05}},
		"jitter=0.1:0:0.3:0.5": {Jitter: [4]float64{0.1, 0, 0.3, 0.5}},
		"rand,rotate,erase=1":  {Rand: [2]int{2, 9}, Rotate: 15, Erase: 1},
		"rand=1:30,trivial":    {Rand: [2]int{1, 30}, Trivial: true},
		"affine,blur=0.1,grey": {Affine: true, Blur: 0.1, Grey: 0.1},
	} {
		if got, err := transform.ParseAugmentation(text, transform.FitCrop); err != nil || *got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"crops", "crop=0", "crop=2", "flip=1", "rand=2", "rand=0:3", "rand=2:31", "jitter=1:2", "jitter=0:0:0:0.6", "erase=x", "blur=-1", "rotate=1:2", ",", "grey=NaN"} {
		if _, err := transform.ParseAugmentation(bad, transform.FitCrop); err == nil || !strings.Contains(err.Error(), "trivial") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
	if a, err := transform.ParseAugmentation("", transform.FitPad); err != nil || *a != (transform.Augmentation{Flip: true}) {
		t.Errorf("whole pictures: %+v, %v", a, err)
	}
	if _, err := transform.ParseAugmentation("crop", transform.FitSquash); err == nil {
		t.Error("whole pictures were to be cropped")
	}
}

func speckles(r *rand.Rand, w, h int) *transform.Picture {
	p := transform.New(w, h)
	for i := range p.Pix {
		p.Pix[i] = uint8(r.IntN(256))
	}
	return p
}

// TestAugmentationKeepsSizeAndSource: whatever is asked for, the picture has the network's size, the
// input stays, and the same source gives the same pixels.
func TestAugmentationKeepsSizeAndSource(t *testing.T) {
	all := strings.Fields("crop crop=0.5 flip trivial rand rand=3:30 jitter rotate=180 affine blur=1 grey=1 erase=1")
	rapid.Check(t, func(r *rapid.T) {
		seed := rapid.Uint64().Draw(r, "seed")
		fit := rapid.SampledFrom([]transform.Fit{transform.FitCrop, transform.FitPad, transform.FitSquash}).Draw(r, "fit")
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(all), 1, 5).Draw(r, "augment"), ",")
		a, err := transform.ParseAugmentation(text, fit)
		if err != nil {
			return
		}
		side := rapid.IntRange(8, 40).Draw(r, "side")
		p := transform.Preprocess{Resize: side + 4, Crop: side, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, Fit: fit}
		in := speckles(rand.New(rand.NewPCG(seed, 1)), rapid.IntRange(1, 60).Draw(r, "w"), rapid.IntRange(1, 60).Draw(r, "h"))
		before := bytes.Clone(in.Pix)
		one := a.Apply(p, in, rand.New(rand.NewPCG(seed, 2)))
		two := a.Apply(p, in, rand.New(rand.NewPCG(seed, 2)))
		if one.W != side || one.H != side || !bytes.Equal(one.Pix, two.Pix) || !bytes.Equal(before, in.Pix) {
			r.Fatalf("%d x %d of %d", one.W, one.H, side)
		}
	})
}

func TestErasing(t *testing.T) {
	const side = 32
	a := transform.Augmentation{Erase: 1}
	for seed := range uint64(50) {
		x := make([]float32, 3*side*side)
		for i := range x {
			x[i] = 1
		}
		a.EraseFrom(x, side, rand.New(rand.NewPCG(seed, 0)))
		top, bottom, left, right, gone := side, -1, side, -1, 0
		for i := 0; i < len(x); i += 3 {
			if x[i] == 0 && x[i+1] == 0 && x[i+2] == 0 {
				y, c := i/3/side, i/3%side
				top, bottom, left, right, gone = min(top, y), max(bottom, y), min(left, c), max(right, c), gone+1
			}
		}
		if gone != (bottom-top+1)*(right-left+1) || gone < 10 || float64(gone) > 0.36*side*side {
			t.Errorf("seed %d: %d pixels erased between %d,%d and %d,%d", seed, gone, top, left, bottom, right)
		}
	}
	x := []float32{1, 1, 1}
	(&transform.Augmentation{}).EraseFrom(x, 1, nil)
	if x[0] != 1 {
		t.Error("erased without being asked to")
	}
}

// TestFits: padding keeps all of a picture and its shape, squashing fills the square.
func TestFits(t *testing.T) {
	white := transform.New(60, 30)
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	for fit, want := range map[transform.Fit]float64{transform.FitCrop: 255, transform.FitPad: 127.5, transform.FitSquash: 255} {
		p := transform.Preprocess{Resize: 24, Crop: 20, Interpolation: "bilinear", Fit: fit}
		out := p.Eval(white)
		sum := 0.0
		for _, v := range out.Pix {
			sum += float64(v)
		}
		if mean := sum / float64(len(out.Pix)); out.W != 20 || out.H != 20 || math.Abs(mean-want) > 1e-9 {
			t.Errorf("%q: %d x %d, mean %g, want %g", fit, out.W, out.H, mean, want)
		}
	}
	p := transform.Preprocess{Resize: 256, Crop: 224}.WithSize(160)
	if p.Resize != 183 || p.Crop != 160 {
		t.Errorf("size 160: %+v", p)
	}
}

func TestPoliciesUseEveryOperation(t *testing.T) {
	in := speckles(rand.New(rand.NewPCG(1, 1)), 24, 24)
	seen := map[string]bool{}
	for seed := range uint64(300) {
		seen[string(transform.TrivialAugmentWide(in, rand.New(rand.NewPCG(seed, 0))).Pix)] = true
	}
	if len(seen) < 150 {
		t.Errorf("%d different pictures of 300", len(seen))
	}
}

func TestDenormalize(t *testing.T) {
	p := transform.Preprocess{Mean: [3]float32{0.5, 0.4, 0.3}, Std: [3]float32{0.2, 0.25, 0.3}}
	in := speckles(rand.New(rand.NewPCG(2, 1)), 16, 16)
	x := make([]float32, len(in.Pix))
	p.Normalize(x, in)
	if !bytes.Equal(p.Denormalize(x, 16).Pix, in.Pix) {
		t.Error("another picture came back")
	}
}

func TestWholePicturesAllowNoCrop(t *testing.T) {
	for _, c := range []struct {
		fit        transform.Fit
		text, want string
	}{{"pad", "crop=0.35,flip", "flip"}, {"squash", "crop", "none"}, {"pad", "", ""}, {"", "crop=0.35,flip", "crop=0.35,flip"}} {
		if got := c.fit.Allows(c.text); got != c.want {
			t.Errorf("%s allows %q of %q, want %q", c.fit, got, c.text, c.want)
		}
	}
}

package transform_test

import (
	"encoding/json"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"graft/internal/transform"
)

const golden = "../../testdata/golden/transforms"

func load(t *testing.T, name string) *transform.Picture {
	t.Helper()
	f, err := os.Open(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	p := transform.New(b.Dx(), b.Dy())
	for y := range p.H {
		for x := range p.W {
			switch m := img.(type) {
			case *image.RGBA:
				copy(p.Pix[(y*p.W+x)*3:][:3], m.Pix[m.PixOffset(x, y):])
			case *image.NRGBA:
				copy(p.Pix[(y*p.W+x)*3:][:3], m.Pix[m.PixOffset(x, y):])
			default:
				t.Fatalf("%s: %T", name, img)
			}
		}
	}
	return p
}

// same holds a result against Pillow's: every value within 1, 99.9 % equal.
func same(t *testing.T, what string, got, want *transform.Picture) {
	t.Helper()
	if got.W != want.W || got.H != want.H {
		t.Fatalf("%s: %dx%d, Pillow gives %dx%d", what, got.W, got.H, want.W, want.H)
	}
	differ := 0
	for i := range want.Pix {
		d := int(got.Pix[i]) - int(want.Pix[i])
		if d < -1 || d > 1 {
			t.Fatalf("%s: value %d is %d, Pillow has %d", what, i, got.Pix[i], want.Pix[i])
		}
		if d != 0 {
			differ++
		}
	}
	if differ*1000 > len(want.Pix) {
		t.Errorf("%s: %d of %d values differ", what, differ, len(want.Pix))
	}
	t.Logf("%s: %d of %d values differ", what, differ, len(want.Pix))
}

func TestEqualsTorchvision(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(golden, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Cases []struct {
			Input, Eval string
			Crop        struct {
				Box    [4]int `json:"top_left_height_width"`
				Size   int
				Output string
			} `json:"resized_crop"`
			Flip string `json:"whole_to_96_then_hflip"`
		}
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	p := transform.Preprocess{Resize: 256, Crop: 224, Interpolation: "bilinear"}
	for _, c := range list.Cases {
		in := load(t, c.Input)
		same(t, c.Input+" resized and cropped", p.Eval(in), load(t, c.Eval))
		x := c.Crop.Box
		same(t, c.Input+" box", transform.ResizedCrop(in, x[0], x[1], x[2], x[3], c.Crop.Size, c.Crop.Size), load(t, c.Crop.Output))
		same(t, c.Input+" small and flipped", transform.FlipHorizontal(transform.Resize(in, 96, 96)), load(t, c.Flip))
	}
}

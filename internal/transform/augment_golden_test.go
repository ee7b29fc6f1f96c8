package transform_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"testing"

	"graft/internal/transform"
)

// operations are those of the golden cases, by name.
var operations = map[string]func(p *transform.Picture, a []float64) *transform.Picture{
	"input":      func(p *transform.Picture, _ []float64) *transform.Picture { return p },
	"brightness": func(p *transform.Picture, a []float64) *transform.Picture { return transform.AdjustBrightness(p, a[0]) },
	"contrast":   func(p *transform.Picture, a []float64) *transform.Picture { return transform.AdjustContrast(p, a[0]) },
	"saturation": func(p *transform.Picture, a []float64) *transform.Picture { return transform.AdjustSaturation(p, a[0]) },
	"sharpness":  func(p *transform.Picture, a []float64) *transform.Picture { return transform.AdjustSharpness(p, a[0]) },
	"hue":        func(p *transform.Picture, a []float64) *transform.Picture { return transform.AdjustHue(p, a[0]) },
	"grey":       func(p *transform.Picture, _ []float64) *transform.Picture { return transform.Greyscale(p) },
	"rotate":     func(p *transform.Picture, a []float64) *transform.Picture { return transform.Rotate(p, a[0]) },
	"blur": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.GaussianBlur(p, int(a[0]), a[1])
	},
	"posterize":    func(p *transform.Picture, a []float64) *transform.Picture { return transform.Posterize(p, int(a[0])) },
	"solarize":     func(p *transform.Picture, a []float64) *transform.Picture { return transform.Solarize(p, a[0]) },
	"autocontrast": func(p *transform.Picture, _ []float64) *transform.Picture { return transform.AutoContrast(p) },
	"equalize":     func(p *transform.Picture, _ []float64) *transform.Picture { return transform.Equalize(p) },
	"reduce":       func(p *transform.Picture, a []float64) *transform.Picture { return transform.Reduce(p, int(a[0])) },
	"squash": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Resize(p, int(a[0]), int(a[0]))
	},
	"affine": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Affine(p, transform.Affinity{Degrees: a[0], Shift: [2]float64{a[1], a[2]}, Scale: a[3], Shear: [2]float64{a[4], a[5]}})
	},
	"ShearX": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Manipulate(p, "ShearX", a[0])
	},
	"ShearY": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Manipulate(p, "ShearY", a[0])
	},
	"TranslateX": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Manipulate(p, "TranslateX", a[0])
	},
	"TranslateY": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Manipulate(p, "TranslateY", a[0])
	},
	"Rotate": func(p *transform.Picture, a []float64) *transform.Picture {
		return transform.Manipulate(p, "Rotate", a[0])
	},
}

// TestOperationsEqualTorchvision holds every operation against its golden pictures: equal, but
// for the blur, whose float sums may round the other way.
func TestOperationsEqualTorchvision(t *testing.T) {
	b, err := os.ReadFile("../../testdata/golden/augment/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Cases []struct {
			Input, Op, Pixels string
			Args              []float64
			Size              [2]int `json:"size_wh"`
		}
	}
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	inputs := map[string]*transform.Picture{}
	for _, c := range list.Cases {
		packed, err := base64.StdEncoding.DecodeString(c.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zlib.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		want := transform.New(c.Size[0], c.Size[1])
		if _, err := io.ReadFull(z, want.Pix); err != nil {
			t.Fatal(err)
		}
		if c.Op == "input" {
			inputs[c.Input] = want
		}
		t.Run(fmt.Sprint(c.Input, c.Op, c.Args), func(t *testing.T) {
			in := inputs[c.Input]
			before := bytes.Clone(in.Pix)
			got := operations[c.Op](in, c.Args)
			if got.W != want.W || got.H != want.H {
				t.Fatalf("%d x %d, want %d x %d", got.W, got.H, want.W, want.H)
			}
			differ, most := 0, 0.0
			for i := range want.Pix {
				if d := math.Abs(float64(got.Pix[i]) - float64(want.Pix[i])); d > 0 {
					differ++
					most = max(most, d)
				}
			}
			if differ > 0 && (c.Op != "blur" || most > 1 || differ*200 > len(want.Pix)) {
				t.Errorf("%d of %d values differ, by up to %g", differ, len(want.Pix), most)
			}
			if !bytes.Equal(before, in.Pix) {
				t.Error("the input was changed")
			}
		})
	}
}

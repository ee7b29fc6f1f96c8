package transform

import "fmt"

// A Fit is how a picture of any shape becomes a square. It is the same in training,
// validation and prediction, and kept in model files.
type Fit string

// The fits.
const (
	FitCrop   Fit = ""       // the shorter side resized, the middle cut out; in training a part of chance
	FitPad    Fit = "pad"    // the longer side resized, the rest black
	FitSquash Fit = "squash" // both sides resized, whatever the shape
)

// ParseFit reads crop, pad or squash; "" is crop.
func ParseFit(name string) (Fit, error) {
	switch name {
	case "", "crop":
		return FitCrop, nil
	case "pad", "squash":
		return Fit(name), nil
	}
	return "", fmt.Errorf("crop %q: there are crop, pad, squash", name)
}

// whole reports whether all of a picture is seen.
func (f Fit) whole() bool { return f != FitCrop }

// evalWhole is Eval of the fits that see all of a picture.
func (p Preprocess) evalWhole(pic *Picture) *Picture {
	w, h := p.Crop, p.Crop
	if p.Fit == FitPad {
		if pic.W > pic.H {
			h = max(1, int(float64(p.Crop)*float64(pic.H)/float64(pic.W)+0.5))
		} else {
			w = max(1, int(float64(p.Crop)*float64(pic.W)/float64(pic.H)+0.5))
		}
	}
	return CenterCrop(resize(pic, 0, 0, pic.H, pic.W, w, h, filters[p.Interpolation]), p.Crop)
}

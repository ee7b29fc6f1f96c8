package transform

import (
	"fmt"
	"math/rand/v2"
)

// A Preprocess says how pictures are made ready for a network. It is kept in
// model files, so that the same picture gets the same answer everywhere.
type Preprocess struct {
	Resize        int        `json:"resize"`        // shorter side before the central crop
	Crop          int        `json:"crop"`          // side of the square the network sees
	Interpolation string     `json:"interpolation"` // bilinear or bicubic
	Mean          [3]float32 `json:"mean"`          // of red, green, blue in [0, 1]
	Std           [3]float32 `json:"std"`
	EXIF          string     `json:"exif"` // apply or ignore: the orientation tag
	Fit           Fit        `json:"fit,omitempty"`
	// DecodeShorter lets a JPEG be read at a half, a quarter or an eighth of its size
	// while its shorter side keeps so many pixels; 0 reads all of it.
	DecodeShorter int `json:"decode_shorter,omitempty"`
}

// Validate says what is wrong with p, if anything.
func (p Preprocess) Validate() error {
	switch {
	case p.Crop < 1 || p.Crop > 4096:
		return fmt.Errorf("preprocessing: crop of %d pixels is not between 1 and 4096", p.Crop)
	case p.Resize < 1 || p.Resize > 8192:
		return fmt.Errorf("preprocessing: resize to %d pixels is not between 1 and 8192", p.Resize)
	case filters[p.Interpolation].weight == nil:
		return fmt.Errorf("preprocessing: interpolation %q is neither bilinear nor bicubic", p.Interpolation)
	case p.EXIF != "apply" && p.EXIF != "ignore":
		return fmt.Errorf("preprocessing: exif %q is neither apply nor ignore", p.EXIF)
	case p.DecodeShorter != 0 && p.DecodeShorter < p.Resize:
		return fmt.Errorf("preprocessing: pictures decoded to %d pixels are too small for %d", p.DecodeShorter, p.Resize)
	}
	if _, err := ParseFit(string(p.Fit)); err != nil {
		return fmt.Errorf("preprocessing: %w", err)
	}
	for _, s := range p.Std {
		if !(s > 0) {
			return fmt.Errorf("preprocessing: deviation %v is not positive", p.Std)
		}
	}
	return nil
}

// Eval is torchvision's Resize(p.Resize) and CenterCrop(p.Crop); what the crop
// leaves out is not computed.
func (p Preprocess) Eval(pic *Picture) *Picture {
	if p.Fit.whole() {
		return p.evalWhole(pic)
	}
	w, h := shorter(pic.W, pic.H, p.Resize)
	if w >= p.Crop && h >= p.Crop {
		part := CropBox{centre(h - p.Crop), centre(w - p.Crop), p.Crop, p.Crop}
		return resizePart(pic, CropBox{0, 0, pic.H, pic.W}, w, h, part, filters[p.Interpolation])
	}
	if w != pic.W || h != pic.H {
		pic = resize(pic, 0, 0, pic.H, pic.W, w, h, filters[p.Interpolation])
	}
	return CenterCrop(pic, p.Crop)
}

// WithSize is p for a network that sees another square, its resizing in proportion.
func (p Preprocess) WithSize(side int) Preprocess {
	p.Resize = (p.Resize*side + p.Crop/2) / p.Crop
	p.Crop = side
	return p
}

// Augment is torchvision's RandomResizedCrop(p.Crop) with its default scale and
// ratio, followed by RandomHorizontalFlip.
func (p Preprocess) Augment(pic *Picture, r *rand.Rand) *Picture {
	a := Augmentation{Crop: DefaultCrop, Flip: true}
	return a.Apply(p, pic, r)
}

// Denormalize is the side x side picture that Normalize made x of.
func (p Preprocess) Denormalize(x []float32, side int) *Picture {
	pic := New(side, side)
	for i := range pic.Pix {
		v := (x[i]*p.Std[i%3] + p.Mean[i%3]) * 255
		pic.Pix[i] = uint8(max(0, min(255, v+0.5)))
	}
	return pic
}

// Normalize writes (v/255 - mean) / std for each channel, pixel by pixel (NHWC),
// with float32's rounding after each step as ToTensor and Normalize have it.
// dst holds 3*W*H values.
func (p Preprocess) Normalize(dst []float32, pic *Picture) {
	var table [3][256]float32
	for c := range table {
		for v := range table[c] {
			x := float32(v) / 255
			x -= p.Mean[c]
			table[c][v] = x / p.Std[c]
		}
	}
	dst = dst[:len(pic.Pix)]
	for i := 0; i+2 < len(dst); i += 3 {
		q := pic.Pix[i : i+3 : i+3]
		dst[i], dst[i+1], dst[i+2] = table[0][q[0]], table[1][q[1]], table[2][q[2]]
	}
}

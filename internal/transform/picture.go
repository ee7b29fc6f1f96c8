package transform

import "image"

// A Picture is an 8-bit RGB picture: rows from the top, pixels from the left,
// three bytes a pixel, nothing between rows. len(Pix) == 3*W*H.
type Picture struct {
	W, H int
	Pix  []uint8
}

// New returns a black picture w pixels wide and h pixels high.
func New(w, h int) *Picture {
	return &Picture{W: w, H: h, Pix: make([]uint8, 3*w*h)}
}

// Image is the picture as the standard library has one.
func (p *Picture) Image() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		copy(img.Pix[4*i:4*i+3], p.Pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

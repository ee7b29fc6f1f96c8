package transform

import (
	"math"
	"math/rand/v2"
)

// Resize is Pillow's Image.resize((w, h), BILINEAR): antialiased when it shrinks.
func Resize(p *Picture, w, h int) *Picture {
	return resize(p, 0, 0, p.H, p.W, w, h, filters["bilinear"])
}

// ResizeBy is Resize with another interpolation: bilinear or bicubic.
func ResizeBy(p *Picture, w, h int, interpolation string) *Picture {
	return resize(p, 0, 0, p.H, p.W, w, h, filters[interpolation])
}

// shorter is the size torchvision's Resize(size) gives: the shorter side becomes size.
func shorter(w, h, size int) (int, int) {
	if w <= h {
		return size, max(1, int(float64(size)*float64(h)/float64(w)))
	}
	return max(1, int(float64(size)*float64(w)/float64(h))), size
}

// ResizeShorter is torchvision's Resize(size): the shorter side becomes size,
// the longer int(size * longer / shorter).
func ResizeShorter(p *Picture, size int) *Picture {
	w, h := shorter(p.W, p.H, size)
	return Resize(p, w, h)
}

// CenterCrop is torchvision's CenterCrop(size); a smaller picture gets a black border.
func CenterCrop(p *Picture, size int) *Picture {
	top, left := centre(p.H-size), centre(p.W-size)
	out := New(size, size)
	for y := range size {
		sy := top + y
		if sy < 0 || sy >= p.H {
			continue
		}
		x0, x1 := max(left, 0), min(left+size, p.W)
		if x0 < x1 {
			copy(out.Pix[(y*size+x0-left)*3:], p.Pix[(sy*p.W+x0)*3:(sy*p.W+x1)*3])
		}
	}
	return out
}

// centre is where a crop starts that leaves over pixels: Python's round of the
// half, to even; padding, when over is negative, puts the smaller half first.
func centre(over int) int {
	if over < 0 {
		return -(-over / 2)
	}
	return int(math.RoundToEven(float64(over) / 2))
}

// ResizedCrop is torchvision's functional resized_crop: the box, resized to w x h.
func ResizedCrop(p *Picture, top, left, height, width, w, h int) *Picture {
	return resize(p, top, left, height, width, w, h, filters["bilinear"])
}

// FlipHorizontal is the mirror image.
func FlipHorizontal(p *Picture) *Picture {
	out := New(p.W, p.H)
	for y := range p.H {
		from, to := p.Pix[y*p.W*3:(y+1)*p.W*3], out.Pix[y*p.W*3:(y+1)*p.W*3]
		for x := range p.W {
			copy(to[(p.W-1-x)*3:][:3], from[x*3:])
		}
	}
	return out
}

// A CropBox is a part of a picture.
type CropBox struct{ Top, Left, Height, Width int }

// RandomResizedCropBox draws a box as torchvision's RandomResizedCrop.get_params
// does: ten tries at an area and an aspect ratio, then the largest central box
// whose ratio is allowed.
func RandomResizedCropBox(w, h int, scale, ratio [2]float64, r *rand.Rand) CropBox {
	area := float64(w) * float64(h)
	lo, hi := math.Log(ratio[0]), math.Log(ratio[1])
	for range 10 {
		target := area * (scale[0] + (scale[1]-scale[0])*r.Float64())
		aspect := math.Exp(lo + (hi-lo)*r.Float64())
		cw := int(math.RoundToEven(math.Sqrt(target * aspect)))
		ch := int(math.RoundToEven(math.Sqrt(target / aspect)))
		if cw > 0 && cw <= w && ch > 0 && ch <= h {
			return CropBox{Top: r.IntN(h - ch + 1), Left: r.IntN(w - cw + 1), Height: ch, Width: cw}
		}
	}
	cw, ch := w, h
	switch in := float64(w) / float64(h); {
	case in < ratio[0]:
		ch = int(math.RoundToEven(float64(w) / ratio[0]))
	case in > ratio[1]:
		cw = int(math.RoundToEven(float64(h) * ratio[1]))
	}
	cw, ch = max(min(cw, w), 1), max(min(ch, h), 1)
	return CropBox{Top: (h - ch) / 2, Left: (w - cw) / 2, Height: ch, Width: cw}
}

package dataset

import (
	"math"

	"graft/internal/likeness"
	"graft/internal/transform"
)

// A Look is what opening a picture tells about it beside its pixels: half a
// kilobyte that stays when the pixels are gone.
type Look struct {
	Format      string          `json:"format"` // by content: jpeg, png, gif, webp, bmp, tiff
	Width       int             `json:"width"`  // upright, in pixels
	Height      int             `json:"height"`
	Orientation int             `json:"orientation"` // EXIF's, 1 to 8
	Mean        float32         `json:"mean"`        // brightness, 0 to 255
	Deviation   float32         `json:"deviation"`   // of brightness
	Sharpness   float32         `json:"sharpness"`   // see sharpness
	Print       *likeness.Print `json:"print"`
}

// lookSide is the longer side, in pixels, at which brightness and sharpness are
// taken, about what a network sees; smaller pictures are taken as they are.
const lookSide = 256

// lookAt measures a decoded picture.
func lookAt(data []byte, p *transform.Picture) *Look {
	l := &Look{Orientation: 1}
	if name, w, h, err := DecodeHeader(data); err == nil { // p may be read at a part of its size
		l.Format, l.Width, l.Height, l.Orientation = name, w, h, orientation(name, data)
		if l.Orientation >= 5 {
			l.Width, l.Height = h, w
		}
	}
	p = transform.Reduce(p, max(p.W, p.H)/(2*lookSide))
	if long := max(p.W, p.H); long > lookSide {
		p = transform.Resize(p, max(1, p.W*lookSide/long), max(1, p.H*lookSide/long))
	}
	grey := make([]float32, p.W*p.H)
	var sum, squares float64
	for i := range grey {
		q := p.Pix[3*i : 3*i+3]
		v := 0.299*float64(q[0]) + 0.587*float64(q[1]) + 0.114*float64(q[2])
		grey[i] = float32(v)
		sum += v
		squares += v * v
	}
	n := float64(len(grey))
	mean := sum / n
	l.Mean, l.Deviation = float32(mean), float32(math.Sqrt(max(0, squares/n-mean*mean)))
	l.Sharpness = sharpness(grey, p.W, p.H)
	l.Print = likeness.Of(p)
	return l
}

// sharpness is the largest over the picture's 3 x 3 fields of the standard
// deviation of the Laplacian (Pech-Pacheco and others 2000): a sharp subject before a
// blurred ground is sharp.
func sharpness(grey []float32, w, h int) float32 {
	const fields = 3
	best := 0.0
	for fy := range fields {
		for fx := range fields {
			var sum, squares float64
			n := 0
			for y := max(1, fy*h/fields); y < min(h-1, (fy+1)*h/fields); y++ {
				for x := max(1, fx*w/fields); x < min(w-1, (fx+1)*w/fields); x++ {
					at := y*w + x
					v := float64(4*grey[at] - grey[at-1] - grey[at+1] - grey[at-w] - grey[at+w])
					sum += v
					squares += v * v
					n++
				}
			}
			if n > 0 {
				mean := sum / float64(n)
				best = max(best, squares/float64(n)-mean*mean)
			}
		}
	}
	return float32(math.Sqrt(best))
}

// Look is what opening a sample found, nil where it was not opened.
func (d *Dataset) Look(s *Sample) *Look { return d.looks[s.rel()] }

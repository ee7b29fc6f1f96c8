package transform

import (
	"math"
	"sync"
)

// precision is the number of fraction bits of Pillow's 8-bit coefficients
// (PRECISION_BITS in Resample.c).
const precision = 32 - 8 - 2

// A filter is an interpolation kernel and how far it reaches.
type filter struct {
	support float64
	weight  func(x float64) float64
}

var filters = map[string]filter{
	"bilinear": {1, func(x float64) float64 {
		if x = math.Abs(x); x < 1 {
			return 1 - x
		}
		return 0
	}},
	"bicubic": {2, func(x float64) float64 {
		const a = -0.5
		switch x = math.Abs(x); {
		case x < 1:
			return ((a+2)*x-(a+3))*x*x + 1
		case x < 2:
			return (((x-5)*x+8)*x - 4) * a
		}
		return 0
	}},
}

// coefficients are the weights of the input pixels of each output pixel along
// one axis: size of them an output pixel, from first on.
type coefficients struct {
	size  int
	first []int
	count []int
	fixed []int32
}

// plan computes the coefficients of count output pixels, from start on, for
// resizing n pixels to out pixels, as precompute_coeffs and normalize_coeffs_8bpc do.
func (c *coefficients) plan(n, out, start, count int, f filter) {
	scale := float64(n) / float64(out)
	filterScale := max(scale, 1)
	support := f.support * filterScale
	c.size = int(math.Ceil(support))*2 + 1
	c.first, c.count = grow(c.first, count), grow(c.count, count)
	c.fixed = grow(c.fixed, count*c.size)
	var weights [64]float64
	w := weights[:]
	if c.size > len(w) {
		w = make([]float64, c.size)
	}
	for i := range count {
		center := (float64(start+i) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), n)
		sum := 0.0
		for x := lo; x < hi; x++ {
			v := f.weight((float64(x) - center + 0.5) / filterScale)
			w[x-lo] = v
			sum += v
		}
		k := c.fixed[i*c.size : (i+1)*c.size]
		clear(k)
		for x := range hi - lo {
			v := w[x]
			if sum != 0 {
				v /= sum
			}
			if v < 0 {
				k[x] = int32(-0.5 + v*(1<<precision))
			} else {
				k[x] = int32(0.5 + v*(1<<precision))
			}
		}
		c.first[i], c.count[i] = lo, hi-lo
	}
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

func clip8(v int32) uint8 {
	v >>= precision
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}

// A resampler keeps the buffers of a resize for the next one.
type resampler struct {
	h, v coefficients
	mid  []uint8
}

var resamplers = sync.Pool{New: func() any { return new(resampler) }}

// resize fits the box of p into w x h pixels: first every row that is needed,
// then every column, rounding to 8 bits in between, as Pillow does.
func resize(p *Picture, top, left, height, width, w, h int, f filter) *Picture {
	return resizePart(p, CropBox{top, left, height, width}, w, h, CropBox{0, 0, h, w}, f)
}

// resizePart is a part of what resize makes: the rest is not computed.
func resizePart(p *Picture, box CropBox, wholeW, wholeH int, part CropBox, f filter) *Picture {
	top, left, height, width, w, h := box.Top, box.Left, box.Height, box.Width, part.Width, part.Height
	r := resamplers.Get().(*resampler)
	defer resamplers.Put(r)
	out := New(w, h)
	// torchvision crops first: nothing outside the box may be read.
	r.h.plan(width, wholeW, part.Left, w, f)
	r.v.plan(height, wholeH, part.Top, h, f)
	across := func(to []uint8, y int) {
		at := ((top+y)*p.W + left) * 3
		line := p.Pix[at : at+width*3]
		if width != wholeW {
			r.row(to, line, w)
		} else {
			copy(to, line[part.Left*3:])
		}
	}
	if height == wholeH {
		for y := range h {
			across(out.Pix[y*w*3:(y+1)*w*3], part.Top+y)
		}
		return out
	}
	y0 := r.v.first[0]
	rows := r.v.first[h-1] + r.v.count[h-1] - y0
	r.mid = grow(r.mid, rows*w*3)
	for y := range rows {
		across(r.mid[y*w*3:(y+1)*w*3], y0+y)
	}
	for y := range h {
		first, n := r.v.first[y]-y0, r.v.count[y]
		column(out.Pix[y*w*3:(y+1)*w*3], r.mid[first*w*3:], r.v.fixed[y*r.v.size:][:n])
	}
	return out
}

// row resamples one row of pixels.
func (r *resampler) row(to, from []uint8, w int) {
	c := &r.h
	for x := range w {
		k := c.fixed[x*c.size:][:c.count[x]]
		px := from[c.first[x]*3:][:len(k)*3]
		red, green, blue := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
		for i, v := range k {
			q := px[i*3 : i*3+3 : i*3+3]
			red += int32(q[0]) * v
			green += int32(q[1]) * v
			blue += int32(q[2]) * v
		}
		q := to[x*3 : x*3+3 : x*3+3]
		q[0], q[1], q[2] = clip8(red), clip8(green), clip8(blue)
	}
}

// column resamples all columns into one row; from starts with the first input row.
func column(to, from []uint8, k []int32) {
	n := len(to)
	if len(k) == 2 { // the common case when enlarging
		a, b := from[:n], from[n:2*n]
		k0, k1 := k[0], k[1]
		for x := range to {
			to[x] = clip8(1<<(precision-1) + int32(a[x])*k0 + int32(b[x])*k1)
		}
		return
	}
	var sums [1024]int32
	for x0 := 0; x0 < n; x0 += len(sums) {
		x1 := min(x0+len(sums), n)
		s := sums[:x1-x0]
		for i := range s {
			s[i] = 1 << (precision - 1)
		}
		for j, v := range k {
			line := from[j*n+x0:][:len(s)]
			for i := range s {
				s[i] += int32(line[i]) * v
			}
		}
		for i, v := range s {
			to[x0+i] = clip8(v)
		}
	}
}

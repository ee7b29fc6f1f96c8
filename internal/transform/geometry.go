package transform

import "math"

// affine is Pillow's Image.transform(AFFINE, NEAREST) at the same size, black
// outside: m takes a place in the result to one in the picture. Pillow computes in
// 16 bits of fraction, but without rotation and shear in float64.
func affine(p *Picture, m [6]float64) *Picture {
	out := New(p.W, p.H)
	if m[1] == 0 && m[3] == 0 {
		scaleAffine(out, p, m)
		return out
	}
	fix := func(v float64) int64 { return int64(math.Floor(v*65536 + 0.5)) }
	a0, a1, a3, a4 := fix(m[0]), fix(m[1]), fix(m[3]), fix(m[4])
	x0, y0 := fix(m[2]+m[0]*0.5+m[1]*0.5), fix(m[5]+m[3]*0.5+m[4]*0.5)
	for y := range p.H {
		sx, sy := x0, y0
		for x := range p.W {
			if ix, iy := int(sx>>16), int(sy>>16); ix >= 0 && ix < p.W && iy >= 0 && iy < p.H {
				copy(out.Pix[3*(y*p.W+x):][:3], p.Pix[3*(iy*p.W+ix):])
			}
			sx, sy = sx+a0, sy+a3
		}
		x0, y0 = x0+a1, y0+a4
	}
	return out
}

func scaleAffine(out, p *Picture, m [6]float64) {
	column := make([]int, p.W)
	place := func(v float64) int {
		if v < 0 {
			return -1
		}
		return int(v)
	}
	at := m[2] + m[0]*0.5
	for x := range column {
		column[x] = place(at)
		at += m[0]
	}
	at = m[5] + m[4]*0.5
	for y := range p.H {
		iy := place(at)
		at += m[4]
		if iy < 0 || iy >= p.H {
			continue
		}
		for x, ix := range column {
			if ix >= 0 && ix < p.W {
				copy(out.Pix[3*(y*p.W+x):][:3], p.Pix[3*(iy*p.W+ix):])
			}
		}
	}
}

// Rotate is torchvision's rotate by degrees, counter-clockwise, at the same size,
// black outside.
func Rotate(p *Picture, degrees float64) *Picture {
	angle := math.Mod(degrees, 360)
	if angle < 0 {
		angle += 360
	}
	if angle == 0 {
		return p
	}
	if angle == 180 {
		return FlipHorizontal(flipVertical(p))
	}
	if p.W == p.H && (angle == 90 || angle == 270) {
		return quarter(p, angle == 90)
	}
	// Pillow's Image.rotate, with its rounding to 15 digits.
	t := -angle * math.Pi / 180
	round := func(v float64) float64 { return math.Round(v*1e15) / 1e15 }
	m := [6]float64{round(math.Cos(t)), round(math.Sin(t)), 0, round(-math.Sin(t)), round(math.Cos(t)), 0}
	cx, cy := float64(p.W)/2, float64(p.H)/2
	m[2] = m[0]*-cx + m[1]*-cy + cx
	m[5] = m[3]*-cx + m[4]*-cy + cy
	return affine(p, m)
}

func flipVertical(p *Picture) *Picture {
	out := New(p.W, p.H)
	row := 3 * p.W
	for y := range p.H {
		copy(out.Pix[(p.H-1-y)*row:][:row], p.Pix[y*row:])
	}
	return out
}

// quarter turns a square by 90 degrees, counter-clockwise or clockwise.
func quarter(p *Picture, counter bool) *Picture {
	out := New(p.H, p.W)
	for y := range out.H {
		for x := range out.W {
			sx, sy := y, p.H-1-x
			if counter {
				sx, sy = p.W-1-y, x
			}
			copy(out.Pix[3*(y*out.W+x):][:3], p.Pix[3*(sy*p.W+sx):])
		}
	}
	return out
}

// An Affinity is what torchvision's affine takes: degrees clockwise, whole pixels,
// a factor, and shear in degrees.
type Affinity struct {
	Degrees float64
	Shift   [2]float64 // to the right, down
	Scale   float64
	Shear   [2]float64 // parallel to x, to y
	TopLeft bool       // about the upper left corner; else about the centre
}

// Affine is torchvision's affine at the same size, black outside.
func Affine(p *Picture, a Affinity) *Picture {
	cx, cy := float64(p.W)*0.5, float64(p.H)*0.5
	if a.TopLeft {
		cx, cy = 0, 0
	}
	rad := math.Pi / 180
	rot, sx, sy := a.Degrees*rad, a.Shear[0]*rad, a.Shear[1]*rad
	// torchvision's _get_inverse_affine_matrix.
	m0 := math.Cos(rot-sy) / math.Cos(sy)
	m1 := -math.Cos(rot-sy)*math.Tan(sx)/math.Cos(sy) - math.Sin(rot)
	m2 := math.Sin(rot-sy) / math.Cos(sy)
	m3 := -math.Sin(rot-sy)*math.Tan(sx)/math.Cos(sy) + math.Cos(rot)
	m := [6]float64{m3 / a.Scale, -m1 / a.Scale, 0, -m2 / a.Scale, m0 / a.Scale, 0}
	m[2] = m[0]*(-cx-a.Shift[0]) + m[1]*(-cy-a.Shift[1]) + cx
	m[5] = m[3]*(-cx-a.Shift[0]) + m[4]*(-cy-a.Shift[1]) + cy
	return affine(p, m)
}

// GaussianBlur is torchvision's gaussian_blur with a square kernel of odd size,
// mirrored at the edges; the picture has more than size/2 pixels each way.
func GaussianBlur(p *Picture, size int, sigma float64) *Picture {
	kernel := make([]float32, size)
	sum := float32(0)
	for i := range kernel {
		x := (float64(i) - float64(size-1)/2) / sigma
		kernel[i] = float32(math.Exp(-0.5 * x * x))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	mirror := func(i, n int) int {
		if i < 0 {
			i = -i
		}
		if i >= n {
			i = 2*(n-1) - i
		}
		return max(0, min(n-1, i))
	}
	half := size / 2
	rows := make([]float32, len(p.Pix))
	for y := range p.H {
		for x := range p.W {
			for c := range 3 {
				v := float32(0)
				for k, w := range kernel {
					v += w * float32(p.Pix[3*(y*p.W+mirror(x+k-half, p.W))+c])
				}
				rows[3*(y*p.W+x)+c] = v
			}
		}
	}
	out := New(p.W, p.H)
	for y := range p.H {
		for i := range 3 * p.W {
			v := float32(0)
			for k, w := range kernel {
				v += w * rows[3*mirror(y+k-half, p.H)*p.W+i]
			}
			out.Pix[3*y*p.W+i] = uint8(math.RoundToEven(float64(v)))
		}
	}
	return out
}

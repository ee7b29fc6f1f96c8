package transform

import "math"

// The operations of this file are torchvision's functional ones of the same name on
// Pillow pictures; each makes a new picture.

// grey is Pillow's convert("L"): Rec. 601 luma in 16 bits of fraction.
func grey(r, g, b uint8) uint8 {
	return uint8((int(r)*19595 + int(g)*38470 + int(b)*7471 + 0x8000) >> 16)
}

// Greyscale is to_grayscale with three channels.
func Greyscale(p *Picture) *Picture {
	out := New(p.W, p.H)
	for i := 0; i < len(p.Pix); i += 3 {
		v := grey(p.Pix[i], p.Pix[i+1], p.Pix[i+2])
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = v, v, v
	}
	return out
}

// blend is Pillow's Image.blend(from, p, factor), truncated to 8 bits; from may be p's
// size or stand for a picture of one value.
func blend(from func(i int) uint8, p *Picture, factor float64) *Picture {
	out := New(p.W, p.H)
	f := float32(factor)
	for i, v := range p.Pix {
		a := from(i)
		t := float32(a) + f*float32(int(v)-int(a))
		switch {
		case t <= 0:
			out.Pix[i] = 0
		case t >= 255:
			out.Pix[i] = 255
		default:
			out.Pix[i] = uint8(t)
		}
	}
	return out
}

// AdjustBrightness mixes with black: 0 is black, 1 the picture itself.
func AdjustBrightness(p *Picture, factor float64) *Picture {
	return blend(func(int) uint8 { return 0 }, p, factor)
}

// AdjustContrast mixes with the mean of its grey.
func AdjustContrast(p *Picture, factor float64) *Picture {
	sum := 0
	for i := 0; i < len(p.Pix); i += 3 {
		sum += int(grey(p.Pix[i], p.Pix[i+1], p.Pix[i+2]))
	}
	mean := uint8(float64(sum)/float64(p.W*p.H) + 0.5)
	return blend(func(int) uint8 { return mean }, p, factor)
}

// AdjustSaturation mixes with its grey.
func AdjustSaturation(p *Picture, factor float64) *Picture {
	g := Greyscale(p)
	return blend(func(i int) uint8 { return g.Pix[i] }, p, factor)
}

// AdjustSharpness mixes with a smoothed picture, Pillow's SMOOTH filter: weights 1
// around 5, over 13; the border stays.
func AdjustSharpness(p *Picture, factor float64) *Picture {
	s := New(p.W, p.H)
	copy(s.Pix, p.Pix)
	row := 3 * p.W
	for y := 1; y < p.H-1; y++ {
		for i := y*row + 3; i < (y+1)*row-3; i++ {
			sum := 4 * int(p.Pix[i])
			for _, at := range [3]int{i - row, i, i + row} {
				sum += int(p.Pix[at-3]) + int(p.Pix[at]) + int(p.Pix[at+3])
			}
			s.Pix[i] = uint8(float32(sum)/13 + 0.5)
		}
	}
	return blend(func(i int) uint8 { return s.Pix[i] }, p, factor)
}

// AdjustHue turns the hue by shift of a whole turn, -0.5 to 0.5, in Pillow's 8-bit HSV.
func AdjustHue(p *Picture, shift float64) *Picture {
	out := New(p.W, p.H)
	turn := uint8(int32(shift * 255))
	for i := 0; i < len(p.Pix); i += 3 {
		h, s, v := hsv(p.Pix[i], p.Pix[i+1], p.Pix[i+2])
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = rgb(h+turn, s, v)
	}
	return out
}

// hsv is rgb2hsv_row of Pillow's Convert.c.
func hsv(r, g, b uint8) (h, s, v uint8) {
	high, low := max(r, g, b), min(r, g, b)
	if high == low {
		return 0, 0, high
	}
	span := float32(high - low)
	away := func(c uint8) float32 { return float32(high-c) / span }
	var hue float32
	switch high {
	case r:
		hue = away(b) - away(g)
	case g:
		hue = float32(2 + float64(away(r)) - float64(away(b)))
	default:
		hue = float32(4 + float64(away(g)) - float64(away(r)))
	}
	hue = float32(math.Mod(float64(hue)/6+1, 1))
	return uint8(float64(hue) * 255), uint8(float64(span/float32(high)) * 255), high
}

// rgb is hsv2rgb.
func rgb(h, s, v uint8) (r, g, b uint8) {
	if s == 0 {
		return v, v, v
	}
	share := float64(float32(float64(s) / 255))
	sector := math.Floor(float64(h) * 6 / 255)
	f := float64(float32(float64(h)*6/255 - sector))
	value := float64(v)
	clip := func(x float64) uint8 { return uint8(max(0, min(255, math.Round(x)))) }
	p, q, t := clip(value*(1-share)), clip(value*(1-share*f)), clip(value*(1-share*(1-f)))
	switch int(sector) % 6 {
	case 0:
		return v, t, p
	case 1:
		return q, v, p
	case 2:
		return p, v, t
	case 3:
		return p, q, v
	case 4:
		return t, p, v
	}
	return v, p, q
}

// lookUp replaces every value by its channel's table.
func lookUp(p *Picture, table *[3][256]uint8) *Picture {
	out := New(p.W, p.H)
	for i, v := range p.Pix {
		out.Pix[i] = table[i%3][v]
	}
	return out
}

func lookUpAll(p *Picture, value func(v int) int) *Picture {
	var table [3][256]uint8
	for v := range 256 {
		x := uint8(value(v))
		table[0][v], table[1][v], table[2][v] = x, x, x
	}
	return lookUp(p, &table)
}

// Posterize keeps the upper bits of each value.
func Posterize(p *Picture, bits int) *Picture {
	return lookUpAll(p, func(v int) int { return v &^ (1<<(8-bits) - 1) })
}

// Solarize inverts values from a threshold on.
func Solarize(p *Picture, threshold float64) *Picture {
	return lookUpAll(p, func(v int) int {
		if float64(v) < threshold {
			return v
		}
		return 255 - v
	})
}

func histograms(p *Picture) *[3][256]int {
	var h [3][256]int
	for i, v := range p.Pix {
		h[i%3][v]++
	}
	return &h
}

// AutoContrast stretches each channel to the whole range.
func AutoContrast(p *Picture) *Picture {
	var table [3][256]uint8
	for c, h := range histograms(p) {
		low, high := 0, 255
		for low < 255 && h[low] == 0 {
			low++
		}
		for high > 0 && h[high] == 0 {
			high--
		}
		for v := range 256 {
			table[c][v] = uint8(v)
			if high > low {
				scale := 255 / float64(high-low)
				table[c][v] = uint8(max(0, min(255, int(float64(v)*scale-float64(low)*scale))))
			}
		}
	}
	return lookUp(p, &table)
}

// Equalize flattens each channel's histogram.
func Equalize(p *Picture) *Picture {
	var table [3][256]uint8
	for c, h := range histograms(p) {
		last, filled := 0, 0
		for v, n := range h {
			if n > 0 {
				last, filled = v, filled+1
			}
		}
		step := (p.W*p.H - h[last]) / 255
		n := step / 2
		for v := range 256 {
			if table[c][v] = uint8(v); filled > 1 && step > 0 {
				table[c][v] = uint8(min(255, n/step))
			}
			n += h[v]
		}
	}
	return lookUp(p, &table)
}

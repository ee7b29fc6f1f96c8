package dataset

import (
	"bytes"
	"errors"
	"image"
	stdjpeg "image/jpeg"
	"io"

	"graft/internal/jpeg"
	"graft/internal/transform"
)

// decodeJPEG reads a JPEG at 1/shrink of its size; one that lacks only its end
// marker is whole. What package jpeg leaves is read by the standard library's
// decoder, at full size, which also says what is wrong with a damaged file.
func decodeJPEG(data []byte, shrink int) (image.Image, error) {
	img, err := jpeg.Decode(data, shrink)
	if errors.Is(err, jpeg.ErrOther) {
		img, err = stdjpeg.Decode(bytes.NewReader(data))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// Data that were cut inside a scan fail with an end marker too.
		img, err = stdjpeg.Decode(io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{0xff, 0xd9})))
	}
	return img, err
}

// Fixed-point conversion of libjpeg's jdcolor.c, 16 bits of fraction.
var (
	crRed, cbBlue    [256]int32
	crGreen, cbGreen [256]int32
)

func init() {
	const half = 1 << 15
	for i := range 256 {
		x := int32(i) - 128
		crRed[i] = (91881*x + half) >> 16   // 1.40200
		cbBlue[i] = (116130*x + half) >> 16 // 1.77200
		crGreen[i] = -46802 * x             // 0.71414
		cbGreen[i] = -22554*x + half        // 0.34414
	}
}

func clamp8(v int32) uint8 {
	if uint32(v) > 255 {
		if v < 0 {
			return 0
		}
		return 255
	}
	return uint8(v)
}

// fromYCbCr converts to RGB. Chroma of half the width, half the height or both is
// enlarged with libjpeg's triangle filter ("fancy upsampling", jdsample.c); other
// ratios take the nearest sample. studio says that luma spans 16 to 235, as in
// WebP, not all 8 bits, as in JPEG.
func fromYCbCr(p *transform.Picture, m *image.YCbCr, studio bool) {
	b := m.Rect
	chroma := make([]uint32, p.W+1)
	up := newUpsampler(m, p)
	for y := range p.H {
		up.line(chroma, y)
		luma := m.Y[m.YOffset(b.Min.X, b.Min.Y+y):][:p.W]
		out := p.Pix[y*p.W*3:][:p.W*3]
		if studio {
			studioLine(out, luma, chroma)
		} else {
			colourLine(out, luma, chroma)
		}
	}
}

// colourLine converts one row.
func colourLine(out, luma []uint8, chroma []uint32) {
	chroma = chroma[:len(luma)]
	for x, l := range luma {
		v, b, r := int32(l), uint8(chroma[x]), uint8(chroma[x]>>16)
		red, green, blue := v+crRed[r], v+(cbGreen[b]+crGreen[r])>>16, v+cbBlue[b]
		if uint32(red|green|blue) > 255 {
			red, green, blue = int32(clamp8(red)), int32(clamp8(green)), int32(clamp8(blue))
		}
		q := out[x*3:]
		_ = q[2]
		q[0], q[1], q[2] = uint8(red), uint8(green), uint8(blue)
	}
}

// studioLine converts one row with libwebp's fixed-point constants (dsp/yuv.h).
func studioLine(out, luma []uint8, chroma []uint32) {
	part := func(v uint8, k int32) int32 { return int32(v) * k >> 8 }
	for x, l := range luma {
		y, cb, cr := part(l, 19077), uint8(chroma[x]), uint8(chroma[x]>>16)
		q := out[x*3 : x*3+3 : x*3+3]
		q[0] = clamp8((y + part(cr, 26149) - 14234) >> 6)
		q[1] = clamp8((y - part(cb, 6419) - part(cr, 13320) + 8708) >> 6)
		q[2] = clamp8((y + part(cb, 33050) - 17685) >> 6)
	}
}

// An upsampler enlarges both chroma planes at once: a pair of samples is a word,
// Cb in its lower half and Cr in the upper, so that sums of 12 bits have room.
type upsampler struct {
	m    *image.YCbCr
	w, h int // of the picture
	cw   int // chroma samples a row, and rows
	ch   int
	both []uint32 // a row of chroma
}

const (
	both1  = 1 | 1<<16
	bytes2 = 255 * both1
)

func newUpsampler(m *image.YCbCr, p *transform.Picture) *upsampler {
	u := &upsampler{m: m, w: p.W, h: p.H, cw: p.W, ch: p.H}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		u.cw, u.ch = (p.W+1)/2, (p.H+1)/2
	case image.YCbCrSubsampleRatio422:
		u.cw = (p.W + 1) / 2
	case image.YCbCrSubsampleRatio440:
		u.ch = (p.H + 1) / 2
	}
	u.both = make([]uint32, u.cw)
	return u
}

// line fills to with the chroma of picture row y.
func (u *upsampler) line(to []uint32, y int) {
	switch u.m.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
		u.row(to, y)
	case image.YCbCrSubsampleRatio422:
		u.row(u.both, y)
		u.half(to)
	case image.YCbCrSubsampleRatio440:
		u.between(to, y)
		for x := range to[:u.cw] {
			to[x] = (to[x] + uint32(1+y%2)*both1) >> 2 & bytes2
		}
	case image.YCbCrSubsampleRatio420:
		if u.cw < 3 {
			u.row(u.both, y/2)
			u.half(to)
			return
		}
		u.between(u.both, y)
		u.quarter(to)
	default:
		for x := range u.w {
			at := u.m.COffset(u.m.Rect.Min.X+x, u.m.Rect.Min.Y+y)
			to[x] = uint32(u.m.Cb[at]) | uint32(u.m.Cr[at])<<16
		}
	}
}

// row is a row of chroma as it is.
func (u *upsampler) row(to []uint32, y int) {
	cb := u.m.Cb[y*u.m.CStride:][:u.cw]
	cr := u.m.Cr[y*u.m.CStride:][:len(cb)]
	to = to[:len(cb)]
	for x, b := range cb {
		to[x] = uint32(b) | uint32(cr[x])<<16
	}
}

// between weighs the two rows of chroma that picture row y lies between: three
// times the nearer and once the other.
func (u *upsampler) between(to []uint32, y int) {
	near := y / 2
	far := min(max(near-1+y%2*2, 0), u.ch-1)
	at := near * u.m.CStride
	cb, cr := u.m.Cb[at:][:u.cw], u.m.Cr[at:][:u.cw]
	at = far * u.m.CStride
	cb2, cr2 := u.m.Cb[at:][:len(cb)], u.m.Cr[at:][:len(cb)]
	to, cr = to[:len(cb)], cr[:len(cb)]
	for x, b := range cb {
		to[x] = (uint32(b)|uint32(cr[x])<<16)*3 + (uint32(cb2[x]) | uint32(cr2[x])<<16)
	}
}

// half is h2v1_fancy_upsample: 3/4 of the nearer sample, 1/4 of the other.
func (u *upsampler) half(to []uint32) {
	c, n := u.both, u.cw
	if n < 3 { // libjpeg takes plain replication for the narrowest pictures
		for x := range u.w {
			to[x] = c[x/2]
		}
		return
	}
	for i, v := range c {
		left, right := v, v
		if i > 0 {
			left = (v*3 + c[i-1] + both1) >> 2 & bytes2
		}
		if i < n-1 {
			right = (v*3 + c[i+1] + 2*both1) >> 2 & bytes2
		}
		to[2*i], to[2*i+1] = left, right
	}
}

// quarter ends h2v2_fancy_upsample: 3/4 and 1/4 between the columns of both.
func (u *upsampler) quarter(to []uint32) {
	c := u.both
	at := c[0]
	to[0] = (at*4 + 8*both1) >> 4 & bytes2
	rest := to[1:]
	for _, after := range c[1:] {
		rest[0] = (at*3 + after + 7*both1) >> 4 & bytes2
		rest[1] = (after*3 + at + 8*both1) >> 4 & bytes2
		rest = rest[2:]
		at = after
	}
	to[2*len(c)-1] = (at*4 + 7*both1) >> 4 & bytes2
}

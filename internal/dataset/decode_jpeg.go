package dataset

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"

	"graft/internal/transform"
)

// decodeJPEG reads a JPEG; one that lacks only its end marker is whole.
func decodeJPEG(data []byte) (*transform.Picture, error) {
	img, err := jpeg.Decode(bytes.NewReader(data))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// Data that were cut inside a scan fail with an end marker too.
		img, err = jpeg.Decode(io.MultiReader(bytes.NewReader(data), bytes.NewReader([]byte{0xff, 0xd9})))
	}
	if err != nil {
		return nil, err
	}
	return fromImage(img), nil
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

// fromYCbCr converts to RGB. Chroma of half the width, or half both ways, is
// enlarged with libjpeg's triangle filter ("fancy upsampling", jdsample.c); other
// ratios take the nearest sample. studio says that luma spans 16 to 235, as in
// WebP, not all 8 bits, as in JPEG.
func fromYCbCr(p *transform.Picture, m *image.YCbCr, studio bool) {
	b := m.Rect
	cb, cr := make([]uint8, p.W+2), make([]uint8, p.W+2)
	up := newUpsampler(m, p)
	for y := range p.H {
		up.line(cb, m.Cb, y)
		up.line(cr, m.Cr, y)
		luma := m.Y[m.YOffset(b.Min.X, b.Min.Y+y):][:p.W]
		out := p.Pix[y*p.W*3:][:p.W*3]
		if studio {
			studioLine(out, luma, cb, cr)
			continue
		}
		for x, l := range luma {
			v, r, bl := int32(l), cr[x], cb[x]
			q := out[x*3 : x*3+3 : x*3+3]
			q[0] = clamp8(v + crRed[r])
			q[1] = clamp8(v + (cbGreen[bl]+crGreen[r])>>16)
			q[2] = clamp8(v + cbBlue[bl])
		}
	}
}

// studioLine converts one row with libwebp's fixed-point constants (dsp/yuv.h).
func studioLine(out, luma, cb, cr []uint8) {
	part := func(v uint8, k int32) int32 { return int32(v) * k >> 8 }
	for x, l := range luma {
		y := part(l, 19077)
		q := out[x*3 : x*3+3 : x*3+3]
		q[0] = clamp8((y + part(cr[x], 26149) - 14234) >> 6)
		q[1] = clamp8((y - part(cb[x], 6419) - part(cr[x], 13320) + 8708) >> 6)
		q[2] = clamp8((y + part(cb[x], 33050) - 17685) >> 6)
	}
}

type upsampler struct {
	m    *image.YCbCr
	w, h int // of the picture
	cw   int // chroma samples a row, and rows
	ch   int
	sums []int32
}

func newUpsampler(m *image.YCbCr, p *transform.Picture) *upsampler {
	u := &upsampler{m: m, w: p.W, h: p.H, cw: p.W, ch: p.H}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		u.cw, u.ch = (p.W+1)/2, (p.H+1)/2
	case image.YCbCrSubsampleRatio422:
		u.cw = (p.W + 1) / 2
	}
	u.sums = make([]int32, u.cw)
	return u
}

// line fills to with the chroma of picture row y.
func (u *upsampler) line(to []uint8, plane []uint8, y int) {
	switch u.m.SubsampleRatio {
	case image.YCbCrSubsampleRatio444:
		copy(to, plane[y*u.m.CStride:][:u.w])
	case image.YCbCrSubsampleRatio422:
		u.half(to, plane[y*u.m.CStride:][:u.cw])
	case image.YCbCrSubsampleRatio420:
		u.quarter(to, plane, y)
	default:
		for x := range u.w {
			to[x] = plane[u.m.COffset(u.m.Rect.Min.X+x, u.m.Rect.Min.Y+y)]
		}
	}
}

// half is h2v1_fancy_upsample: 3/4 of the nearer sample, 1/4 of the other.
func (u *upsampler) half(to, c []uint8) {
	n := len(c)
	if n < 3 { // libjpeg takes plain replication for the narrowest pictures
		for x := range u.w {
			to[x] = c[x/2]
		}
		return
	}
	for i, v := range c {
		at := int(v) * 3
		left, right := v, v
		if i > 0 {
			left = uint8((at + int(c[i-1]) + 1) >> 2)
		}
		if i < n-1 {
			right = uint8((at + int(c[i+1]) + 2) >> 2)
		}
		to[2*i], to[2*i+1] = left, right
	}
}

// quarter is h2v2_fancy_upsample: first 3/4 and 1/4 between rows, then between columns.
func (u *upsampler) quarter(to, plane []uint8, y int) {
	stride := u.m.CStride
	near := y / 2
	far := near - 1
	if y%2 == 1 {
		far = near + 1
	}
	far = min(max(far, 0), u.ch-1)
	a, b := plane[near*stride:][:u.cw], plane[far*stride:][:u.cw]
	n := u.cw
	if n < 3 {
		for x := range u.w {
			to[x] = a[x/2]
		}
		return
	}
	for i := range a {
		u.sums[i] = int32(a[i])*3 + int32(b[i])
	}
	for i, v := range u.sums {
		left, right := uint8((v*4+8)>>4), uint8((v*4+7)>>4)
		if i > 0 {
			left = uint8((v*3 + u.sums[i-1] + 8) >> 4)
		}
		if i < n-1 {
			right = uint8((v*3 + u.sums[i+1] + 7) >> 4)
		}
		to[2*i], to[2*i+1] = left, right
	}
}

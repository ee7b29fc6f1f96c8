// Package jpeg decodes JPEG files at their size or at a half, a quarter or an
// eighth of it, with libjpeg-turbo's integer transforms (jidctint.c, jidctred.c),
// so that its samples are those of Pillow.
//
// It reads what cameras, phones and the web write: Huffman-coded, baseline or
// progressive, 8 bits, grey or YCbCr. Everything else, damage included, is refused
// with ErrOther, for a more patient decoder to judge.
package jpeg

import (
	"errors"
	"image"
)

// ErrOther is the error of a file that is damaged or of a form not read here.
var ErrOther = errors.New("jpeg: damaged, or of a form that is not read here")

const (
	sof0, sof1, sof2 = 0xc0, 0xc1, 0xc2 // frames: baseline, extended, progressive
	dht, dqt, dri    = 0xc4, 0xdb, 0xdd
	rst0             = 0xd0
	soi, eoi, sos    = 0xd8, 0xd9, 0xda
	app0, app14      = 0xe0, 0xee
	app15, com       = 0xef, 0xfe
)

// zigzag is where the coefficients stand in a block, in the order of the file.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// A block is 8x8 coefficients, row by row.
type block [64]int32

// A component is one of luma and the two chromas.
type component struct {
	id     uint8
	h, v   int // blocks of an MCU
	quant  uint8
	seen   bool // in a scan
	across int  // blocks in a row, those that only fill the last MCU included
	down   int
	size   int // samples of a block, each way: 8, 4, 2 or 1
	plane  []uint8
	stride int
	coeffs [][64]int16 // of a progressive file: across x down
	dc     int32       // the last block's
	dcs    *huffman    // of the scan under way
	acs    *huffman
}

type decoder struct {
	rest        []byte // of the file
	size        int    // samples of a luma block, each way
	w, h        int    // of the file
	mcusX       int
	mcusY       int
	progressive bool
	simple      bool // baseline: two tables of each kind
	comps       []component
	quant       [4][64]int32 // in the order of the file
	hasQuant    [4]bool
	huffman     [2][4]*huffman // DC, AC
	interval    int            // MCUs between restarts, 0 for none
	jfif        bool
	rgb         bool // Adobe's mark of no transform
	bits        bits
	buf         []byte // a scan's segment without stuffing
}

// Decode reads a file at 1/shrink of its size, rounded up; shrink is 1, 2, 4 or 8.
// The image is an *image.Gray or an *image.YCbCr. Chroma of half the luma's size is
// shrunk less where that makes it equal (4:2:0 read at a half comes as 4:4:4).
func Decode(data []byte, shrink int) (image.Image, error) {
	switch shrink {
	case 1, 2, 4, 8:
	default:
		return nil, errors.New("jpeg: a picture is shrunk by 1, 2, 4 or 8")
	}
	if len(data) < 2 || data[0] != 0xff || data[1] != soi {
		return nil, ErrOther
	}
	d := &decoder{rest: data[2:], size: 8 / shrink}
	if !d.segments() {
		return nil, ErrOther
	}
	if d.progressive {
		for i := range d.comps {
			d.reconstruct(&d.comps[i])
		}
	}
	return d.image(shrink), nil
}

// segments reads the file to its end; a missing end marker does no harm.
func (d *decoder) segments() bool {
	for len(d.rest) > 0 {
		marker, ok := d.marker()
		if !ok {
			return false
		}
		if marker == eoi {
			break
		}
		body, ok := d.segment()
		if !ok {
			return false
		}
		switch {
		case marker == sof0 || marker == sof1 || marker == sof2:
			d.progressive, d.simple = marker == sof2, marker == sof0
			ok = d.frame(body)
		case marker == dht:
			ok = d.tables(body)
		case marker == dqt:
			ok = d.quantisation(body)
		case marker == dri:
			if ok = len(body) == 2; ok {
				d.interval = int(body[0])<<8 | int(body[1])
			}
		case marker == sos:
			ok = d.scan(body)
		case marker == app0:
			d.jfif = d.jfif || len(body) >= 5 && string(body[:5]) == "JFIF\x00"
		case marker == app14:
			d.rgb = d.rgb || len(body) >= 12 && string(body[:5]) == "Adobe" && body[11] == 0
		case marker >= app0 && marker <= app15 || marker == com:
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	for i := range d.comps {
		if !d.comps[i].seen {
			return false
		}
	}
	switch len(d.comps) {
	case 1:
		return true
	case 3:
		named := d.comps[0].id == 'R' && d.comps[1].id == 'G' && d.comps[2].id == 'B'
		return d.jfif || !d.rgb && !named
	}
	return false
}

// marker reads a marker and the fill bytes before it.
func (d *decoder) marker() (uint8, bool) {
	if len(d.rest) < 2 || d.rest[0] != 0xff {
		return 0, false
	}
	for len(d.rest) > 1 && d.rest[1] == 0xff {
		d.rest = d.rest[1:]
	}
	if len(d.rest) < 2 {
		return 0, false
	}
	m := d.rest[1]
	d.rest = d.rest[2:]
	return m, true
}

// segment reads a segment's length and body.
func (d *decoder) segment() ([]byte, bool) {
	if len(d.rest) < 2 {
		return nil, false
	}
	n := int(d.rest[0])<<8 | int(d.rest[1])
	if n < 2 || n > len(d.rest) {
		return nil, false
	}
	body := d.rest[2:n]
	d.rest = d.rest[n:]
	return body, true
}

// frame reads the size and the components of the picture.
func (d *decoder) frame(b []byte) bool {
	if d.comps != nil || len(b) < 6 || b[0] != 8 || len(b) != 6+3*int(b[5]) || b[5] != 1 && b[5] != 3 {
		return false
	}
	d.h, d.w = int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	if d.w == 0 || d.h == 0 {
		return false
	}
	d.comps = make([]component, b[5])
	for i := range d.comps {
		c := &d.comps[i]
		c.id, c.h, c.v, c.quant = b[6+3*i], int(b[7+3*i]>>4), int(b[7+3*i]&15), b[8+3*i]
		if c.quant > 3 || !factor(c.h) || !factor(c.v) {
			return false
		}
		for j := range i {
			if d.comps[j].id == c.id {
				return false
			}
		}
	}
	luma := &d.comps[0]
	if len(d.comps) == 1 { // blocks in reading order, whatever the factors say
		luma.h, luma.v = 1, 1
	} else if luma.h > 2 || luma.v > 2 || d.comps[1].h != 1 || d.comps[1].v != 1 || d.comps[2].h != 1 || d.comps[2].v != 1 {
		return false
	}
	d.mcusX, d.mcusY = (d.w+8*luma.h-1)/(8*luma.h), (d.h+8*luma.v-1)/(8*luma.v)
	for i := range d.comps {
		c := &d.comps[i]
		c.across, c.down = d.mcusX*c.h, d.mcusY*c.v
		c.size = d.size
		for c.size < 8 && luma.h*d.size%(c.h*c.size*2) == 0 && luma.v*d.size%(c.v*c.size*2) == 0 {
			c.size *= 2
		}
		c.stride = c.across * c.size
		c.plane = make([]uint8, c.stride*c.down*c.size)
		if d.progressive {
			c.coeffs = make([][64]int16, c.across*c.down)
		}
	}
	return true
}

func factor(n int) bool { return n == 1 || n == 2 || n == 4 }

func (d *decoder) quantisation(b []byte) bool {
	for len(b) > 0 {
		wide, at := int(b[0]>>4), b[0]&15
		if b = b[1:]; wide > 1 || at > 3 || len(b) < 64<<wide {
			return false
		}
		for i := range 64 {
			if wide == 1 {
				d.quant[at][i] = int32(b[2*i])<<8 | int32(b[2*i+1])
			} else {
				d.quant[at][i] = int32(b[i])
			}
		}
		d.hasQuant[at] = true
		b = b[64<<wide:]
	}
	return true
}

func (d *decoder) tables(b []byte) bool {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > d.lastTable() {
			return false
		}
		n := 0
		for _, v := range b[1:17] {
			n += int(v)
		}
		if n == 0 || n > 256 || len(b) < 17+n {
			return false
		}
		t := newHuffman(b[1:17], b[17:17+n])
		if t == nil {
			return false
		}
		d.huffman[b[0]>>4][b[0]&15] = t
		b = b[17+n:]
	}
	return true
}

// lastTable is the highest number of a Huffman table.
func (d *decoder) lastTable() uint8 {
	if d.simple {
		return 1
	}
	return 3
}

// image shows the planes as an image of the standard library.
func (d *decoder) image(shrink int) image.Image {
	r := image.Rect(0, 0, (d.w+shrink-1)/shrink, (d.h+shrink-1)/shrink)
	y := &d.comps[0]
	if len(d.comps) == 1 {
		return &image.Gray{Pix: y.plane, Stride: y.stride, Rect: r}
	}
	cb, cr := &d.comps[1], &d.comps[2]
	ratio := map[[2]int]image.YCbCrSubsampleRatio{
		{1, 1}: image.YCbCrSubsampleRatio444, {2, 1}: image.YCbCrSubsampleRatio422,
		{2, 2}: image.YCbCrSubsampleRatio420, {1, 2}: image.YCbCrSubsampleRatio440,
	}[[2]int{y.h * y.size / cb.size, y.v * y.size / cb.size}]
	return &image.YCbCr{Y: y.plane, Cb: cb.plane, Cr: cr.plane, YStride: y.stride, CStride: cb.stride, SubsampleRatio: ratio, Rect: r}
}

package dataset

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"strings"
	"sync"

	"graft/internal/transform"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// DefaultMaxPixels is Pillow's limit against decompression bombs.
const DefaultMaxPixels = 89_478_485

// DecodeOptions say how pictures are read.
type DecodeOptions struct {
	MaxPixels  int  // width times height; 0 is DefaultMaxPixels
	IgnoreEXIF bool // leave the orientation tag alone, as torchvision's ImageFolder does
	// Enough lets JPEGs be read at a half, a quarter or an eighth of their size, as
	// long as the shorter side keeps so many pixels; 0 reads all of every picture.
	Enough int
}

// For are the options as a model's preprocessing has them.
func (o DecodeOptions) For(p transform.Preprocess) DecodeOptions {
	o.IgnoreEXIF, o.Enough = p.EXIF == "ignore", p.DecodeShorter
	return o
}

// shrink is what the picture's size may be divided by.
func (o DecodeOptions) shrink(w, h int) int {
	by := 1
	for o.Enough > 0 && by < 8 && min(w, h) >= 2*by*o.Enough {
		by *= 2
	}
	return by
}

// ErrNotPicture is the error of bytes in no format Graft reads.
var ErrNotPicture = errors.New("not a picture in a format that is read (JPEG, PNG, GIF, WebP, BMP, TIFF)")

// A format is recognised by how its files begin, never by their name.
type format struct {
	name   string
	magic  []string // ? stands for any byte
	end    string   // the last bytes of a whole file, "" where nothing marks its end
	header func(io.Reader) (image.Config, error)
	decode func(data []byte, shrink int) (image.Image, error)
}

var formats = []format{
	{"jpeg", []string{"\xff\xd8\xff"}, "\xff\xd9", jpeg.DecodeConfig, decodeJPEG},
	{"png", []string{"\x89PNG\r\n\x1a\n"}, "IEND\xaeB`\x82", png.DecodeConfig, with(png.Decode)},
	{"gif", []string{"GIF87a", "GIF89a"}, ";", gif.DecodeConfig, with(gif.Decode)},
	{"webp", []string{"RIFF????WEBP"}, "", webp.DecodeConfig, with(webp.Decode)},
	{"bmp", []string{"BM"}, "", bmp.DecodeConfig, with(bmp.Decode)},
	{"tiff", []string{"II*\x00", "MM\x00*"}, "", tiff.DecodeConfig, with(tiff.Decode)},
}

func sniff(data []byte) (*format, error) {
	for i := range formats {
		for _, m := range formats[i].magic {
			if matches(data, m) {
				return &formats[i], nil
			}
		}
	}
	switch {
	case len(data) == 0:
		return nil, errors.New("the file is empty")
	case matches(data, "????ftypheic"), matches(data, "????ftypheix"), matches(data, "????ftypmif1"):
		return nil, errors.New("HEIC pictures are not read: convert them to JPEG")
	case matches(data, "????ftypavif"):
		return nil, errors.New("AVIF pictures are not read: convert them to JPEG or PNG")
	case matches(data, "\xff\x0a"), matches(data, "\x00\x00\x00\x0cJXL "):
		return nil, errors.New("JPEG XL pictures are not read: convert them to JPEG or PNG")
	case bytes.Contains(data[:min(len(data), 512)], []byte("<svg")):
		return nil, errors.New("SVG drawings are not read: convert them to PNG")
	}
	return nil, ErrNotPicture
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// DecodeHeader names a picture's format and its size as stored, before any
// orientation, without decoding it.
func DecodeHeader(data []byte) (name string, w, h int, err error) {
	f, err := sniff(data)
	if err != nil {
		return "", 0, 0, err
	}
	defer caught(&err)
	c, err := f.header(bytes.NewReader(data))
	if err != nil {
		return f.name, 0, 0, fmt.Errorf("damaged %s header: %w", f.name, err)
	}
	if c.Width < 1 || c.Height < 1 {
		return f.name, c.Width, c.Height, fmt.Errorf("%s picture of %dx%d pixels", f.name, c.Width, c.Height)
	}
	return f.name, c.Width, c.Height, nil
}

// header is DecodeHeader within the limit of pixels.
func (o DecodeOptions) header(data []byte) (name string, w, h int, err error) {
	if name, w, h, err = DecodeHeader(data); err != nil {
		return name, w, h, err
	}
	limit := o.MaxPixels
	if limit <= 0 {
		limit = DefaultMaxPixels
	}
	if w > limit/h {
		err = fmt.Errorf("a picture of %dx%d pixels is above the limit of %d (--max-pixels)", w, h, limit)
	}
	return name, w, h, err
}

// looksWhole reports whether a file begins and ends as a picture does. Of one that does not,
// decoding says what is wrong, if anything.
func looksWhole(data []byte, o DecodeOptions) bool {
	if _, _, _, err := o.header(data); err != nil {
		return false
	}
	f, _ := sniff(data)
	return f.end != "" && bytes.HasSuffix(data, []byte(f.end))
}

// Decode reads a picture as Pillow's convert('RGB') does: 8 bits a channel,
// upright by its EXIF orientation unless that is ignored, alpha dropped,
// palettes looked up, the upper 8 of 16 bits, grey in all three channels.
func Decode(data []byte, o DecodeOptions) (*transform.Picture, error) {
	d, err := decode(data, o)
	if err != nil {
		return nil, err
	}
	return d.picture(), nil
}

// A decoded picture is what a file holds, before it gets its colours and stands
// upright: chroma at its own size takes half the memory.
type decoded struct {
	img         image.Image
	studio      bool // of WebP: see fromYCbCr
	orientation int
}

func decode(data []byte, o DecodeOptions) (d *decoded, err error) {
	name, w, h, err := o.header(data)
	if err != nil {
		return nil, err
	}
	f, _ := sniff(data)
	defer caught(&err)
	img, err := f.decode(data, o.shrink(w, h))
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "short Huffman data") {
			return nil, fmt.Errorf("the %s file is cut short", name)
		}
		return nil, fmt.Errorf("damaged %s: %w", name, err)
	}
	d = &decoded{img: img, studio: name == "webp", orientation: 1}
	if !o.IgnoreEXIF {
		d.orientation = orientation(name, data)
	}
	return d, nil
}

// picture gives a decoded picture its colours and sets it upright.
func (d *decoded) picture() *transform.Picture {
	return upright(fromImage(d.img, d.studio), d.orientation)
}

// spent are the pixels of released pictures. Fresh ones, more than all else that a picture
// needs, are cleared first and keep the collector busy.
var spent sync.Pool // of *[]uint8

// blank is a picture to be drawn all over.
func blank(w, h int) *transform.Picture {
	if pix, _ := spent.Get().(*[]uint8); pix != nil && cap(*pix) >= 3*w*h {
		return &transform.Picture{W: w, H: h, Pix: (*pix)[:3*w*h]}
	}
	return transform.New(w, h)
}

// release gives a picture's pixels to another; nobody may read it any more.
func release(p *transform.Picture) { spent.Put(&p.Pix) }

// bytes is the memory that a decoded picture takes.
func (d *decoded) bytes() int {
	switch m := d.img.(type) {
	case *image.YCbCr:
		return len(m.Y) + len(m.Cb) + len(m.Cr)
	case *image.Gray:
		return len(m.Pix)
	case *image.Paletted:
		return len(m.Pix)
	case *image.RGBA:
		return len(m.Pix)
	case *image.NRGBA:
		return len(m.Pix)
	}
	b := d.img.Bounds()
	return 8 * b.Dx() * b.Dy() // at most
}

// caught turns a decoder's panic on damaged input into an error.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("damaged picture: its decoder failed: %v", r)
	}
}

func with(decode func(io.Reader) (image.Image, error)) func([]byte, int) (image.Image, error) {
	return func(data []byte, _ int) (image.Image, error) { return decode(bytes.NewReader(data)) }
}

// FromImage is an image of Go's standard library as a Picture: the upper 8 bits
// of each channel, alpha dropped.
func FromImage(img image.Image) *transform.Picture { return fromImage(img, false) }

func fromImage(img image.Image, studio bool) *transform.Picture {
	b := img.Bounds()
	p := blank(b.Dx(), b.Dy())
	switch m := img.(type) {
	case *image.YCbCr:
		fromYCbCr(p, m, studio)
		return p
	case *image.NYCbCrA:
		fromYCbCr(p, &m.YCbCr, studio)
		return p
	case *image.Paletted:
		fromPalette(p, m)
		return p
	}
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		switch m := img.(type) {
		case *image.RGBA: // opaque in all decoders used here
			line := m.Pix[m.PixOffset(b.Min.X, y):][:4*p.W]
			for x := 0; x < len(line); x += 4 {
				c := color.RGBA{line[x], line[x+1], line[x+2], line[x+3]}
				if c.A != 255 {
					n := color.NRGBAModel.Convert(c).(color.NRGBA)
					c = color.RGBA(n)
				}
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = c.R, c.G, c.B
				i += 3
			}
		case *image.NRGBA:
			line := m.Pix[m.PixOffset(b.Min.X, y):][:4*p.W]
			for x := 0; x < len(line); x += 4 {
				copy(p.Pix[i:i+3], line[x:])
				i += 3
			}
		case *image.Gray:
			for _, v := range m.Pix[m.PixOffset(b.Min.X, y):][:p.W] {
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = v, v, v
				i += 3
			}
		case *image.Gray16:
			line := m.Pix[m.PixOffset(b.Min.X, y):][:2*p.W]
			for x := 0; x < len(line); x += 2 {
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = line[x], line[x], line[x]
				i += 3
			}
		case *image.CMYK:
			line := m.Pix[m.PixOffset(b.Min.X, y):][:4*p.W]
			for x := 0; x < len(line); x += 4 {
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = cmyk(line[x], line[x+1], line[x+2], line[x+3])
				i += 3
			}
		default:
			for x := b.Min.X; x < b.Max.X; x++ {
				c := color.NRGBA64Model.Convert(img.At(x, y)).(color.NRGBA64)
				p.Pix[i], p.Pix[i+1], p.Pix[i+2] = uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8)
				i += 3
			}
		}
	}
	return p
}

func fromPalette(p *transform.Picture, m *image.Paletted) {
	var table [256][3]uint8
	for i, c := range m.Palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]uint8{n.R, n.G, n.B}
	}
	i := 0
	for y := range p.H {
		for _, v := range m.Pix[y*m.Stride:][:p.W] {
			copy(p.Pix[i:i+3], table[v][:])
			i += 3
		}
	}
}

// cmyk is Pillow's conversion: each ink takes its share of what black leaves.
func cmyk(c, m, y, k uint8) (uint8, uint8, uint8) {
	left := 255 - int(k)
	ink := func(v uint8) uint8 {
		t := int(v)*left + 128
		return uint8(max(0, left-((t>>8)+t)>>8))
	}
	return ink(c), ink(m), ink(y)
}

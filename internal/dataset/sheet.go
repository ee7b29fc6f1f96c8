package dataset

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"

	"graft/internal/transform"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Measures of a contact sheet, in pixels.
const (
	cell    = 128
	gap     = 8
	caption = 18
	heading = 28
	margin  = 16
)

// sheetClasses is the number of classes a contact sheet shows.
const sheetClasses = 50

// A letterer writes text on a picture.
type letterer struct {
	to   draw.Image
	face font.Face
}

func newLetterer(to draw.Image, ttf []byte, size float64) (*letterer, error) {
	f, err := opentype.Parse(ttf)
	if err != nil {
		return nil, err
	}
	face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		return nil, err
	}
	return &letterer{to, face}, nil
}

// write puts text at x, its baseline at y, cut to a width.
func (l *letterer) write(text string, x, y, width int, c color.Color) {
	for runes := []rune(text); len(runes) > 0 && font.MeasureString(l.face, text).Ceil() > width; {
		runes = runes[:len(runes)-1]
		text = string(runes) + "…"
	}
	d := font.Drawer{Dst: l.to, Src: image.NewUniform(c), Face: l.face, Dot: fixed.P(x, y)}
	d.DrawString(text)
}

// ContactSheet draws up to perClass training pictures of every class, evenly
// spread over the class, with their labels and the counts; of many classes the
// first sheetClasses. Unreadable pictures stay empty.
func ContactSheet(d *Dataset, perClass int, o DecodeOptions) (image.Image, error) {
	trained := d.Counts(Train)
	shown := min(len(d.Classes), sheetClasses)
	columns := 1
	for _, n := range trained[:shown] {
		columns = max(columns, min(n, perClass))
	}
	w := max(2*margin+columns*(cell+gap)-gap, 480)
	row := heading + cell + caption + gap
	h := 2*margin + heading + shown*row
	if shown < len(d.Classes) {
		h += heading
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	title, err := newLetterer(img, gobold.TTF, 18)
	if err != nil {
		return nil, err
	}
	text, err := newLetterer(img, goregular.TTF, 12)
	if err != nil {
		return nil, err
	}
	ink, grey := color.Gray{32}, color.Gray{110}
	title.write(fmt.Sprintf("%s: %s, %s", d.Name, count(len(d.Classes), "class", "classes"), d.countsText(-1)), margin, margin+18, w-2*margin, ink)
	at := 0
	for c, class := range d.Classes[:shown] {
		top := margin + heading + c*row
		title.write(fmt.Sprintf("%s: %s", class, d.countsText(c)), margin, top+20, w-2*margin, ink)
		samples := d.Train[at : at+trained[c]]
		at += trained[c]
		n := min(len(samples), perClass)
		for i := range n {
			s := &samples[i*len(samples)/n]
			box := image.Rect(0, 0, cell, cell).Add(image.Pt(margin+i*(cell+gap), top+heading))
			drawSample(img, box, s, o)
			text.write(class, box.Min.X, box.Max.Y+13, cell, grey)
		}
	}
	if shown < len(d.Classes) {
		title.write("and "+count(len(d.Classes)-shown, "more class", "more classes"), margin, h-margin, w-2*margin, ink)
	}
	return img, nil
}

// countsText says how many pictures each part has of a class, or with -1 of all.
func (d *Dataset) countsText(class int) string {
	var parts []string
	for _, p := range []struct {
		part Split
		name string
	}{{Train, "training"}, {Valid, "validation"}, {Test, "test"}} {
		if all := d.Samples(p.part); len(all) > 0 {
			n := len(all)
			if class >= 0 {
				n = d.Counts(p.part)[class]
			}
			parts = append(parts, fmt.Sprintf("%d %s", n, p.name))
		}
	}
	return strings.Join(parts, ", ")
}

// drawSample fits a picture into a box, whole.
func drawSample(img *image.RGBA, box image.Rectangle, s *Sample, o DecodeOptions) {
	draw.Draw(img, box, image.NewUniform(color.Gray{238}), image.Point{}, draw.Src)
	data, err := s.Read()
	if err != nil {
		return
	}
	if p, err := Decode(data, o); err == nil {
		drawPicture(img, box, p)
	}
}

// drawPicture fits a picture into a box, whole.
func drawPicture(img *image.RGBA, box image.Rectangle, p *transform.Picture) {
	scale := min(float64(box.Dx())/float64(p.W), float64(box.Dy())/float64(p.H))
	w, h := max(1, int(float64(p.W)*scale)), max(1, int(float64(p.H)*scale))
	small := transform.Resize(p, w, h)
	x0, y0 := box.Min.X+(box.Dx()-w)/2, box.Min.Y+(box.Dy()-h)/2
	for y := range h {
		for x := range w {
			q := small.Pix[(y*w+x)*3:]
			img.SetRGBA(x0+x, y0+y, color.RGBA{q[0], q[1], q[2], 255})
		}
	}
}

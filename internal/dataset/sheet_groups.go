package dataset

import (
	"image"
	"image/color"
	"image/draw"

	"graft/internal/transform"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// A SheetRow is pictures that belong together on a contact sheet.
type SheetRow struct{ Cells []SheetCell }

// A SheetCell is a picture and what stands below it.
type SheetCell struct {
	Sample
	Picture  *transform.Picture // drawn in place of the sample's file, if there is one
	Captions []string           // at most three lines
}

// Sheet draws groups of pictures side by side, as many to a line as fit.
func Sheet(title string, rows []SheetRow, o DecodeOptions) (image.Image, error) {
	const width, lines, line = 1200, 3, 14
	const w, h = cell + gap, cell + lines*line + 2*gap
	type at struct{ x, y int }
	var places []at
	x, y := margin, margin+heading
	for _, r := range rows {
		need := min(len(r.Cells), (width-2*margin)/w) * w
		if x > margin && x+need > width-margin {
			x, y = margin, y+h
		}
		for range r.Cells {
			if x+w > width {
				x, y = margin, y+h
			}
			places = append(places, at{x, y})
			x += w
		}
		x += gap
	}
	img := image.NewRGBA(image.Rect(0, 0, width, y+h+margin))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	head, err := newLetterer(img, gobold.TTF, 18)
	if err != nil {
		return nil, err
	}
	text, err := newLetterer(img, goregular.TTF, 11)
	if err != nil {
		return nil, err
	}
	head.write(title, margin, margin+18, width-2*margin, color.Gray{32})
	i := 0
	for _, r := range rows {
		for k, c := range r.Cells {
			p := places[i]
			if box := image.Rect(p.x, p.y, p.x+cell, p.y+cell); c.Picture != nil {
				drawPicture(img, box, c.Picture)
			} else {
				drawSample(img, box, &c.Sample, o)
			}
			for n, caption := range c.Captions[:min(len(c.Captions), lines)] {
				text.write(caption, p.x, p.y+cell+line*(n+1), cell, color.Gray{90})
			}
			if k > 0 && places[i-1].y == p.y { // a bar joins the group
				draw.Draw(img, image.Rect(p.x-gap, p.y+cell/2-2, p.x, p.y+cell/2+2), image.NewUniform(color.Gray{90}), image.Point{}, draw.Src)
			}
			i++
		}
	}
	return img, nil
}

package dataset

import (
	"image"
	"image/color"
	"image/draw"

	"graft/internal/transform"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// Card draws pictures side by side at their own sizes, a title above, lines of text below.
func Card(title string, lines []string, pictures ...*transform.Picture) (image.Image, error) {
	const line = 20
	width, height := margin, 0
	for _, p := range pictures {
		width, height = width+p.W+margin, max(height, p.H)
	}
	top := margin + heading
	img := image.NewRGBA(image.Rect(0, 0, width, top+height+len(lines)*line+margin))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	head, err := newLetterer(img, gobold.TTF, 18)
	if err != nil {
		return nil, err
	}
	text, err := newLetterer(img, goregular.TTF, 14)
	if err != nil {
		return nil, err
	}
	head.write(title, margin, margin+16, width-2*margin, color.Gray{32})
	x := margin
	for _, p := range pictures {
		drawPicture(img, image.Rect(x, top, x+p.W, top+p.H), p)
		x += p.W + margin
	}
	for i, s := range lines {
		text.write(s, margin, top+height+(i+1)*line, width-2*margin, color.Gray{70})
	}
	return img, nil
}

package rundir

import (
	"fmt"
	"image/color"
	"io"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A curve is one line of the figure. The colours are Okabe and Ito's, told
// apart by the colour-blind; the dashes tell them apart in print.
type curve struct {
	name   string
	colour color.RGBA
	dashes []vg.Length
	glyph  draw.GlyphDrawer
	value  func(Epoch) float64
}

var curves = []curve{
	{"train loss", color.RGBA{0x00, 0x72, 0xB2, 255}, nil, draw.CircleGlyph{}, func(e Epoch) float64 { return e.Loss }},
	{"train acc", color.RGBA{0xD5, 0x5E, 0x00, 255}, []vg.Length{7, 3}, draw.BoxGlyph{}, func(e Epoch) float64 { return e.TrainAcc }},
	{"test acc", color.RGBA{0x00, 0x7A, 0x5E, 255}, []vg.Length{7, 3, 2, 3}, draw.PyramidGlyph{}, func(e Epoch) float64 { return e.TestAcc }},
}

var valCurve = curve{"val acc", color.RGBA{0xAA, 0x33, 0x77, 255}, []vg.Length{2, 2}, draw.RingGlyph{}, func(e Epoch) float64 { return *e.ValAcc }}

// drawCurves draws the figure of the lesson: loss and accuracies over the epochs.
func drawCurves(w io.Writer, title string, epochs []Epoch) error {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = 6
	p.X.Label.Text = "epoch"
	p.X.Min, p.X.Max = 0.75, float64(len(epochs))+0.25
	p.X.Tick.Marker = plot.TickerFunc(func(_, _ float64) []plot.Tick { return epochTicks(len(epochs)) })
	p.Y.Min, p.Y.Max = 0, 1.02
	p.Legend.Top = true
	p.Legend.XOffs, p.Legend.YOffs = -6, -6
	p.Legend.ThumbnailWidth = 36
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	list := curves
	if len(epochs) > 0 && epochs[0].ValAcc != nil {
		list = append(list[:len(list):len(list)], valCurve)
	}
	for _, c := range list {
		var points plotter.XYs
		for _, e := range epochs {
			if v := c.value(e); !math.IsNaN(v) && !math.IsInf(v, 0) {
				points = append(points, plotter.XY{X: float64(e.Epoch), Y: v})
				p.Y.Max = max(p.Y.Max, v*1.05)
			}
		}
		if len(points) == 0 {
			continue
		}
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return err
		}
		line.Color, line.Width, line.Dashes = c.colour, 2, c.dashes
		marks.Color, marks.Shape, marks.Radius = c.colour, c.glyph, 3
		p.Add(line, marks)
		p.Legend.Add(c.name, line, marks)
	}
	to, err := p.WriterTo(6*vg.Inch, 4*vg.Inch, "png")
	if err != nil {
		return err
	}
	_, err = to.WriteTo(w)
	return err
}

// epochTicks marks every epoch, and numbers as many as fit.
func epochTicks(n int) []plot.Tick {
	every := 1
	for _, step := range []int{2, 5, 10, 20, 50, 100, 200, 500, 1000} {
		if n/every > 25 {
			every = step
		}
	}
	var ticks []plot.Tick
	for e := 1; e <= n; e++ {
		t := plot.Tick{Value: float64(e)}
		if e%every == 0 {
			t.Label = fmt.Sprint(e)
		}
		ticks = append(ticks, t)
	}
	return ticks
}

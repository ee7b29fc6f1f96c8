package rundir

import (
	"fmt"
	"image/color"
	"io"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// A Named is a run's epochs under the name that a figure gives it.
type Named struct {
	Name   string
	Epochs []Epoch
	Best   int // 0 for none
}

// overlaid are the colours of runs, Okabe and Ito's, and their marks.
var overlaid = []curve{
	{colour: color.RGBA{0x00, 0x72, 0xB2, 255}, glyph: draw.CircleGlyph{}},
	{colour: color.RGBA{0xD5, 0x5E, 0x00, 255}, glyph: draw.BoxGlyph{}},
	{colour: color.RGBA{0x00, 0x7A, 0x5E, 255}, glyph: draw.PyramidGlyph{}},
	{colour: color.RGBA{0xAA, 0x33, 0x77, 255}, glyph: draw.RingGlyph{}},
	{colour: color.RGBA{0xB8, 0x86, 0x00, 255}, glyph: draw.SquareGlyph{}},
	{colour: color.RGBA{0x33, 0x33, 0x33, 255}, glyph: draw.CrossGlyph{}},
}

// DrawCompared writes a PNG file with the accuracies of several runs over their epochs: on test
// pictures unbroken, in training dashed.
func DrawCompared(path string, runs []Named) error {
	p := plot.New()
	p.Title.Text = "test accuracy, and training accuracy (dashed)"
	p.Title.Padding = 6
	p.X.Label.Text = "epoch"
	p.Legend.Top, p.Legend.Left = false, false
	p.Legend.XOffs, p.Legend.YOffs = -6, 6
	p.Legend.ThumbnailWidth, p.Legend.Padding = 36, 3
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	last, least := 1, 1.0
	for i, r := range runs {
		style := overlaid[i%len(overlaid)]
		var test, train plotter.XYs
		for _, e := range r.Epochs {
			test = append(test, plotter.XY{X: float64(e.Epoch), Y: e.TestAcc})
			train = append(train, plotter.XY{X: float64(e.Epoch), Y: e.TrainAcc})
			last, least = max(last, e.Epoch), min(least, e.TestAcc, e.TrainAcc)
		}
		line, marks, err := plotter.NewLinePoints(test)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		line.Color, line.Width = style.colour, 2
		marks.Color, marks.Shape, marks.Radius = style.colour, style.glyph, 3
		dashed, err := plotter.NewLine(train)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		dashed.Color, dashed.Width, dashed.Dashes = style.colour, 1, []vg.Length{5, 3}
		p.Add(dashed, line, marks)
		name := r.Name
		if r.Best > 0 {
			name += fmt.Sprintf(", best epoch %d", r.Best)
		}
		p.Legend.Add(name, line, marks)
	}
	p.X.Min, p.X.Max = 0.75, float64(last)+0.25
	p.X.Tick.Marker = plot.TickerFunc(func(_, _ float64) []plot.Tick { return epochTicks(last) })
	// Room below the curves for the legend.
	p.Y.Max = 1.02
	p.Y.Min = max(0, least-0.04-(1-least)*0.08*float64(len(runs)+1))
	to, err := p.WriterTo(7*vg.Inch, 5*vg.Inch, "png")
	if err != nil {
		return err
	}
	return writeFile(path, func(w io.Writer) error {
		_, err := to.WriteTo(w)
		return err
	})
}

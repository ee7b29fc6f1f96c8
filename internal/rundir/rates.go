package rundir

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// DrawRates draws a learning-rate range test as PNG: each step's loss, the smoothed loss,
// over rates on a logarithmic axis, with a line at the rate to use.
func DrawRates(w io.Writer, title string, rates, losses, smooth []float64, use float64) error {
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = 6
	p.X.Label.Text, p.Y.Label.Text = "learning rate", "loss"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.TickerFunc(decades)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.XOffs, p.Legend.YOffs = 6, -6
	p.Legend.ThumbnailWidth = 36
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	xy := func(y []float64) plotter.XYs {
		points := make(plotter.XYs, len(rates))
		for i := range rates {
			points[i] = plotter.XY{X: rates[i], Y: y[i]}
		}
		return points
	}
	top := 1.3 * slices.Max(smooth) // beyond it a loss says only that training diverges
	dots, err := plotter.NewScatter(xy(losses))
	if err != nil {
		return err
	}
	dots.Color, dots.Radius = color.RGBA{0x56, 0xB4, 0xE9, 255}, 1.5
	line, err := plotter.NewLine(xy(smooth))
	if err != nil {
		return err
	}
	line.Color, line.Width = curves[0].colour, 2
	mark, err := plotter.NewLine(plotter.XYs{{X: use, Y: 0}, {X: use, Y: top}})
	if err != nil {
		return err
	}
	mark.Color, mark.Width, mark.Dashes = curves[1].colour, 2, []vg.Length{7, 3}
	p.Add(dots, line, mark)
	p.Legend.Add("loss of a step", dots)
	p.Legend.Add("smoothed", line)
	p.Legend.Add("to use", mark)
	p.Y.Min, p.Y.Max = 0, top
	p.X.Min, p.X.Max = rates[0], rates[len(rates)-1]
	to, err := p.WriterTo(6*vg.Inch, 4*vg.Inch, "png")
	if err != nil {
		return err
	}
	_, err = to.WriteTo(w)
	return err
}

// decades marks powers of ten.
func decades(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Ceil(math.Log10(low) - 1e-9); e <= math.Log10(high); e++ {
		ticks = append(ticks, plot.Tick{Value: math.Pow(10, e), Label: fmt.Sprintf("%.0e", math.Pow(10, e))})
	}
	return ticks
}

package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// A series is a line of a chart. Lines differ by colour, dashes and their name at the end.
type series struct {
	name, class string // the class of page.css
	values      []float64
}

// Measures of a chart in its own units.
const (
	chartW, chartH         = 460, 240
	left, right, top, foot = 44, 96, 22, 34
)

// A scale maps values to places.
type scale struct{ from, to, first, last float64 }

func (s scale) at(v float64) float64 {
	return s.first + (v-s.from)/(s.to-s.from)*(s.last-s.first)
}

// curves draws series over the epochs 1, 2, ...; best is marked. Values that are no numbers break
// their line.
func curves(title string, epochs []rundir.Epoch, best int, lines []series, unit bool) template.HTML {
	y := scale{0, 1, chartH - foot, top}
	least, most := span(lines)
	step := niceStep(max(most, 0.1) / 4)
	y.to = step * math.Ceil(most/step-1e-9)
	if unit { // down from 1
		step = max(0.05, niceStep((1-least)/4))
		y.from, y.to = max(0, 1-step*max(2, math.Ceil((1-least)/step-1e-9))), 1
	}
	n := len(epochs)
	x := scale{1, max(2, float64(n)), left, chartW - right}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s">`, chartW, chartH, template.HTMLEscapeString(title))
	for v := y.from; v <= y.to+1e-9; v += step {
		text := fmt.Sprintf("%g", math.Round(v*1000)/1000)
		if unit {
			text = fmt.Sprintf("%.0f %%", v*100)
		}
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%s</text>`, left, y.at(v), chartW-right, left-6, y.at(v)+4, text)
	}
	every := max(1, int(niceStep(float64(n)/6)))
	for e := every; e <= n; e += every {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%d</text>`, x.at(float64(e)), chartH-foot+16, e)
	}
	fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d" text-anchor="middle">epoch</text>`, (left+chartW-right)/2, chartH-4)
	if best > 0 {
		at := x.at(float64(best))
		fmt.Fprintf(&b, `<path class="best" d="M%.1f %dV%d"/>`, at, top, chartH-foot)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">best, epoch %d</text>`, max(left+30, at), top-7, best)
	}
	var ends []float64
	for _, l := range lines {
		path, pen := "", "M"
		last := math.NaN()
		for i, v := range l.values {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				pen = "M"
				continue
			}
			last = y.at(max(y.from, min(v, y.to)))
			path += fmt.Sprintf("%s%.1f %.1f", pen, x.at(float64(epochs[i].Epoch)), last)
			pen = "L"
		}
		if math.IsNaN(last) {
			continue
		}
		ends = append(ends, last)
		fmt.Fprintf(&b, `<path class="line %s" d="%s"/>`, l.class, path)
		if n == 1 {
			fmt.Fprintf(&b, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="3"/>`, l.class, x.at(1), last)
		}
	}
	places := apart(ends, 14)
	at := 0
	for _, l := range lines {
		if len(places) == at || allNaN(l.values) {
			continue
		}
		fmt.Fprintf(&b, `<path class="lead %s" d="M%d %.1fh14"/><text class="name %s" x="%d" y="%.1f">%s</text>`, l.class, chartW-right+4, places[at], l.class, chartW-right+22, places[at]+4, l.name)
		at++
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// span is the least and the largest value that is a number.
func span(lines []series) (least, most float64) {
	least, most = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, v := range l.values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				least, most = min(least, v), max(most, v)
			}
		}
	}
	if least > most {
		return 0, 1
	}
	return least, most
}

func allNaN(v []float64) bool {
	for _, x := range v {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// niceStep is 1, 2 or 5 times a power of ten, at least v.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= v-1e-12 {
			return m * p
		}
	}
	return 10 * p
}

// apart moves heights away from each other by at least gap, keeping their order.
func apart(heights []float64, gap float64) []float64 {
	places := append([]float64(nil), heights...)
	for range 50 {
		moved := false
		for i := range places {
			for j := range i {
				hi, lo := i, j
				if heights[i] > heights[j] || heights[i] == heights[j] && i > j {
					hi, lo = j, i
				}
				if over := gap - (places[lo] - places[hi]); over > 0.01 {
					places[hi] -= over / 2
					places[lo] += over / 2
					moved = true
				}
			}
		}
		if !moved {
			break
		}
	}
	for i := range places {
		places[i] = max(top, min(places[i], chartH-foot))
	}
	return places
}

// reliabilityChart draws accuracy against probability, a bar a tenth.
func reliabilityChart(bins [10]bin) template.HTML {
	const side = 260
	x, y := scale{0, 1, left, left + side}, scale{0, 1, top + side, top}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart square" viewBox="0 0 %d %d" role="img" aria-label="Reliability diagram: how often the model is right, by how sure it is. The table has the numbers.">`, left+side+16, top+side+40)
	for v := 0.0; v <= 1.001; v += 0.2 {
		fmt.Fprintf(&b, `<path class="grid" d="M%d %.1fH%d"/><text class="tick" x="%d" y="%.1f" text-anchor="end">%.0f %%</text>`, left, y.at(v), left+side, left-6, y.at(v)+4, v*100)
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%.0f %%</text>`, x.at(v), top+side+16, v*100)
	}
	for i, c := range bins {
		if c.n == 0 {
			continue
		}
		x0, x1 := x.at(float64(i)/10)+1, x.at(float64(i+1)/10)-1
		fmt.Fprintf(&b, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, x0, y.at(c.accuracy), x1-x0, y.at(0)-y.at(c.accuracy))
		low, high := eval.Interval(c.accuracy, c.n)
		mid := (x0 + x1) / 2
		fmt.Fprintf(&b, `<path class="whisker" d="M%.1f %.1fV%.1fM%.1f %.1fh6M%.1f %.1fh6"/>`, mid, y.at(low), y.at(high), mid-3, y.at(low), mid-3, y.at(high))
	}
	fmt.Fprintf(&b, `<path class="diagonal" d="M%.1f %.1fL%.1f %.1f"/>`, x.at(0), y.at(0), x.at(1), y.at(1))
	fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d" text-anchor="middle">probability that the model gives</text></svg>`, left+side/2, top+side+34)
	return template.HTML(b.String())
}

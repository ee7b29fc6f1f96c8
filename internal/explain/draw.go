package explain

import (
	"math"

	"graft/internal/transform"
)

// Overlay draws a map over what the network saw: the picture in grey, in the colours of heat
// where the map is large. The map is enlarged bilinearly, its values at the middles of their
// places.
func Overlay(pic *transform.Picture, m Map) *transform.Picture {
	out := transform.New(pic.W, pic.H)
	for y := range pic.H {
		for x := range pic.W {
			at := 3 * (y*pic.W + x)
			q := pic.Pix[at : at+3]
			heat := m.at((float64(x)+0.5)/float64(pic.W), (float64(y)+0.5)/float64(pic.H))
			grey := 0.299*float64(q[0]) + 0.587*float64(q[1]) + 0.114*float64(q[2])
			colour, cover := heatColour(heat), opacity*math.Sqrt(heat)
			for c := range 3 {
				v := grey*(1-cover) + colour[c]*cover
				out.Pix[at+c] = uint8(math.Round(v))
			}
		}
	}
	return out
}

// opacity is that of the strongest heat: the picture stays to be seen through it.
const opacity = 0.65

// at is the map's value at a place given as shares of width and height.
func (m Map) at(x, y float64) float64 {
	fx, fy := x*float64(m.W)-0.5, y*float64(m.H)-0.5
	x0, y0 := math.Floor(fx), math.Floor(fy)
	get := func(x, y float64) float64 {
		cx, cy := int(max(0, min(x, float64(m.W-1)))), int(max(0, min(y, float64(m.H-1))))
		return float64(m.Values[cy*m.W+cx])
	}
	dx, dy := fx-x0, fy-y0
	return (get(x0, y0)*(1-dx)+get(x0+1, y0)*dx)*(1-dy) + (get(x0, y0+1)*(1-dx)+get(x0+1, y0+1)*dx)*dy
}

// heat are colours at equal steps from 0 to 1, growing lighter all the way, so that they can be
// told apart without colour: points of matplotlib's "inferno" (van der Walt and Smith 2015).
var heat = [...][3]float64{{0, 0, 4}, {31, 12, 72}, {85, 15, 109}, {136, 34, 106}, {186, 54, 85}, {227, 89, 51}, {249, 140, 10}, {249, 201, 50}, {252, 255, 164}}

func heatColour(v float64) [3]float64 {
	at := max(0, min(v, 1)) * float64(len(heat)-1)
	i := min(int(at), len(heat)-2)
	var c [3]float64
	for k := range c {
		c[k] = heat[i][k] + (at-float64(i))*(heat[i+1][k]-heat[i][k])
	}
	return c
}

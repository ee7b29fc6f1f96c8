package model

import (
	"math"

	"graft/internal/graph"
	"graft/internal/weights"
)

// positions returns a transformer's learned positions, [1, 1 + side x side, width], for another
// number of patches: the class token's stays, the others are a picture of side x side that is scaled
// as torchvision's interpolate_embeddings does (bicubic with a = -0.75, corners aligned). ok is
// false where p is no such parameter, or the source's is none.
func positions(p graph.Param, source weights.Tensor) (values []float32, ok bool) {
	if p.Role != graph.Embedding || len(p.Shape) != 3 || len(source.Shape) != 3 || p.Shape[2] != source.Shape[2] {
		return nil, false
	}
	from, ok := side(source.Shape[1])
	to, also := side(p.Shape[1])
	if !ok || !also {
		return nil, false
	}
	width := p.Shape[2]
	values = append(values, source.Data[:width]...)
	grid := along(source.Data[width:], from, to, from*width) // rows
	for y := range to {
		values = append(values, along(grid[y*from*width:][:from*width], from, to, width)...)
	}
	return values, true
}

// side is that of the square of patches behind a class token.
func side(tokens int) (int, bool) {
	n := int(math.Round(math.Sqrt(float64(tokens - 1))))
	return n, n > 1 && n*n == tokens-1
}

// along scales a list of from vectors, each of so many values, to one of to vectors.
func along(v []float32, from, to, size int) []float32 {
	out := make([]float32, to*size)
	for i := range to {
		at := float64(i) * float64(from-1) / float64(to-1)
		first := math.Floor(at)
		row := out[i*size:][:size]
		for tap, w := range cubic(at - first) {
			k := min(max(int(first)-1+tap, 0), from-1)
			for j, x := range v[k*size:][:size] {
				row[j] += float32(w) * x
			}
		}
	}
	return out
}

// cubic are the weights of the four nearest values (Keys 1981, a = -0.75) at t of the way from
// the second to the third.
func cubic(t float64) [4]float64 {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	return [4]float64{far(1 + t), near(t), near(1 - t), far(2 - t)}
}

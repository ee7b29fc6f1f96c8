package explain

import (
	"cmp"
	"math"
	"slices"
)

// A Neighbour is a picture like another.
type Neighbour struct {
	Index  int     // of the row
	Cosine float64 // of the angle between the two pictures' features, at most 1
}

// Nearest are the n rows of features whose direction is closest to that of one, the closest
// first; equal ones in their order. Each row has as many values as one.
func Nearest(features, one []float32, n int) []Neighbour {
	var list []Neighbour
	own := length(one)
	for i := 0; (i+1)*len(one) <= len(features); i++ {
		row := features[i*len(one) : (i+1)*len(one)]
		dot := 0.0
		for k, v := range row {
			dot += float64(v) * float64(one[k])
		}
		if all := own * length(row); all > 0 {
			dot /= all
		}
		list = append(list, Neighbour{i, dot})
	}
	slices.SortStableFunc(list, func(a, b Neighbour) int { return cmp.Compare(b.Cosine, a.Cosine) })
	return list[:min(n, len(list))]
}

func length(v []float32) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	return math.Sqrt(sum)
}

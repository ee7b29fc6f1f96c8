package eval

import "math"

// Interval is Wilson's 95 % interval (1927) of an accuracy measured on n pictures: where
// the accuracy on ever more such pictures would lie.
func Interval(accuracy float64, n int) (low, high float64) {
	if n < 1 {
		return 0, 1
	}
	const z = 1.959963984540054
	m := float64(n)
	centre := (accuracy + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(accuracy*(1-accuracy)/m+z*z/(4*m*m))
	return max(centre-half, 0), min(centre+half, 1)
}

package eval

import (
	"math"
	"testing"
)

// The bounds x are the roots of (right/n - x)^2 = z^2 x (1-x) / n, found by bisection.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		right, n  int
		low, high float64
	}{{180, 200, 0.850594, 0.934330}, {0, 10, 0, 0.277533}, {10, 10, 0.722467, 1}, {1, 2, 0.094531, 0.905469}} {
		low, high := Interval(float64(c.right)/float64(c.n), c.n)
		if math.Abs(low-c.low) > 1e-5 || math.Abs(high-c.high) > 1e-5 {
			t.Errorf("%d of %d: %.6f to %.6f, want %.6f to %.6f", c.right, c.n, low, high, c.low, c.high)
		}
	}
	if low, high := Interval(0, 0); low != 0 || high != 1 {
		t.Errorf("of nothing: %g to %g", low, high)
	}
}

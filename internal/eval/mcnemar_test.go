package eval

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// The p-value is a sum of binomial coefficients over a power of two, here in whole numbers.
func TestMcNemar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(0, 400).Draw(t, "a"), rapid.IntRange(0, 400).Draw(t, "b")
		sum := new(big.Int)
		for k := range min(a, b) + 1 {
			sum.Add(sum, new(big.Int).Binomial(int64(a+b), int64(k)))
		}
		want, _ := new(big.Rat).SetFrac(sum.Lsh(sum, 1), new(big.Int).Lsh(big.NewInt(1), uint(a+b))).Float64()
		want = min(want, 1)
		if got := McNemar(a, b); math.Abs(got-want) > 1e-9*want+1e-300 || got != McNemar(b, a) {
			t.Fatalf("McNemar(%d, %d) = %g, want %g", a, b, got, want)
		}
	})
	for _, c := range []struct {
		a, b int
		want float64
	}{{0, 0, 1}, {3, 3, 1}, {0, 5, 0.0625}, {0, 6, 0.03125}, {1, 8, 0.0390625}} {
		if got := McNemar(c.a, c.b); math.Abs(got-c.want) > 1e-4*c.want {
			t.Errorf("McNemar(%d, %d) = %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.04, 0.01, 0.03, 0.6})
	for i, want := range []float64{0.09, 0.04, 0.09, 0.6} {
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("%v", got)
		}
	}
}

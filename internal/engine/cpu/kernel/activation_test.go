package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// The functions and their derivatives in double precision.
var activations = map[Act]struct{ value, slope func(x float64) float64 }{
	ReLU:        {func(x float64) float64 { return math.Max(x, 0) }, func(x float64) float64 { return step(x > 0) }},
	ReLU6:       {func(x float64) float64 { return math.Min(math.Max(x, 0), 6) }, func(x float64) float64 { return step(x > 0 && x < 6) }},
	HardSigmoid: {hardSigmoid, func(x float64) float64 { return step(x > -3 && x < 3) / 6 }},
	HardSwish: {func(x float64) float64 { return x * hardSigmoid(x) }, func(x float64) float64 {
		return step(x > 3) + step(x > -3 && x <= 3)*(x/3+0.5)
	}},
	GELU: {func(x float64) float64 { return x * normal(x) }, func(x float64) float64 {
		return normal(x) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	}},
	Sigmoid: {logistic, func(x float64) float64 { return logistic(x) * (1 - logistic(x)) }},
	SiLU:    {func(x float64) float64 { return x * logistic(x) }, func(x float64) float64 { return logistic(x) * (1 + x*(1-logistic(x))) }},
}

func step(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func hardSigmoid(x float64) float64 { return math.Min(math.Max(x/6+0.5, 0), 1) }
func normal(x float64) float64      { return math.Erfc(-x/math.Sqrt2) / 2 }
func logistic(x float64) float64    { return 1 / (1 + math.Exp(-x)) }

func drawAct(t *rapid.T) Act { return Act(rapid.IntRange(int(ReLU), int(GELU)).Draw(t, "act")) }

// spread multiplies a matrix so that both ends of the activations are met.
func spread(m *matrix) {
	for i := range m.rows {
		for j := range m.row(i) {
			m.row(i)[j] *= 4
		}
	}
}

func TestActivate(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s, act := newScope(t), drawAct(t)
		rows, c := drawShape(t)
		x, dy := s.in(rows, c, gap(t, "gap")), s.in(rows, c, gap(t, "gy"))
		spread(x)
		y, dx := s.out(rows, c, gap(t, "go")), s.out(rows, c, gap(t, "gx"))
		s.run(func() {
			set.Activate(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rows, c, act)
			set.ActivateGrad(dx.ptr(), dx.bytes(), dy.ptr(), dy.bytes(), x.ptr(), x.bytes(), rows, c, act)
		})
		f := activations[act]
		for i := range rows {
			for j := range c {
				near(t, "y", i, j, y.row(i)[j], f.value(x.at(i, j)), 6, 1+math.Abs(x.at(i, j)))
				near(t, "dx", i, j, dx.row(i)[j], dy.at(i, j)*f.slope(x.at(i, j)), 6, math.Abs(dy.at(i, j))*(1+math.Abs(x.at(i, j))))
			}
		}
		aliased(t, dx, dy, func(out *matrix) {
			set.ActivateGrad(out.ptr(), out.bytes(), out.ptr(), out.bytes(), x.ptr(), x.bytes(), rows, c, act)
		})
		aliased(t, y, x, func(out *matrix) {
			set.Activate(out.ptr(), out.bytes(), out.ptr(), out.bytes(), rows, c, act)
		})
	})
}

// TestActivateEnds is about values that are no ordinary numbers.
func TestActivateEnds(t *testing.T) {
	inf := float32(math.Inf(1))
	eachSet(t, func(t *testing.T, set *Set) {
		for act, want := range map[Act][3]float32{
			ReLU: {0, inf, 0}, ReLU6: {0, 6, 0}, HardSigmoid: {0, 1, 0.5}, Sigmoid: {0, 1, 0.5}, SiLU: {0, inf, 0}, GELU: {0, inf, 0},
		} {
			x := []float32{-100, inf, 0, float32(math.NaN()), -100, -100, -100, -100}
			y := make([]float32, 8)
			set.Activate(addr(y), 32, addr(x), 32, 1, 8, act)
			for i, w := range want {
				if d := math.Abs(float64(y[i] - w)); d > 1e-30 {
					t.Errorf("%s: act %d of %g is %g, want %g", set.Name, act, x[i], y[i], w)
				}
			}
			if y[3] == y[3] {
				t.Errorf("%s: act %d of NaN is %g", set.Name, act, y[3])
			}
		}
	})
}

func TestNormActivate(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s, act := newScope(t), drawAct(t)
		rows, c := drawShape(t)
		x, dy := s.in(rows, c, gap(t, "gap")), s.in(rows, c, gap(t, "gy"))
		v := make([]*matrix, 6)
		for i := range v {
			v[i] = s.in(1, c, 0)
		}
		spread(x)
		scale, shift, mean, a, b, d := v[0], v[1], v[2], v[3], v[4], v[5]
		for i := range rows {
			for j := range c {
				u := x.at(i, j)*scale.at(0, j) + shift.at(0, j)
				for _, corner := range []float64{-3, 0, 3, 6} { // rounding may decide the side
					if math.Abs(u-corner) < 1e-4 {
						dy.row(i)[j] = 0
					}
				}
			}
		}
		y, dx := s.out(rows, c, gap(t, "go")), s.out(rows, c, gap(t, "gx"))
		sumDY, sumDYX := s.out(1, c, 0), s.out(1, c, 0)
		again, againX, gOut := s.out(1, c, 0), s.out(1, c, 0), s.out(rows, c, gap(t, "gg"))
		s.run(func() {
			set.NormActivate(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rows, c, scale.ptr(), shift.ptr(), act)
			set.NormActGradSums(dy.ptr(), dy.bytes(), x.ptr(), x.bytes(), rows, c, scale.ptr(), shift.ptr(), mean.ptr(), sumDY.ptr(), sumDYX.ptr(), nil, 0, act)
			set.NormActGradSums(dy.ptr(), dy.bytes(), x.ptr(), x.bytes(), rows, c, scale.ptr(), shift.ptr(), mean.ptr(), again.ptr(), againX.ptr(), gOut.ptr(), gOut.bytes(), act)
			set.NormActGrad(dx.ptr(), dx.bytes(), dy.ptr(), dy.bytes(), x.ptr(), x.bytes(), rows, c,
				a.ptr(), b.ptr(), d.ptr(), mean.ptr(), scale.ptr(), shift.ptr(), act)
		})
		f := activations[act]
		for j := range c {
			var s0, s1, size0, size1 float64
			for i := range rows {
				u := x.at(i, j)*scale.at(0, j) + shift.at(0, j)
				big := 1 + math.Abs(x.at(i, j)*scale.at(0, j)) + math.Abs(shift.at(0, j))
				near(t, "y", i, j, y.row(i)[j], f.value(u), 8, big)
				g, gSize := dy.at(i, j)*f.slope(u), math.Abs(dy.at(i, j))*big
				near(t, "gOut", i, j, gOut.row(i)[j], g, 8, gSize)
				off := x.at(i, j) - mean.at(0, j)
				s0, s1 = s0+g, s1+g*off
				size0, size1 = size0+gSize, size1+gSize*(1+math.Abs(off))
				want := a.at(0, j)*g + b.at(0, j)*off + d.at(0, j)
				near(t, "dx", i, j, dx.row(i)[j], want, 8, gSize*math.Abs(a.at(0, j))+math.Abs(b.at(0, j)*off)+math.Abs(d.at(0, j)))
			}
			near(t, "sumDY", 0, j, sumDY.row(0)[j], s0, rows+8, size0)
			near(t, "sumDYX", 0, j, sumDYX.row(0)[j], s1, rows+8, size1)
			if again.row(0)[j] != sumDY.row(0)[j] || againX.row(0)[j] != sumDYX.row(0)[j] {
				t.Fatalf("sums of channel %d differ where the gradient is written: %g and %g, not %g and %g", j, again.row(0)[j], againX.row(0)[j], sumDY.row(0)[j], sumDYX.row(0)[j])
			}
		}
		aliased(t, gOut, dy, func(out *matrix) {
			set.NormActGradSums(out.ptr(), out.bytes(), x.ptr(), x.bytes(), rows, c, scale.ptr(), shift.ptr(), mean.ptr(), again.ptr(), againX.ptr(), out.ptr(), out.bytes(), act)
		})
		aliased(t, dx, dy, func(out *matrix) {
			set.NormActGrad(out.ptr(), out.bytes(), out.ptr(), out.bytes(), x.ptr(), x.bytes(), rows, c,
				a.ptr(), b.ptr(), d.ptr(), mean.ptr(), scale.ptr(), shift.ptr(), act)
		})
	})
}

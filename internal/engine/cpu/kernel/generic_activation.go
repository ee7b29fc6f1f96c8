package kernel

import (
	"math"
	"unsafe"
)

func (act Act) value(x float32) float32 {
	switch act {
	case ReLU:
		return clamp(x, 0, float32(math.Inf(1)))
	case ReLU6:
		return clamp(x, 0, 6)
	case HardSwish:
		return x * clamp(x/6+0.5, 0, 1)
	case HardSigmoid:
		return clamp(x/6+0.5, 0, 1)
	case SiLU:
		return x * sigmoid(x)
	case Sigmoid:
		return sigmoid(x)
	case GELU:
		return x * float32(phi(x))
	}
	return x
}

// slope is the derivative at x; where there is none, that from the side where it is zero.
func (act Act) slope(x float32) float32 {
	switch act {
	case ReLU:
		return within(x, 0, float32(math.Inf(1)), 1)
	case ReLU6:
		return within(x, 0, 6, 1)
	case HardSwish:
		if x > 3 {
			return 1
		}
		return within(x, -3, float32(math.Inf(1)), x/3+0.5)
	case HardSigmoid:
		return within(x, -3, 3, 1.0/6)
	case SiLU:
		s := sigmoid(x)
		return s * (x*(1-s) + 1)
	case Sigmoid:
		s := sigmoid(x)
		return s * (1 - s)
	case GELU:
		return float32(phi(x) + float64(x)*math.Exp(-float64(x)*float64(x)/2)/math.Sqrt(2*math.Pi))
	}
	return 1
}

func within(x, lo, hi, v float32) float32 {
	if lo < x && x < hi || x == hi && math.IsInf(float64(hi), 1) {
		return v
	}
	return 0
}

// phi is the normal distribution.
func phi(x float32) float64 { return math.Erfc(-float64(x)/math.Sqrt2) / 2 }

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

func activate(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, act Act) {
	for i := range rows {
		out := row(y, ys, i, c)
		for j, v := range row(x, xs, i, c) {
			out[j] = act.value(v)
		}
	}
}

func activateGrad(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, act Act) {
	for i := range rows {
		out, in := row(dx, dxs, i, c), row(x, xs, i, c)
		for j, g := range row(dy, dys, i, c) {
			out[j] = act.pass(g, in[j])
		}
	}
}

// pass is the gradient g at input x: nothing passes where the slope is zero.
func (act Act) pass(g, x float32) float32 {
	if s := act.slope(x); s != 0 {
		return g * s
	}
	return 0
}

func normActivate(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, scale, shift unsafe.Pointer, act Act) {
	sc, sh := floats(scale, c), floats(shift, c)
	for i := range rows {
		out := row(y, ys, i, c)
		for j, v := range row(x, xs, i, c) {
			out[j] = act.value(v*sc[j] + sh[j])
		}
	}
}

func normActGradSums(dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, scale, shift, mean, sumDY, sumDYX, gOut unsafe.Pointer, gs int, act Act) {
	sc, sh, mu := floats(scale, c), floats(shift, c), floats(mean, c)
	s0, s1 := floats(sumDY, c), floats(sumDYX, c)
	clear(s0)
	clear(s1)
	for i := range rows {
		grad := row(dy, dys, i, c)
		for j, v := range row(x, xs, i, c) {
			g := act.pass(grad[j], v*sc[j]+sh[j])
			s0[j] += g
			s1[j] += g * (v - mu[j])
			if gOut != nil {
				row(gOut, gs, i, c)[j] = g
			}
		}
	}
}

func normActGrad(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, a, b, d, mean, scale, shift unsafe.Pointer, act Act) {
	fa, fb, fd, mu := floats(a, c), floats(b, c), floats(d, c), floats(mean, c)
	sc, sh := floats(scale, c), floats(shift, c)
	for i := range rows {
		out, grad := row(dx, dxs, i, c), row(dy, dys, i, c)
		for j, v := range row(x, xs, i, c) {
			g := act.pass(grad[j], v*sc[j]+sh[j])
			out[j] = fa[j]*g + (fb[j]*(v-mu[j]) + fd[j])
		}
	}
}

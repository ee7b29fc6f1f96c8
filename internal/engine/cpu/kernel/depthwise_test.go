package kernel

import (
	"math"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// addr is where a slice starts.
func addr(v []float32) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(v)) }

func TestDepthwise(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		taps := rapid.SampledFrom([]int{0, 1, 2, 4, 9, 25}).Draw(t, "taps")
		pixels, step, c := rapid.IntRange(1, 11).Draw(t, "pixels"), rapid.IntRange(0, 2).Draw(t, "step"), channels(t)
		x, w, bias := s.in(7+step*pixels, c, gap(t, "gap")), s.in(max(taps, 1), c, gap(t, "gw")), s.in(1, c, 0)
		out := s.out(pixels, c, gap(t, "go"))
		a := DepthwiseArgs{Pixels: pixels, Taps: taps, C: c, Lo: -1, Hi: float32(math.Inf(1)),
			RowStep: step * x.bytes(), Out: out.ptr(), OutStep: out.bytes()}
		if rapid.Bool().Draw(t, "bias") {
			a.Bias = bias.ptr()
		}
		rows, weights := make([]uintptr, taps+1), make([]uintptr, taps+1)
		first := make([]int, taps)
		for k := range taps {
			first[k] = s.rng.IntN(7)
			rows[k], weights[k] = x.addr(first[k]), w.addr(k)
		}
		a.Rows, a.Weights = unsafe.Pointer(&rows[0]), unsafe.Pointer(&weights[0])
		s.run(func() { set.Depthwise(&a) })
		for p := range pixels {
			for j := range c {
				v, size := 0.0, 0.0
				if a.Bias != nil {
					v = bias.at(0, j)
					size = math.Abs(v)
				}
				for k, i := range first {
					v += x.at(i+p*step, j) * w.at(k, j)
					size += math.Abs(x.at(i+p*step, j) * w.at(k, j))
				}
				near(t, "out", p, j, out.row(p)[j], math.Max(v, -1), taps+1, size)
			}
		}
	})
}

func TestDepthwiseGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		count, step := rapid.IntRange(1, 5).Draw(t, "count"), rapid.IntRange(1, 2).Draw(t, "step")
		pixels, c := rapid.IntRange(1, 11).Draw(t, "pixels"), channels(t)
		x, dy := s.in(count+step*pixels, c, gap(t, "gap")), s.in(pixels, c, gap(t, "gy"))
		sum := s.out(count, c, gap(t, "gs"))
		before := sum.clone()
		a := DepthwiseGradArgs{X: x.ptr(), XTap: x.bytes(), XStep: step * x.bytes(), DY: dy.ptr(), DYStep: dy.bytes(),
			Pixels: pixels, Count: count, C: c, Sum: sum.ptr(), SumStride: sum.bytes()}
		if rapid.Bool().Draw(t, "acc") {
			a.Acc = 1
		}
		s.run(func() { set.DepthwiseGrad(&a) })
		for k := range count {
			for j := range c {
				v := float64(a.Acc) * before.at(k, j)
				size := math.Abs(v)
				for p := range pixels {
					term := x.at(k+p*step, j) * dy.at(p, j)
					v, size = v+term, size+math.Abs(term)
				}
				near(t, "sum", k, j, sum.row(k)[j], v, pixels+1, size)
			}
		}
	})
}

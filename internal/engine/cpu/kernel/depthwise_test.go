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
		pixels, c := rapid.IntRange(1, 11).Draw(t, "pixels"), channels(t)
		x, w, bias := s.in(7, c, gap(t, "gap")), s.in(max(taps, 1), c, gap(t, "gw")), s.in(1, c, 0)
		out := s.out(pixels, c, gap(t, "go"))
		a := DepthwiseArgs{Pixels: pixels, Taps: taps, C: c, Lo: -1, Hi: float32(math.Inf(1))}
		if rapid.Bool().Draw(t, "bias") {
			a.Bias = bias.ptr()
		}
		var table, weights []uintptr
		pick := make([][]int, pixels)
		for p := range pixels {
			for range taps {
				i := s.rng.IntN(x.rows)
				pick[p] = append(pick[p], i)
				table = append(table, x.addr(i))
			}
			table = append(table, out.addr(p))
		}
		for k := range taps {
			weights = append(weights, w.addr(k))
		}
		weights = append(weights, 0)
		a.Rows, a.Weights = unsafe.Pointer(&table[0]), unsafe.Pointer(&weights[0])
		s.run(func() { set.Depthwise(&a) })
		for p := range pixels {
			for j := range c {
				v, size := 0.0, 0.0
				if a.Bias != nil {
					v = bias.at(0, j)
					size = math.Abs(v)
				}
				for k, i := range pick[p] {
					v += x.at(i, j) * w.at(k, j)
					size += math.Abs(x.at(i, j) * w.at(k, j))
				}
				near(t, "out", p, j, out.row(p)[j], math.Max(v, -1), taps+1, size)
			}
		}
	})
}

func TestDepthwiseGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		taps, count := rapid.IntRange(5, 9).Draw(t, "taps"), rapid.SampledFrom([]int{1, 3, 5}).Draw(t, "count")
		first := rapid.IntRange(0, taps-count).Draw(t, "first")
		pixels, c := rapid.IntRange(1, 11).Draw(t, "pixels"), channels(t)
		x, dy := s.in(7, c, gap(t, "gap")), s.in(pixels, c, gap(t, "gy"))
		sum := s.out(count, c, gap(t, "gs"))
		before := sum.clone()
		a := DepthwiseGradArgs{Pixels: pixels, Taps: taps, First: first, Count: count, C: c, Sum: sum.ptr(), SumStride: sum.bytes()}
		if rapid.Bool().Draw(t, "acc") {
			a.Acc = 1
		}
		var table []uintptr
		pick := make([][]int, pixels)
		for p := range pixels {
			for range taps {
				i := s.rng.IntN(x.rows)
				pick[p] = append(pick[p], i)
				table = append(table, x.addr(i))
			}
			table = append(table, dy.addr(p))
		}
		a.Rows = unsafe.Pointer(&table[0])
		s.run(func() { set.DepthwiseGrad(&a) })
		for k := range count {
			for j := range c {
				v := float64(a.Acc) * before.at(k, j)
				size := math.Abs(v)
				for p := range pixels {
					term := x.at(pick[p][first+k], j) * dy.at(p, j)
					v, size = v+term, size+math.Abs(term)
				}
				near(t, "sum", k, j, sum.row(k)[j], v, pixels+1, size)
			}
		}
	})
}

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

// slides are the lines that a set's sliding kernels are tested with.
func slides(t *rapid.T, set *Set) int { return rapid.IntRange(1, max(1, set.Slides)).Draw(t, "lines") }

// slidingInput is lines of pixels for the sliding kernels: the first and the last may be one
// row of zeros.
func slidingInput(t *rapid.T, s *scope, lines, width, c int) (at func(h, p, j int) float64, rows [4]uintptr, first, step, last int) {
	var m [4]*matrix
	var steps [4]int
	for h := range lines + 2 {
		m[h] = s.in(width, c, 8)
		steps[h] = m[h].bytes()
		if (h == 0 || h == lines+1) && rapid.Bool().Draw(t, "edge") {
			m[h] = s.in(1, c, 0)
			clear(m[h].row(0))
			steps[h] = 0
		}
		rows[h] = m[h].addr(0)
	}
	at = func(h, p, j int) float64 {
		if p < 0 || p >= width || steps[h] == 0 {
			return 0
		}
		return m[h].at(p, j)
	}
	return at, rows, steps[0], steps[1], steps[lines+1]
}

func TestDepthwise3(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		lines, width, c := slides(t, set), rapid.IntRange(1, 9).Draw(t, "width"), channels(t)
		x, rows, first, step, last := slidingInput(t, s, lines, width, c)
		w, bias, out := s.in(9, c, gap(t, "gw")), s.in(1, c, 0), s.out(lines*width, c, gap(t, "go"))
		a := Depthwise3Args{Rows: rows, First: first, Step: step, Last: last, Out: out.ptr(), OutStep: out.bytes(), OutLine: width * out.bytes(),
			Width: width, Lines: lines, Bias: bias.ptr(), C: c, Lo: -1, Hi: 2}
		for k := range a.Weights {
			a.Weights[k] = w.addr(k)
		}
		s.run(func() { set.Depthwise3(&a) })
		for i := range lines * width {
			for j := range c {
				v := bias.at(0, j)
				size := math.Abs(v)
				for k := range 9 {
					term := x(i/width+k/3, i%width+k%3-1, j) * w.at(k, j)
					v, size = v+term, size+math.Abs(term)
				}
				near(t, "out", i, j, out.row(i)[j], min(max(v, -1), 2), 10, size)
			}
		}
	})
}

func TestDepthwise3Grad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		lines, width, c := slides(t, set), rapid.IntRange(1, 9).Draw(t, "width"), channels(t)
		x, rows, first, step, last := slidingInput(t, s, lines, width, c)
		dy, sum := s.in(lines*width, c, gap(t, "gy")), s.out(9, c, gap(t, "gs"))
		before := sum.clone()
		a := Depthwise3GradArgs{Rows: rows, First: first, Step: step, Last: last, DYStep: dy.bytes(), Width: width, Lines: lines,
			Sum: sum.ptr(), SumStride: sum.bytes(), C: c}
		for y := range lines {
			a.DY[y] = dy.addr(y * width)
		}
		s.run(func() { set.Depthwise3Grad(&a) })
		for k := range 9 {
			for j := range c {
				v := before.at(k, j)
				size := math.Abs(v)
				for i := range lines * width {
					term := x(i/width+k/3, i%width+k%3-1, j) * dy.at(i, j)
					v, size = v+term, size+math.Abs(term)
				}
				near(t, "sum", k, j, sum.row(k)[j], v, lines*width+1, size)
			}
		}
	})
}

// slidingTable is lines of pixels for the kernels of 5x5 taps; the first two and the last two may be zeros.
func slidingTable(t *rapid.T, s *scope, lines, width, c int) (at func(h, p, j int) float64, table []uintptr, step int) {
	above, below := rapid.IntRange(0, 2).Draw(t, "above"), rapid.IntRange(0, 2).Draw(t, "below")
	m := make([]*matrix, lines+4)
	for h := range m {
		m[h] = s.in(width, c, 8)
		if h < above || h >= lines+4-below {
			for p := range width {
				clear(m[h].row(p))
			}
		}
		table = append(table, m[h].addr(0))
	}
	return func(h, p, j int) float64 {
		if p < 0 || p >= width {
			return 0
		}
		return m[h].at(p, j)
	}, table, m[0].bytes()
}

func TestDepthwise5(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		if set.Depthwise5 == nil {
			return
		}
		s := newScope(t)
		lines, width, c := rapid.IntRange(1, 5).Draw(t, "lines"), rapid.IntRange(3, 15).Draw(t, "width"), channels(t)
		x, table, step := slidingTable(t, s, lines, width, c)
		w, bias, out, lent := s.in(25, c, gap(t, "gw")), s.in(1, c, 0), s.out(lines*width, c, gap(t, "go")), s.out(1, LentBytes/4, 0)
		a := Depthwise5Args{Rows: unsafe.Pointer(&table[0]), Step: step, Lent: lent.ptr(), Out: out.ptr(), OutStep: out.bytes(), OutLine: width * out.bytes(),
			Width: width, Lines: lines, Bias: bias.ptr(), C: c, Lo: -1, Hi: 2}
		for k := range a.Weights {
			a.Weights[k] = w.addr(k)
		}
		s.run(func() { set.Depthwise5(&a) })
		for i := range lines * width {
			for j := range c {
				v := bias.at(0, j)
				size := math.Abs(v)
				for k := range 25 {
					term := x(i/width+k/5, i%width+k%5-2, j) * w.at(k, j)
					v, size = v+term, size+math.Abs(term)
				}
				near(t, "out", i, j, out.row(i)[j], min(max(v, -1), 2), 26, size)
			}
		}
	})
}

func TestDepthwise5Grad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		if set.Depthwise5Grad == nil {
			return
		}
		s := newScope(t)
		lines, width, c := rapid.IntRange(1, 4).Draw(t, "lines"), rapid.IntRange(3, 13).Draw(t, "width"), channels(t)
		x, table, step := slidingTable(t, s, lines, width, c)
		dy, sum := s.in(lines*width, c, gap(t, "gy")), s.out(25, c, gap(t, "gs"))
		before := sum.clone()
		dys := make([]uintptr, lines)
		for y := range dys {
			dys[y] = dy.addr(y * width)
		}
		a := Depthwise5GradArgs{Rows: unsafe.Pointer(&table[0]), Step: step, DY: unsafe.Pointer(&dys[0]), DYStep: dy.bytes(), Width: width, Lines: lines,
			Sum: sum.ptr(), SumStride: sum.bytes(), C: c}
		s.run(func() { set.Depthwise5Grad(&a) })
		for k := range 25 {
			for j := range c {
				v := before.at(k, j)
				size := math.Abs(v)
				for i := range lines * width {
					if p := i%width + k%5 - 2; p >= 0 && p < width {
						term := x(i/width+k/5, p, j) * dy.at(i, j)
						v, size = v+term, size+math.Abs(term)
					}
				}
				near(t, "sum", k, j, sum.row(k)[j], v, lines*width+1, size)
			}
		}
	})
}

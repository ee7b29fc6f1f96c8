package kernel

import (
	"math"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// orNil is nil for no matrix.
func (m *matrix) orNil() (unsafe.Pointer, int) {
	if m == nil {
		return nil, 0
	}
	return m.ptr(), m.bytes()
}

func drawShape(t *rapid.T) (rows, c int) {
	return rapid.IntRange(1, 20).Draw(t, "rows"), channels(t)
}

func TestMoments(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x := s.in(rows, c, gap(t, "gap"))
		mean, m2 := s.out(1, c, 0), s.out(1, c, 0)
		s.run(func() { set.Moments(x.ptr(), x.bytes(), rows, c, mean.ptr(), m2.ptr()) })
		for j := range c {
			var sum, size, sq float64
			for i := range rows {
				sum, size = sum+x.at(i, j), size+math.Abs(x.at(i, j))
			}
			mu := sum / float64(rows)
			for i := range rows {
				sq += (x.at(i, j) - mu) * (x.at(i, j) - mu)
			}
			near(t, "mean", 0, j, mean.row(0)[j], mu, rows, size/float64(rows))
			near(t, "m2", 0, j, m2.row(0)[j], sq, rows+4, size*size)
		}
	})
}

func TestSums(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x := s.in(rows, c, gap(t, "gap"))
		sum, avg := s.out(1, c, 0), s.out(1, c, 0)
		const scale = 0.3
		s.run(func() {
			set.SumRows(x.ptr(), x.bytes(), rows, c, sum.ptr())
			set.AvgRow(avg.ptr(), x.ptr(), x.bytes(), rows, c, scale)
		})
		for j := range c {
			var v, size float64
			for i := range rows {
				v, size = v+x.at(i, j), size+math.Abs(x.at(i, j))
			}
			near(t, "sum", 0, j, sum.row(0)[j], v, rows, size)
			near(t, "avg", 0, j, avg.row(0)[j], v*scale, rows+1, size)
		}
	})
}

// aliased runs a kernel once with an output of its own and once over an operand,
// which must give the same bits.
func aliased(t rapid.TB, out, operand *matrix, run func(out *matrix)) {
	t.Helper()
	old := operand.clone()
	run(operand)
	for i := range out.rows {
		for j, v := range operand.row(i) {
			if math.Float32bits(v) != math.Float32bits(out.row(i)[j]) {
				t.Fatalf("[%d][%d] is %g in place, %g elsewhere", i, j, v, out.row(i)[j])
			}
		}
	}
	operand.guarded(t, "operand")
	copy(operand.words, old.words)
}

func TestScaleShift(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x, y := s.in(rows, c, gap(t, "x gap")), s.out(rows, c, gap(t, "y gap"))
		scale, shift := s.in(1, c, 0), s.in(1, c, 0)
		var r *matrix
		if rapid.Bool().Draw(t, "residual") {
			r = s.in(rows, c, gap(t, "r gap"))
		}
		lo := rapid.SampledFrom([]float32{0, -inf}).Draw(t, "lo")
		x.row(0)[c-1] = float32(math.NaN())
		run := func(y *matrix) {
			rp, rs := r.orNil()
			set.ScaleShift(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rp, rs, rows, c, scale.ptr(), shift.ptr(), lo)
		}
		s.run(func() { run(y) })
		for i := range rows {
			for j := range c {
				v := x.at(i, j)*scale.at(0, j) + shift.at(0, j)
				size := math.Abs(x.at(i, j)*scale.at(0, j)) + math.Abs(shift.at(0, j))
				if r != nil {
					v, size = v+r.at(i, j), size+math.Abs(r.at(i, j))
				}
				near(t, "y", i, j, y.row(i)[j], max(v, float64(lo)), 3, size)
			}
		}
		aliased(t, y, x, run)
		if r != nil {
			aliased(t, y, r, run)
		}
	})
}

// mask is whether a gradient passes; no matrix lets all pass.
func passes(z *matrix, i, j int) bool { return z == nil || z.at(i, j) > 0 }

func drawMask(t *rapid.T, s *scope, rows, c int) *matrix {
	if !rapid.Bool().Draw(t, "mask") {
		return nil
	}
	z := s.in(rows, c, gap(t, "z gap"))
	for i := range rows {
		z.row(i)[0] = 0
		z.row(i)[c-1] = float32(math.NaN())
	}
	return z
}

func TestNormGradSums(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		dy, x, mean := s.in(rows, c, gap(t, "dy gap")), s.in(rows, c, gap(t, "x gap")), s.in(1, c, 0)
		z := drawMask(t, s, rows, c)
		s0, s1 := s.out(1, c, 0), s.out(1, c, 0)
		s.run(func() {
			zp, zs := z.orNil()
			set.NormGradSums(dy.ptr(), dy.bytes(), zp, zs, x.ptr(), x.bytes(), rows, c, mean.ptr(), s0.ptr(), s1.ptr())
		})
		for j := range c {
			var w0, w1, size0, size1 float64
			for i := range rows {
				if !passes(z, i, j) {
					continue
				}
				g := dy.at(i, j)
				d := g * (x.at(i, j) - mean.at(0, j))
				w0, size0 = w0+g, size0+math.Abs(g)
				w1, size1 = w1+d, size1+math.Abs(g)*(math.Abs(x.at(i, j))+math.Abs(mean.at(0, j)))
			}
			near(t, "sum", 0, j, s0.row(0)[j], w0, rows, size0)
			near(t, "sumX", 0, j, s1.row(0)[j], w1, rows+1, size1)
		}
	})
}

func TestNormGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		dy, x := s.in(rows, c, gap(t, "dy gap")), s.in(rows, c, gap(t, "x gap"))
		a, b, d, mean := s.in(1, c, 0), s.in(1, c, 0), s.in(1, c, 0), s.in(1, c, 0)
		z := drawMask(t, s, rows, c)
		dx := s.out(rows, c, gap(t, "dx gap"))
		var g *matrix
		if rapid.Bool().Draw(t, "residual") {
			g = s.out(rows, c, gap(t, "g gap"))
		}
		run := func(dx, g *matrix) {
			zp, zs := z.orNil()
			gp, gs := g.orNil()
			set.NormGrad(dx.ptr(), dx.bytes(), dy.ptr(), dy.bytes(), zp, zs, x.ptr(), x.bytes(), rows, c,
				a.ptr(), b.ptr(), d.ptr(), mean.ptr(), gp, gs)
		}
		s.run(func() { run(dx, g) })
		for i := range rows {
			for j := range c {
				grad := 0.0
				if passes(z, i, j) {
					grad = dy.at(i, j)
				}
				if g != nil && g.at(i, j) != grad {
					t.Fatalf("g[%d][%d] = %g, want %g", i, j, g.at(i, j), grad)
				}
				v := a.at(0, j)*grad + b.at(0, j)*(x.at(i, j)-mean.at(0, j)) + d.at(0, j)
				size := math.Abs(a.at(0, j)*grad) + math.Abs(d.at(0, j)) +
					math.Abs(b.at(0, j))*(math.Abs(x.at(i, j))+math.Abs(mean.at(0, j)))
				near(t, "dx", i, j, dx.row(i)[j], v, 4, size)
			}
		}
		aliased(t, dx, x, func(m *matrix) { run(m, g) })
		aliased(t, dx, dy, func(m *matrix) { run(m, g) })
		if g != nil {
			aliased(t, g, dy, func(m *matrix) { run(dx, m) })
		}
	})
}

func TestReluGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		dy, z, dx := s.in(rows, c, gap(t, "dy gap")), s.in(rows, c, gap(t, "z gap")), s.out(rows, c, gap(t, "dx gap"))
		z.row(0)[c/2] = 0
		run := func(dx *matrix) {
			set.ReluGrad(dx.ptr(), dx.bytes(), dy.ptr(), dy.bytes(), z.ptr(), z.bytes(), rows, c)
		}
		s.run(func() { run(dx) })
		for i := range rows {
			for j := range c {
				want := 0.0
				if passes(z, i, j) {
					want = dy.at(i, j)
				}
				near(t, "dx", i, j, dx.row(i)[j], want, 0, 0)
			}
		}
		aliased(t, dx, dy, run)
		aliased(t, dx, z, run)
	})
}

func TestDropout(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x, y := s.in(rows, c, gap(t, "x gap")), s.out(rows, c, gap(t, "y gap"))
		first, step := rapid.IntRange(0, 1<<33).Draw(t, "first"), c-rapid.IntRange(0, 7).Draw(t, "padding")
		key, limit := int(rapid.Uint64().Draw(t, "key")), rapid.IntRange(0, 1<<32-1).Draw(t, "limit")
		run := func(y *matrix) {
			set.Dropout(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rows, c, first, step, key, limit, 1.25)
		}
		s.run(func() { run(y) })
		for i := range rows {
			for j := range c {
				h := uint32(first+i*step+j) + uint32(key)
				h = (h ^ h>>16) * 0x21f0aaad
				h = (h ^ h>>15 ^ uint32(uint64(key)>>32)) * 0x735a2d97
				want := 0.0
				if h^h>>15 >= uint32(limit) {
					want = x.at(i, j) * 1.25
				}
				near(t, "y", i, j, y.row(i)[j], want, 1, math.Abs(want))
			}
		}
		aliased(t, y, x, run)
	})
}

func TestPlainRows(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		a, b, v := s.in(rows, c, gap(t, "a gap")), s.in(rows, c, gap(t, "b gap")), s.in(1, c, 0)
		a.row(0)[c/2] = float32(math.NaN())
		g := gap(t, "out gap")
		sum, clamped, copied, zeroed, filled := s.out(rows, c, g), s.out(rows, c, g), s.out(rows, c, g), s.out(rows, c, g), s.out(rows, c, g)
		const lo, hi, scale = -0.5, 0.75, 0.3
		add := func(y *matrix) { set.AddRows(y.ptr(), y.bytes(), a.ptr(), a.bytes(), b.ptr(), b.bytes(), rows, c) }
		clampTo := func(y *matrix) { set.ClampRows(y.ptr(), y.bytes(), a.ptr(), a.bytes(), rows, c, lo, hi) }
		s.run(func() {
			add(sum)
			clampTo(clamped)
			set.CopyRows(copied.ptr(), copied.bytes(), a.ptr(), a.bytes(), rows, c)
			set.ZeroRows(zeroed.ptr(), zeroed.bytes(), rows, c)
			set.FillRows(filled.ptr(), filled.bytes(), rows, c, v.ptr(), scale)
		})
		for i := range rows {
			for j := range c {
				fa, fb := a.at(i, j), b.at(i, j)
				near(t, "sum", i, j, sum.row(i)[j], fa+fb, 1, math.Abs(fa)+math.Abs(fb))
				near(t, "clamped", i, j, clamped.row(i)[j], min(max(fa, lo), hi), 0, 0)
				near(t, "copied", i, j, copied.row(i)[j], fa, 0, 0)
				near(t, "zeroed", i, j, zeroed.row(i)[j], 0, 0, 0)
				near(t, "filled", i, j, filled.row(i)[j], v.at(0, j)*float64(float32(scale)), 1, math.Abs(v.at(0, j)))
			}
		}
		aliased(t, sum, a, add)
		aliased(t, sum, b, add)
		aliased(t, clamped, a, clampTo)
	})
}

func TestTranspose(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, cols := 8*rapid.IntRange(1, 6).Draw(t, "rows/8"), 8*rapid.IntRange(1, 6).Draw(t, "cols/8")
		src, dst := s.in(rows, cols, gap(t, "src gap")), s.out(cols, rows, gap(t, "dst gap"))
		s.run(func() { set.Transpose(dst.ptr(), dst.bytes(), src.ptr(), src.bytes(), rows, cols) })
		for i := range rows {
			for j := range cols {
				near(t, "dst", j, i, dst.row(j)[i], src.at(i, j), 0, 0)
			}
		}
	})
}

func TestCopyAside(t *testing.T) {
	eachSet(t, func(t *testing.T, set *Set) {
		for _, n := range []int{16, 48, 64, 112, 1024} {
			x, room := make([]float32, n), make([]float32, n+32)
			for i := range x {
				x[i] = float32(i + 1)
			}
			at := 16 - int(uintptr(unsafe.Pointer(&room[0]))/4%16) // on a line
			set.CopyAside(unsafe.Pointer(&room[at]), unsafe.Pointer(&x[0]), n)
			for i, v := range room {
				want := float32(0)
				if i >= at && i < at+n {
					want = x[i-at]
				}
				if v != want {
					t.Fatalf("%d values: value %d is %g, not %g", n, i-at, v, want)
				}
			}
		}
	})
}

func TestStrassenSums(t *testing.T) {
	eachSet(t, func(t *testing.T, set *Set) {
		if set.StrassenSums == nil {
			t.Skip("this set goes without Strassen's algorithm")
		}
		rapid.Check(t, func(t *rapid.T) {
			s := newScope(t)
			_, c := drawShape(t)
			a, b, d, e := s.in(1, c, 0), s.in(1, c, 0), s.in(1, c, 0), s.in(1, c, 0)
			out := s.out(4, c, gap(t, "out gap"))
			s.run(func() { set.StrassenSums(out.ptr(), out.bytes(), a.ptr(), b.ptr(), d.ptr(), e.ptr(), c) })
			for j := range c {
				fa, fb, fd, fe := a.at(0, j), b.at(0, j), d.at(0, j), e.at(0, j)
				scale := math.Abs(fa) + math.Abs(fb) + math.Abs(fd) + math.Abs(fe)
				for i, want := range []float64{fd + fe, fd + fe - fa, fa - fd, fb - (fd + fe - fa)} {
					near(t, "sum", i, j, out.row(i)[j], want, 3, scale)
				}
			}
		})
	})
}

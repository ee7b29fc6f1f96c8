package kernel

import (
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// transformed is M d Mᵀ and, as its scale, the same of absolute values.
func transformed(m [][]float32, d func(i, j int) float64) (v, size [9][9]float64) {
	n := len(m[0])
	var half, halfSize [9][9]float64
	for i := range m {
		for k := range n {
			if f := float64(m[i][k]); f != 0 {
				for j := range n {
					half[i][j] += f * d(k, j)
					halfSize[i][j] += math.Abs(f * d(k, j))
				}
			}
		}
	}
	for i := range m {
		for j := range m {
			for k, f := range m[j] {
				v[i][j] += half[i][k] * float64(f)
				size[i][j] += math.Abs(halfSize[i][k] * float64(f))
			}
		}
	}
	return v, size
}

// A winoForm is the transforms of one form with their matrices; those that it lacks are nil.
type winoForm struct {
	name       string
	b, g, a    [][]float32
	input      tileTransform
	output     tileBack
	weight     func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, scratch unsafe.Pointer)
	gradOutput tileTransform
	gradWeight func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, scratch unsafe.Pointer)
}

func winoForms(s *Set) []winoForm {
	return []winoForm{
		{"stride 1", winoB, winoG, winoA, s.WinoInput, s.WinoOutput, s.WinoWeight, s.WinoGradOutput, s.WinoGradWeight},
		{"strided", stridedB, stridedG, stridedA, s.WinoStridedInput, s.WinoStridedOutput, s.WinoStridedWeight, s.WinoStridedGradOutput, s.WinoStridedGradWeight},
		{"spread", spreadB, nil, spreadA, s.WinoSpreadInput, s.WinoSpreadOutput, nil, nil, nil},
	}
}

func TestWinograd(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		c := channels(t)
		scratch := make([]float32, WinoScratch/4)
		tmp := unsafe.Pointer(&scratch[0])
		rows := func(m *matrix, n int) []uintptr {
			p := make([]uintptr, n)
			for i := range p {
				p[i] = m.addr(i)
			}
			return p
		}
		check := func(what string, m [][]float32, from, to *matrix, extra func(i, ch int) []float64) {
			n := len(m[0])
			for ch := range c {
				v, size := transformed(m, func(i, j int) float64 { return from.at(i*n+j, ch) })
				for i := range m {
					for j := range m {
						k := i*len(m) + j
						want, scale := v[i][j], size[i][j]
						if extra != nil {
							for _, x := range extra(k, ch) {
								want += x
								scale += math.Abs(x)
							}
						}
						if strings.HasSuffix(what, " output") {
							want = max(want, 0)
						}
						near(t, what, k, ch, to.row(k)[ch], want, 20, scale)
					}
				}
			}
		}

		residual, acc := rapid.Bool().Draw(t, "residual"), rapid.Bool().Draw(t, "accumulate")
		for _, f := range winoForms(set) {
			read, write, values := len(f.b[0])*len(f.b[0]), len(f.a)*len(f.a), len(f.b)*len(f.b)
			x, planes := s.in(read, c, gap(t, "gap")), s.out(values, c, gap(t, "gap of planes"))
			table := ahead(rows(x, read))
			s.run(func() { f.input(planes.ptr(), planes.bytes(), unsafe.Pointer(&table[0]), c, tmp) })
			check(f.name+" input", f.b, x, planes, nil)

			m, out, bias, add := s.in(values, c, 8), s.out(write, c, 0), s.in(1, c, 0), s.in(write, c, 16)
			table = ahead(rows(out, write))
			addTable := rows(add, write)
			var addPtr unsafe.Pointer
			if residual {
				addPtr = unsafe.Pointer(&addTable[0])
			}
			s.run(func() { f.output(unsafe.Pointer(&table[0]), m.ptr(), m.bytes(), c, bias.ptr(), addPtr, 0, tmp) })
			check(f.name+" output", f.a, m, out, func(k, ch int) []float64 {
				if residual {
					return []float64{bias.at(0, ch), add.at(k, ch)}
				}
				return []float64{bias.at(0, ch)}
			})
			runtime.KeepAlive(table)
			if f.weight == nil {
				continue
			}

			y, yPlanes := s.in(16, c, 0), s.out(values, c, 8)
			table = ahead(rows(y, 16))
			s.run(func() { f.gradOutput(yPlanes.ptr(), yPlanes.bytes(), unsafe.Pointer(&table[0]), c, tmp) })
			check(f.name+" output gradient", transposed(f.a), y, yPlanes, nil)
			runtime.KeepAlive(table)

			w, u := s.in(9, c, 0), s.out(36, c, 8)
			s.run(func() { f.weight(u.ptr(), u.bytes(), w.ptr(), w.bytes(), c, tmp) })
			check(f.name+" weight", f.g, w, u, nil)

			sums, dw := s.in(36, c, 8), s.out(9, c, 0)
			if acc {
				for i := range 9 {
					copy(dw.row(i), w.row(i))
				}
			}
			s.run(func() { f.gradWeight(dw.ptr(), dw.bytes(), sums.ptr(), sums.bytes(), c, acc, tmp) })
			check(f.name+" weight gradient", transposed(f.g), sums, dw, func(k, ch int) []float64 {
				if acc {
					return []float64{w.at(k, ch)}
				}
				return nil
			})
		}
	})
}

// TestWinogradForms multiplies through: what the matrices of each form say is a convolution,
// its gradients, of stride 1 or 2.
func TestWinogradForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		return v
	}
	lines := func(m [][]float32, x []float64) []float64 {
		y := make([]float64, len(m))
		for i := range m {
			for j, v := range m[i] {
				y[i] += float64(v) * x[j]
			}
		}
		return y
	}
	product := func(x, y []float64) []float64 {
		for i := range x {
			x[i] *= y[i]
		}
		return x
	}
	// strided has 1 + 5 values of a weight's line for 4 + 5 of a tile's.
	spread := func(u []float64) []float64 { return append([]float64{u[0], u[0], u[0]}, u...) }
	gather := func(v []float64) []float64 { return append([]float64{v[0] + v[1] + v[2] + v[3]}, v[4:]...) }
	same := func(u []float64) []float64 { return u }
	for _, f := range []struct {
		name           string
		b, g, a        [][]float32
		stride         int
		spread, gather func([]float64) []float64
	}{
		{"stride 1", winoB, winoG, winoA, 1, same, same},
		{"strided", stridedB, stridedG, stridedA, 2, spread, gather},
	} {
		x, w, dy := random(len(f.b[0])), random(3), random(4)
		y, dw := make([]float64, 4), make([]float64, 3)
		for i := range 4 {
			for k := range 3 {
				y[i] += w[k] * x[f.stride*i+k]
				dw[k] += dy[i] * x[f.stride*i+k]
			}
		}
		closeTo(t, f.name, lines(f.a, product(f.spread(lines(f.g, w)), lines(f.b, x))), y)
		closeTo(t, f.name+" weight gradient", lines(transposed(f.g), f.gather(product(lines(f.b, x), lines(transposed(f.a), dy)))), dw)
	}
	w, dy := random(3), random(5)
	dx := make([]float64, 8) // pixel 0 lies under the middle tap of the first
	for i := range dy {
		for k := range 3 {
			if at := 2*i + k - 1; at >= 0 && at < len(dx) {
				dx[at] += w[k] * dy[i]
			}
		}
	}
	turned := []float64{w[2], w[1], w[0]}
	closeTo(t, "input gradient", lines(spreadA, product(spread(lines(stridedG, turned)), lines(spreadB, dy))), dx)
}

func closeTo(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if math.Abs(got[i]-want[i]) > 1e-5 {
			t.Errorf("%s: value %d is %g, want %g", what, i, got[i], want[i])
		}
	}
}

// ahead appends a table of what is to be fetched meanwhile, which touches nothing:
// not even addresses that do not exist.
func ahead(table []uintptr) []uintptr { return append(table, make([]uintptr, len(table))...) }

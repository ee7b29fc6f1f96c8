package kernel

import (
	"math"
	"runtime"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// transformed is M d Mᵀ and, as its scale, the same of absolute values.
func transformed(m [][]float32, d func(i, j int) float64) (v, size [6][6]float64) {
	n := len(m[0])
	for i := range m {
		for j := range m {
			for k := range n {
				for l := range n {
					x := float64(m[i][k]) * d(k, l) * float64(m[j][l])
					v[i][j] += x
					size[i][j] += math.Abs(x)
				}
			}
		}
	}
	return v, size
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
		check := func(what string, m [][]float32, from, to *matrix, extra func(i, ch int) float64) {
			n := len(m[0])
			for ch := range c {
				v, size := transformed(m, func(i, j int) float64 { return from.at(i*n+j, ch) })
				for i := range m {
					for j := range m {
						k := i*len(m) + j
						x := 0.0
						if extra != nil {
							x = extra(k, ch)
						}
						want := v[i][j] + x
						if what == "output" {
							want = max(want, 0)
						}
						near(t, what, k, ch, to.row(k)[ch], want, 20, size[i][j]+math.Abs(x))
					}
				}
			}
		}

		x, planes := s.in(36, c, gap(t, "gap")), s.out(36, c, gap(t, "gap of planes"))
		table := ahead(rows(x, 36))
		s.run(func() { set.WinoInput(planes.ptr(), planes.bytes(), unsafe.Pointer(&table[0]), c, tmp) })
		check("input", winoB, x, planes, nil)

		y, yPlanes := s.in(16, c, 0), s.out(36, c, 8)
		table = ahead(rows(y, 16))
		s.run(func() { set.WinoGradOutput(yPlanes.ptr(), yPlanes.bytes(), unsafe.Pointer(&table[0]), c, tmp) })
		check("output gradient", winoAT, y, yPlanes, nil)

		w, u := s.in(9, c, 0), s.out(36, c, 8)
		s.run(func() { set.WinoWeight(u.ptr(), u.bytes(), w.ptr(), w.bytes(), c, tmp) })
		check("weight", winoG, w, u, nil)

		m, out, bias, add := s.in(36, c, 8), s.out(16, c, 0), s.in(1, c, 0), s.in(16, c, 16)
		table = ahead(rows(out, 16))
		addTable := rows(add, 16)
		residual := rapid.Bool().Draw(t, "residual")
		var addPtr unsafe.Pointer
		if residual {
			addPtr = unsafe.Pointer(&addTable[0])
		}
		s.run(func() {
			set.WinoOutput(unsafe.Pointer(&table[0]), m.ptr(), m.bytes(), c, bias.ptr(), addPtr, 0, tmp)
		})
		check("output", winoA, m, out, func(k, ch int) float64 {
			if residual {
				return bias.at(0, ch) + add.at(k, ch)
			}
			return bias.at(0, ch)
		})

		dw := s.out(9, c, 0)
		acc := rapid.Bool().Draw(t, "accumulate")
		if acc {
			for i := range 9 {
				copy(dw.row(i), w.row(i))
			}
		}
		s.run(func() { set.WinoGradWeight(dw.ptr(), dw.bytes(), m.ptr(), m.bytes(), c, acc, tmp) })
		check("weight gradient", winoGT, m, dw, func(k, ch int) float64 {
			if acc {
				return w.at(k, ch)
			}
			return 0
		})
		runtime.KeepAlive(table)
	})
}

// ahead appends a table of what is to be fetched meanwhile, which touches nothing:
// not even addresses that do not exist.
func ahead(table []uintptr) []uintptr { return append(table, make([]uintptr, len(table))...) }

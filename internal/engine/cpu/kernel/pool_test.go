package kernel

import (
	"math"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// bytesGuarded is n bytes between guards.
func bytesGuarded(n int) (all, inner []uint8) {
	all = make([]uint8, n+2*margin)
	for i := range all {
		all[i] = 0xa5
	}
	return all, all[margin : margin+n]
}

func checkBytes(t rapid.TB, all []uint8) {
	t.Helper()
	for i := range margin {
		if all[i] != 0xa5 || all[len(all)-1-i] != 0xa5 {
			t.Fatal("bytes beside the numbers were overwritten")
		}
	}
}

func TestMaxPool(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		pixels, n, c := rapid.IntRange(1, 5).Draw(t, "pixels"), rapid.IntRange(1, 12).Draw(t, "n"), channels(t)
		rows := n + pixels
		x, out, plain := s.in(rows, c, gap(t, "gap")), s.out(pixels, c, 0), s.out(pixels, c, 0)
		for i := range rows {
			for j := range c {
				switch s.rng.IntN(12) {
				case 0:
					x.row(i)[j] = float32(math.NaN())
				case 1, 2, 3, 4, 5, 6: // ties
					x.row(i)[j] = float32(s.rng.IntN(3)) / 2
				}
			}
		}
		all, args := bytesGuarded(pixels * c)
		var table []int32
		inputs := make([][]int, pixels)
		for p := range pixels {
			table = append(table, int32(out.addr(p)-out.addr(0)), int32(p*c))
			for range n {
				i := s.rng.IntN(rows)
				inputs[p] = append(inputs[p], i)
				table = append(table, int32(x.addr(i)-x.addr(0)))
			}
		}
		table = append(table, make([]int32, 8*(2+n))...)
		s.run(func() {
			set.MaxPool(out.ptr(), unsafe.Pointer(&args[0]), x.ptr(), unsafe.Pointer(&table[0]), pixels, n, c)
			set.MaxPool(plain.ptr(), nil, x.ptr(), unsafe.Pointer(&table[0]), pixels, n, c)
		})
		checkBytes(t, all)
		for p := range pixels {
			for j := range c {
				want, arg := x.at(inputs[p][0], j), 0
				for k, i := range inputs[p] {
					if v := x.at(i, j); v > want || v != v {
						want, arg = v, k
					}
				}
				near(t, "out", p, j, out.row(p)[j], want, 0, 0)
				near(t, "plain", p, j, plain.row(p)[j], want, 0, 0)
				if got := int(args[p*c+j]); got != arg {
					t.Fatalf("args[%d][%d] = %d, want %d", p, j, got, arg)
				}
			}
		}
	})
}

func TestMaxPoolGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		pixels, n, c := rapid.IntRange(1, 5).Draw(t, "pixels"), rapid.IntRange(0, 9).Draw(t, "n"), channels(t)
		const windows = 6
		dy, dx := s.in(windows, c, gap(t, "gap")), s.out(pixels, c, gap(t, "dxgap"))
		args := make([]uint8, windows*c)
		for i := range args {
			args[i] = uint8(s.rng.IntN(3))
		}
		var table []int32
		for p := range pixels {
			table = append(table, int32(dx.addr(p)-dx.addr(0)))
			for range n {
				o := s.rng.IntN(windows)
				table = append(table, int32(dy.addr(o)-dy.addr(0)), int32(o*c), int32(s.rng.IntN(3)))
			}
		}
		s.run(func() {
			set.MaxPoolGrad(dx.ptr(), dy.ptr(), unsafe.Pointer(&args[0]), unsafe.Pointer(&table[0]), pixels, n, c)
		})
		for p := range pixels {
			for j := range c {
				var want, size float64
				for k := range n {
					e := table[p*(1+3*n)+1+3*k:]
					o := int(e[1]) / c
					if int32(args[o*c+j]) == e[2] {
						want, size = want+dy.at(o, j), size+math.Abs(dy.at(o, j))
					}
				}
				near(t, "dx", p, j, dx.row(p)[j], want, n, size)
			}
		}
	})
}

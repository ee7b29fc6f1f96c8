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

func TestMaxPoolRow(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		n, c := rapid.IntRange(1, 12).Draw(t, "n"), channels(t)
		x, out, plain := s.in(n, c, gap(t, "gap")), s.out(1, c, 0), s.out(1, c, 0)
		for i := range n {
			for j := range c {
				switch s.rng.IntN(12) {
				case 0:
					x.row(i)[j] = float32(math.NaN())
				case 1, 2, 3, 4, 5, 6: // ties
					x.row(i)[j] = float32(s.rng.IntN(3)) / 2
				}
			}
		}
		all, args := bytesGuarded(c)
		var table []uintptr
		for i := range n {
			table = append(table, x.addr(i))
		}
		s.run(func() {
			set.MaxPoolRow(out.ptr(), unsafe.Pointer(&args[0]), unsafe.Pointer(&table[0]), n, c)
			set.MaxPoolRow(plain.ptr(), nil, unsafe.Pointer(&table[0]), n, c)
		})
		checkBytes(t, all)
		for j := range c {
			want, arg := x.at(0, j), 0
			for i := range n {
				if v := x.at(i, j); v > want || v != v {
					want, arg = v, i
				}
			}
			near(t, "out", 0, j, out.row(0)[j], want, 0, 0)
			near(t, "plain", 0, j, plain.row(0)[j], want, 0, 0)
			if int(args[j]) != arg {
				t.Fatalf("args[%d] = %d, want %d", j, args[j], arg)
			}
		}
	})
}

func TestMaxPoolGradRow(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		n, c := rapid.IntRange(0, 9).Draw(t, "n"), channels(t)
		dy, dx := s.in(max(n, 1), c, gap(t, "gap")), s.out(1, c, 0)
		args := make([][]uint8, n)
		entries := make([]PoolEntry, n, n+1)
		for e := range n {
			args[e] = make([]uint8, c)
			for j := range args[e] {
				args[e][j] = uint8(s.rng.IntN(3))
			}
			entries[e] = PoolEntry{DY: dy.addr(e), Arg: uintptr(unsafe.Pointer(&args[e][0])), Place: uintptr(s.rng.IntN(3))}
		}
		s.run(func() { set.MaxPoolGradRow(dx.ptr(), unsafe.Pointer(unsafe.SliceData(entries)), n, c) })
		for j := range c {
			var want, size float64
			for e := range n {
				if uintptr(args[e][j]) == entries[e].Place {
					want, size = want+dy.at(e, j), size+math.Abs(dy.at(e, j))
				}
			}
			near(t, "dx", 0, j, dx.row(0)[j], want, n, size)
		}
	})
}

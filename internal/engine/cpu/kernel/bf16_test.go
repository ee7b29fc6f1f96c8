package kernel

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// eachBF16 runs a property for every set that has a BF16, and the specification.
func eachBF16(t *testing.T, f func(t *rapid.T, s *Set)) {
	spec := *generic
	spec.BF16 = genericBF16
	for _, s := range append(Available(), &spec) {
		if s.BF16 != nil {
			t.Run(s.Name, func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { f(t, s) }) })
		}
	}
}

// pairs makes the values of m pairs, and returns it.
func (s *scope) pairs(m *matrix) *matrix {
	for i := range m.rows {
		for j := range m.row(i) {
			a, b := round(float32(s.rng.NormFloat64())), round(float32(s.rng.NormFloat64()))
			m.row(i)[j] = math.Float32frombits(uint32(a) | uint32(b)<<16)
		}
	}
	return m
}

// half is value k of a row of pairs.
func (m *matrix) half(i, k int) float64 {
	low, high := halves(math.Float32bits(m.row(i)[k/2]))
	if k%2 == 0 {
		return float64(low)
	}
	return float64(high)
}

func TestTileBF16(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		p := drawProduct(t, s, set)
		s.pairs(p.a)
		s.pairs(p.b)
		before := p.out.clone()
		paired := *set
		paired.Tile = set.BF16.Tile
		var first *matrix
		for variant := range set.Rows {
			copy(p.out.words, before.words)
			s.run(func() { p.run(&paired, variant) })
			if first == nil {
				first = p.out.clone()
			} else if !same(first, p.out) {
				t.Fatalf("%d rows give other bits than %d", set.Rows[variant], set.MR)
			}
		}
		for i := range p.rows {
			for j := range p.width {
				var v, scale float64
				term := func(x float64) { v, scale = v+x, scale+math.Abs(x) }
				if p.bias != nil {
					term(p.bias.at(0, j))
				}
				for tap := range p.taps {
					for k := range 2 * p.k {
						word := math.Float32bits(p.b.row(p.order[tap]*p.k + k/2)[j])
						w := [2]float32{}
						w[0], w[1] = halves(word)
						term(p.a.half(tap*p.rows+i, k) * float64(w[k%2]))
					}
				}
				if p.accumulate {
					term(before.at(i, j))
				}
				if p.residual != nil {
					term(p.residual.at(i, j))
				}
				near(t, "out", i, j, p.out.row(i)[j], min(max(v, float64(p.lo)), float64(p.hi)), 2*p.taps*p.k+1, scale)
			}
		}
	})
}

func TestTileGradBF16(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		width := 8 * rapid.IntRange(1, set.NR/8).Draw(t, "width/8")
		n := rapid.IntRange(1, 40).Draw(t, "pairs")
		variant := rapid.IntRange(0, len(set.GradRows)-1).Draw(t, "variant")
		acc := rapid.IntRange(0, 1).Draw(t, "accumulate")
		rows := set.GradRows[variant]
		const skip = 3
		x := s.pairs(s.in(n, skip+rows, gap(t, "x gap")))
		y := s.pairs(s.in(n, width, gap(t, "y gap")))
		c := s.out(rows, width, gap(t, "c gap"))
		before := c.clone()
		var table []uintptr
		for p := range n {
			table = append(table, x.addr(p))
		}
		a := &GradArgs{
			X: unsafe.Pointer(&table[0]), XOff: skip * 4, Y: y.ptr(), YStride: y.bytes(),
			C: c.ptr(), CStride: c.bytes(), P: n, Acc: acc, Width: width,
		}
		s.run(func() { set.BF16.TileGrad[variant](a) })
		for r := range rows {
			for j := range width {
				v, scale := float64(acc)*before.at(r, j), math.Abs(before.at(r, j))
				for p := range 2 * n {
					term := x.half(p/2, 2*(skip+r)+p%2) * y.half(p/2, 2*j+p%2)
					v, scale = v+term, scale+math.Abs(term)
				}
				near(t, "c", r, j, c.row(r)[j], v, 2*n+1, scale)
			}
		}
	})
}

// odd are values that rounding has to think about.
var odd = []uint32{0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc12345, 0x00000001, 0x807fffff, 0x00800000,
	0x3f808000, 0x3f818000, 0x3f808001, 0x3f807fff, 0x7f7fffff, 0xff7f8000, 0, 0x80000000}

func (s *scope) oddities(m *matrix) *matrix {
	for i := range m.rows {
		for j := range m.row(i) {
			if s.rng.IntN(3) == 0 {
				m.row(i)[j] = math.Float32frombits(odd[s.rng.IntN(len(odd))])
			}
		}
	}
	return m
}

func TestRound(t *testing.T) {
	for from, want := range map[uint32]uint16{
		0x3f808000: 0x3f80, 0x3f818000: 0x3f82, 0x3f808001: 0x3f81, 0x3f807fff: 0x3f80, // ties to even
		0x7f7fffff: 0x7f80, 0x7f800000: 0x7f80, 0x7f800001: 0x7fc0, 0x807fffff: 0x8000, 1: 0,
	} {
		if got := round(math.Float32frombits(from)); got != want {
			t.Errorf("%#x rounds to %#x, want %#x", from, got, want)
		}
	}
}

func TestRoundRows(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x := s.oddities(s.in(rows, c, gap(t, "x gap")))
		y := s.out(rows, c/2, gap(t, "y gap"))
		s.run(func() { set.BF16.RoundRows(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rows, c) })
		for i := range rows {
			for j, v := range x.row(i) {
				word := math.Float32bits(y.row(i)[j/2])
				if got := uint16(word >> (j % 2 * 16)); got != round(v) {
					t.Fatalf("[%d][%d]: %#x rounds to %#x, want %#x", i, j, math.Float32bits(v), got, round(v))
				}
			}
		}
	})
}

func TestWidenRows(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x := s.pairs(s.in(rows, c/2, gap(t, "x gap")))
		y := s.out(rows, c, gap(t, "y gap"))
		s.run(func() { set.BF16.WidenRows(y.ptr(), y.bytes(), x.ptr(), x.bytes(), rows, c) })
		for i := range rows {
			for j, v := range y.row(i) {
				if want := x.half(i, j); float64(v) != want {
					t.Fatalf("[%d][%d] is %g, want %g", i, j, v, want)
				}
			}
		}
	})
}

func TestPairRows(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		x := s.pairs(s.in(2*rows, 4+c/2, gap(t, "x gap")))
		y := s.out(rows, c, gap(t, "y gap"))
		table := operand{x.ptr(), x.bytes()}.table(2 * rows)
		s.run(func() { set.BF16.PairRows(y.ptr(), y.bytes(), unsafe.Pointer(&table[0]), 16, rows, c) })
		for i := range rows {
			for j, v := range y.row(i) {
				low, high := halves(math.Float32bits(v))
				if a, b := x.half(2*i, 8+j), x.half(2*i+1, 8+j); float64(low) != a || float64(high) != b {
					t.Fatalf("[%d][%d] is %g and %g, want %g and %g", i, j, low, high, a, b)
				}
			}
		}
	})
}

func TestPairFloats(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		rows, c := drawShape(t)
		const skip = 5
		x := s.oddities(s.in(2*rows, skip+c, gap(t, "x gap")))
		y := s.out(rows, c, gap(t, "y gap"))
		table := make([]uintptr, 2*rows)
		order := s.rng.Perm(2 * rows)
		for i, r := range order {
			table[i] = x.addr(r)
		}
		s.run(func() { set.BF16.PairFloats(y.ptr(), y.bytes(), unsafe.Pointer(&table[0]), skip*4, rows, c) })
		for i := range rows {
			for j, v := range y.row(i) {
				a, b := x.row(order[2*i])[skip+j], x.row(order[2*i+1])[skip+j]
				if got, want := math.Float32bits(v), uint32(round(a))|uint32(round(b))<<16; got != want {
					t.Fatalf("[%d][%d]: %g and %g are %#x, want %#x", i, j, a, b, got, want)
				}
			}
		}
	})
}

// TestWinoPairs holds the transforms of two tiles to the Set's of each, rounded, bit for bit.
func TestWinoPairs(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		type transform = func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
		for _, k := range []struct {
			name        string
			one, paired transform
			pixels      int
			planes      int
		}{
			{"input", set.WinoInput, set.BF16.WinoInputPairs, 36, 36},
			{"output gradient", set.WinoGradOutput, set.BF16.WinoGradOutputPairs, 16, 36},
			{"strided input", set.WinoStridedInput, set.BF16.WinoStridedInputPairs, 81, 81},
			{"strided output gradient", set.WinoStridedGradOutput, set.BF16.WinoStridedGradOutputPairs, 16, 81},
		} {
			s := newScope(t)
			c := channels(t)
			x, widened := s.pairs(s.in(2*k.pixels, c/2, 0)), newMatrix(s.rng, 2*k.pixels, c, 0)
			widenRows(widened.ptr(), widened.bytes(), x.ptr(), x.bytes(), 2*k.pixels, c)
			table := ahead(operand{widened.ptr(), widened.bytes()}.table(2 * k.pixels))
			low, high := newMatrix(s.rng, k.planes, c, 0), newMatrix(s.rng, k.planes, c, 0)
			scratch := make([]float32, WinoScratch/4)
			k.one(low.ptr(), low.bytes(), unsafe.Pointer(&table[0]), c, unsafe.Pointer(&scratch[0]))
			k.one(high.ptr(), high.bytes(), unsafe.Pointer(&table[k.pixels]), c, unsafe.Pointer(&scratch[0]))
			table = ahead(operand{x.ptr(), x.bytes()}.table(2 * k.pixels))
			got := s.out(k.planes, c, 4)
			s.run(func() { k.paired(got.ptr(), got.bytes(), unsafe.Pointer(&table[0]), c, unsafe.Pointer(&scratch[0])) })
			for i := range k.planes {
				for j, v := range got.row(i) {
					want := uint32(round(low.row(i)[j])) | uint32(round(high.row(i)[j]))<<16
					if math.Float32bits(v) != want {
						t.Fatalf("%s: plane %d, channel %d: %#x, want %#x", k.name, i, j, math.Float32bits(v), want)
					}
				}
			}
		}
	})
}

// BenchmarkTileBF16 is BenchmarkTile of K/2 pairs; the share is of bfloat16's peak.
func BenchmarkTileBF16(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range Available() {
		if s.BF16 == nil {
			continue
		}
		paired := *s
		paired.Peak, paired.PeakFlops = s.BF16.Peak, s.BF16.PeakFlops
		for _, k := range []int{64, 256, 576, 2304} {
			b.Run(s.Name+"/K="+strconv.Itoa(k), func(b *testing.B) {
				const tiles = 20
				words := k / 2
				x, w, y := newMatrix(rng, tiles*s.MR, words, 0), newMatrix(rng, words, s.NR, 0), newMatrix(rng, tiles*s.MR, s.NR, 0)
				clear(x.words)
				clear(w.words)
				var table, out []uintptr
				for t := range tiles {
					for r := range s.MR {
						table, out = append(table, x.addr(t*s.MR+r)), append(out, y.addr(t*s.MR+r))
					}
					table = append(table, 0)
				}
				a := &TileArgs{Taps: 1, K: words, B: aligned(w), Lo: 0, Hi: inf, Width: s.NR}
				shareOfPeak(b, &paired, 2*float64(tiles*s.MR*k*s.NR), func() {
					for t := range tiles {
						a.Rows, a.Out = unsafe.Pointer(&table[t*(s.MR+1)]), unsafe.Pointer(&out[t*s.MR])
						s.BF16.Tile[0](a)
					}
				})
			})
		}
	}
}

// BenchmarkTileGradBF16 sums over a block of 256 pixels.
func BenchmarkTileGradBF16(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range Available() {
		if s.BF16 == nil {
			continue
		}
		paired := *s
		paired.Peak, paired.PeakFlops = s.BF16.Peak, s.BF16.PeakFlops
		for v, rows := range s.GradRows {
			b.Run(s.Name+"/rows="+strconv.Itoa(rows), func(b *testing.B) {
				const c, n = 48, 128
				x, y, out := newMatrix(rng, n, c, 0), newMatrix(rng, n, s.NR, 0), newMatrix(rng, c, s.NR, 0)
				clear(x.words)
				clear(y.words)
				var table []uintptr
				for p := range n {
					table = append(table, x.addr(p))
				}
				a := &GradArgs{X: unsafe.Pointer(&table[0]), Y: aligned(y), Next: aligned(y), YStride: y.bytes(), CStride: out.bytes(), P: n, Acc: 1, Width: s.NR}
				shareOfPeak(b, &paired, 4*float64(n*c*s.NR), func() {
					for r := 0; r < c; r += rows {
						a.XOff, a.C = r*4, unsafe.Add(out.ptr(), r*out.bytes())
						s.BF16.TileGrad[v](a)
					}
				})
			})
		}
	}
}

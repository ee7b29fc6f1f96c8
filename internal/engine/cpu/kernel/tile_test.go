package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

var inf = float32(math.Inf(1))

// A product is a multiplication for Tile: rows of A at scattered addresses, the
// panel's taps out of order.
type product struct {
	rows, taps, k, nr, width int
	a                        *matrix // rows*taps rows, tap after tap
	b                        *matrix // taps*k rows of nr
	order                    []int   // where a tap's weights lie in b
	bias, out, residual      *matrix
	carry                    [2]*matrix
	sums                     bool // of carry, no product
	lo, hi                   float32
	accumulate, ahead        bool
}

func drawProduct(t *rapid.T, s *scope, set *Set) *product {
	p := &product{
		rows:  rapid.IntRange(1, 30).Draw(t, "rows"),
		taps:  rapid.IntRange(1, 4).Draw(t, "taps"),
		k:     rapid.IntRange(1, 40).Draw(t, "k"),
		nr:    set.NR,
		width: 8 * rapid.IntRange(1, set.NR/8).Draw(t, "width/8"),
	}
	p.a = s.in(p.rows*p.taps, p.k, gap(t, "a gap"))
	p.b = s.in(p.taps*p.k, p.nr, 0)
	p.order = s.rng.Perm(p.taps)
	if rapid.Bool().Draw(t, "bias") {
		p.bias = s.in(1, p.nr, 0)
	}
	for i := range p.carry {
		if (set.Strassen || set == generic) && rapid.Bool().Draw(t, "carry") {
			p.carry[i] = s.in(p.rows, p.nr, 0)
			p.sums = rapid.Bool().Draw(t, "sums only")
		}
	}
	p.out = s.out(p.rows, p.width, 40)
	switch rapid.IntRange(0, 2).Draw(t, "add") {
	case 1:
		p.accumulate = true
	case 2:
		p.residual = p.out.clone()
		for i := range p.rows {
			for j := range p.residual.row(i) {
				p.residual.row(i)[j] = s.rng.Float32()
			}
		}
		s.inputs = append(s.inputs, p.residual)
	}
	limits := [][2]float32{{-inf, inf}, {0, inf}, {0, 6}, {-inf, 0.5}}
	l := rapid.SampledFrom(limits).Draw(t, "limits")
	p.lo, p.hi = l[0], l[1]
	p.ahead = rapid.Bool().Draw(t, "ahead")
	return p
}

// run computes the product with the kernel for a row count, and what that leaves
// with the next smaller ones.
func (p *product) run(set *Set, variant int) {
	// The addresses in the table lie before the output, yet in the same matrix.
	const offset = 24
	a := &TileArgs{Taps: p.taps, K: p.k, B: p.b.ptr(), OutOff: offset, Lo: p.lo, Hi: p.hi, Width: p.width}
	if p.bias != nil {
		a.Bias = p.bias.ptr()
	}
	if p.sums {
		a.K = 0
	}
	if p.ahead {
		a.Ahead = p.a.ptr()
	}
	if p.accumulate {
		a.AddFlag = 1
	}
	if p.residual != nil {
		a.AddFlag = 1
		a.AddDelta = int(uintptr(p.residual.ptr()) - uintptr(p.out.ptr()))
	}
	for m := 0; m < p.rows; {
		for set.Rows[variant] > p.rows-m {
			variant++
		}
		mr := set.Rows[variant]
		var table, out []uintptr
		for t := range p.taps {
			for r := range mr {
				table = append(table, p.a.addr(t*p.rows+m+r))
			}
			table = append(table, uintptr(p.order[t]*p.k*p.nr*4))
		}
		for r := range mr {
			out = append(out, p.out.addr(m+r)-offset)
		}
		for i, c := range p.carry {
			if c != nil {
				a.Carry[i] = unsafe.Pointer(&c.row(m)[0])
			}
		}
		a.Rows, a.Out = unsafe.Pointer(&table[0]), unsafe.Pointer(&out[0])
		set.Tile[variant](a)
		m += mr
	}
}

// want is value [i][j] and the sum of its terms' sizes. before is the output's
// old contents.
func (p *product) want(before *matrix, i, j int) (v, scale float64) {
	term := func(x float64) { v, scale = v+x, scale+math.Abs(x) }
	if p.bias != nil {
		term(p.bias.at(0, j))
	}
	for _, c := range p.carry {
		if c != nil {
			term(c.at(i, j))
		}
	}
	for t := range p.taps {
		for k := range p.k {
			if p.sums {
				break
			}
			term(p.a.at(t*p.rows+i, k) * p.b.at(p.order[t]*p.k+k, j))
		}
	}
	if p.accumulate {
		term(before.at(i, j))
	}
	if p.residual != nil {
		term(p.residual.at(i, j))
	}
	return min(max(v, float64(p.lo)), float64(p.hi)), scale
}

func TestTile(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		p := drawProduct(t, s, set)
		before := p.out.clone()
		var first *matrix
		for variant := range set.Rows {
			copy(p.out.words, before.words)
			s.run(func() { p.run(set, variant) })
			if first == nil {
				first = p.out.clone()
			} else if !same(first, p.out) {
				t.Fatalf("%d rows give other bits than %d", set.Rows[variant], set.MR)
			}
		}
		for i := range p.rows {
			for j := range p.width {
				v, scale := p.want(before, i, j)
				near(t, "out", i, j, p.out.row(i)[j], v, p.taps*p.k+1, scale)
			}
		}
	})
}

func TestTileKeepsNaN(t *testing.T) {
	eachSet(t, func(t *testing.T, set *Set) {
		rng := rand.New(rand.NewPCG(1, 2))
		for variant, mr := range set.Rows {
			p := &product{rows: mr, taps: 1, k: 5, nr: set.NR, width: set.NR, order: []int{0}, lo: 0, hi: 6}
			p.a, p.b = newMatrix(rng, mr, 5, 0), newMatrix(rng, 5, set.NR, 0)
			p.out = newMatrix(rng, mr, set.NR, 0)
			p.a.row(0)[3] = float32(math.NaN())
			p.b.row(2)[set.NR-1] = float32(math.NaN())
			p.run(set, variant)
			for i := range mr {
				for j, v := range p.out.row(i) {
					if want := i == 0 || j == set.NR-1; want != (v != v) {
						t.Fatalf("%d rows: out[%d][%d] = %v", mr, i, j, v)
					}
				}
			}
		}
	})
}

func TestTileGrad(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		width := 8 * rapid.IntRange(1, set.NR/8).Draw(t, "width/8")
		pixels := rapid.IntRange(1, 40).Draw(t, "pixels")
		variant := rapid.IntRange(0, len(set.GradRows)-1).Draw(t, "variant")
		acc := rapid.IntRange(0, 1).Draw(t, "accumulate")
		rows := set.GradRows[variant]
		const skip = 3
		x := s.in(pixels, skip+rows, gap(t, "x gap"))
		// Nothing but guards lies behind y's columns: reading them would show as NaN.
		y := s.in(pixels, width, gap(t, "y gap"))
		c := s.out(rows, width, gap(t, "c gap"))
		before := c.clone()
		var table []uintptr
		for p := range pixels {
			table = append(table, x.addr(p))
		}
		a := &GradArgs{
			X: unsafe.Pointer(&table[0]), XOff: skip * 4, Y: y.ptr(), YStride: y.bytes(),
			C: c.ptr(), CStride: c.bytes(), P: pixels, Acc: acc, Width: width,
		}
		s.run(func() { set.TileGrad[variant](a) })
		for r := range rows {
			for j := range width {
				v, scale := float64(acc)*before.at(r, j), math.Abs(before.at(r, j))
				for p := range pixels {
					term := x.at(p, skip+r) * y.at(p, j)
					v, scale = v+term, scale+math.Abs(term)
				}
				near(t, "c", r, j, c.row(r)[j], v, pixels+1, scale)
			}
		}
	})
}

// TestTileGradRows checks that a row's bits do not depend on its neighbours.
func TestTileGradRows(t *testing.T) {
	eachSet(t, func(t *testing.T, set *Set) {
		rng := rand.New(rand.NewPCG(3, 4))
		const pixels = 37
		x, y := newMatrix(rng, pixels, set.GradRows[0], 0), newMatrix(rng, pixels, set.NR, 0)
		var table []uintptr
		for p := range pixels {
			table = append(table, x.addr(p))
		}
		var first *matrix
		for v, rows := range set.GradRows {
			c := newMatrix(rng, rows, set.NR, 0)
			set.TileGrad[v](&GradArgs{
				X: unsafe.Pointer(&table[0]), Y: y.ptr(), YStride: y.bytes(),
				C: c.ptr(), CStride: c.bytes(), P: pixels, Width: set.NR,
			})
			if first == nil {
				first = c
				continue
			}
			for i := range rows {
				for j, got := range c.row(i) {
					if got != first.row(i)[j] {
						t.Fatalf("%d rows: c[%d][%d] differs from that of %d rows", rows, i, j, set.GradRows[0])
					}
				}
			}
		}
	})
}

func TestPeak(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) { s.Peak(3) })
}

package kernel

import (
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// eachSet runs a test for every set the processor can run, generic last.
func eachSet(t *testing.T, f func(t *testing.T, s *Set)) {
	for _, s := range Available() {
		t.Run(s.Name, func(t *testing.T) { f(t, s) })
	}
}

// eachSetRapid is eachSet for a property.
func eachSetRapid(t *testing.T, f func(t *rapid.T, s *Set)) {
	eachSet(t, func(t *testing.T, s *Set) {
		rapid.Check(t, func(t *rapid.T) { f(t, s) })
	})
}

// TestRequired fails where a set is missing that the machine was chosen for.
func TestRequired(t *testing.T) {
	for name := range strings.SplitSeq(os.Getenv("GRAFT_REQUIRE_ISA"), ",") {
		if s, err := choose(name); err != nil {
			t.Error(err)
		} else if want := aliases[name]; name != "" && s.Name != name && s.Name != want {
			t.Errorf("%s: got %s", name, s.Name)
		}
	}
}

func TestChoose(t *testing.T) {
	able := Available()
	if s, err := choose(""); err != nil || s != able[0] {
		t.Errorf("best is %v, %v, not %s", s, err, able[0].Name)
	}
	for _, want := range able {
		if s, err := choose(want.Name); err != nil || s != want {
			t.Errorf("%s: got %v, %v", want.Name, s, err)
		}
	}
	if s, err := choose("sse9"); err == nil || !strings.Contains(err.Error(), "generic") {
		t.Errorf("sse9: got %v, %v", s, err)
	}
}

// TestSets checks what callers rely on to cut rows and panels.
func TestSets(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		if s.Rows[0] != s.MR || s.Rows[len(s.Rows)-1] != 1 || len(s.Tile) != len(s.Rows) {
			t.Errorf("rows %v, MR %d, %d kernels", s.Rows, s.MR, len(s.Tile))
		}
		if len(s.TileGrad) != len(s.GradRows) || s.NR%8 != 0 {
			t.Errorf("gradient rows %v, %d kernels, NR %d", s.GradRows, len(s.TileGrad), s.NR)
		}
		for _, rows := range [][]int{s.Rows, s.GradRows} {
			for i := 1; i < len(rows); i++ {
				if rows[i] >= rows[i-1] {
					t.Errorf("rows %v do not descend", rows)
				}
			}
		}
	})
}

// TestFirst checks that any number of rows is cut into tiles, none of which has a single row where
// others could share it, dearest first.
func TestFirst(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for n := 1; n < 20*s.MR; n++ {
			cost, last := 0, s.MR
			for left := n; left > 0; left -= last {
				rows := s.Rows[s.First(left)]
				if rows > left || rows > last {
					t.Fatalf("%d rows: a tile of %d rows after one of %d, where %d are left", n, rows, last, left)
				}
				cost, last = cost+tileCost(rows), rows
			}
			greedy := 0
			for left, i := n, 0; left > 0; left -= s.Rows[i] {
				for s.Rows[i] > left {
					i++
				}
				greedy += tileCost(s.Rows[i])
			}
			if cost > greedy {
				t.Errorf("%d rows: tiles that cost %d, the largest first %d", n, cost, greedy)
			}
		}
	})
}

// guardWord fills what a kernel must not touch. It is a NaN, so that reading it
// shows too.
const guardWord = 0x7fabcdef

var guardValue = math.Float32frombits(guardWord)

// A matrix is rows of channels with guard words before, between and after.
type matrix struct {
	words           []float32
	from            int
	rows, c, stride int // stride in floats
}

const margin = 40

// newMatrix is rows x c random values, at any alignment of a float32, gap guard
// words between rows.
func newMatrix(rng *rand.Rand, rows, c, gap int) *matrix {
	m := &matrix{from: margin + rng.IntN(16), rows: rows, c: c, stride: c + gap}
	m.words = make([]float32, 2*margin+16+rows*m.stride)
	for i := range m.words {
		m.words[i] = guardValue
	}
	for i := range rows {
		r := m.row(i)
		for j := range r {
			r[j] = float32(rng.NormFloat64())
		}
	}
	return m
}

func (m *matrix) row(i int) []float32 {
	at := m.from + i*m.stride
	return m.words[at : at+m.c]
}
func (m *matrix) at(i, j int) float64 { return float64(m.row(i)[j]) }
func (m *matrix) bytes() int          { return m.stride * 4 }
func (m *matrix) ptr() unsafe.Pointer { return unsafe.Pointer(&m.words[m.from]) }
func (m *matrix) addr(i int) uintptr  { return uintptr(unsafe.Pointer(&m.row(i)[0])) }

func (m *matrix) clone() *matrix {
	n := *m
	n.words = append([]float32(nil), m.words...)
	return &n
}

// same reports whether two matrices have the same bits, guards included.
func same(a, b *matrix) bool {
	for i, v := range a.words {
		if math.Float32bits(v) != math.Float32bits(b.words[i]) {
			return false
		}
	}
	return true
}

// guarded checks that the words around the values are intact.
func (m *matrix) guarded(t rapid.TB, what string) {
	t.Helper()
	for i, v := range m.words {
		k := i - m.from
		inside := k >= 0 && k < m.rows*m.stride && k%m.stride < m.c
		if !inside && math.Float32bits(v) != guardWord {
			t.Fatalf("%s: word %d beside the values was overwritten", what, k)
		}
	}
}

// scope tracks the matrices of one call: inputs must stay, outputs stay inside.
type scope struct {
	t       rapid.TB
	rng     *rand.Rand
	inputs  []*matrix
	copies  []*matrix
	outputs []*matrix
}

func newScope(t *rapid.T) *scope {
	return &scope{t: t, rng: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
}

func (s *scope) in(rows, c, gap int) *matrix {
	m := newMatrix(s.rng, rows, c, gap)
	s.inputs = append(s.inputs, m)
	return m
}

func (s *scope) out(rows, c, gap int) *matrix {
	m := newMatrix(s.rng, rows, c, gap)
	s.outputs = append(s.outputs, m)
	return m
}

// run calls the kernel and checks all words that it must leave.
func (s *scope) run(f func()) {
	s.t.Helper()
	s.copies = s.copies[:0]
	for _, m := range s.inputs {
		s.copies = append(s.copies, m.clone())
	}
	f()
	for i, m := range s.inputs {
		if !same(m, s.copies[i]) {
			s.t.Fatalf("input %d was changed", i)
		}
	}
	for _, m := range s.outputs {
		m.guarded(s.t, "output")
	}
}

const eps = 1.0 / (1 << 23)

// near compares with a result in double precision: k roundings, each of a value
// no larger than scale.
func near(t rapid.TB, what string, i, j int, got float32, want float64, k int, scale float64) {
	t.Helper()
	if math.IsNaN(want) && got != got {
		return
	}
	if d := math.Abs(float64(got) - want); !(d <= eps*float64(k+1)*scale) {
		t.Fatalf("%s[%d][%d] = %g, want %g, off by %g", what, i, j, got, want, d)
	}
}

// channels draws a channel count, all block widths and their tails.
func channels(t *rapid.T) int { return 8 * rapid.IntRange(1, 24).Draw(t, "c/8") }

func gap(t *rapid.T, name string) int { return rapid.SampledFrom([]int{0, 0, 8, 13}).Draw(t, name) }

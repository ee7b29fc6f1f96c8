package features

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func bitsOf(v []float32) (b []uint32) {
	for _, x := range v {
		b = append(b, math.Float32bits(x))
	}
	return b
}

// TestRows: every row comes back with the bits that went in, from memory and from the file, and takes
// room for its values that are not 0 alone, two bytes each where bfloat16 holds them.
func TestRows(t *testing.T) {
	sparse, dense := make([]float32, 100), make([]float32, 100)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range dense {
		dense[i] = float32(r.NormFloat64())
	}
	copy(sparse[60:], []float32{1, -2.5, math.Float32frombits(0x7f610000), float32(math.Inf(1)), float32(math.Copysign(0, -1)), math.Float32frombits(0x00010000)}) // the last is subnormal
	sparse[99] = 0.5
	almost := slices.Clone(sparse)
	almost[3] = 1e-40
	rows := [][]float32{sparse, dense, make([]float32, 100), almost}
	lengths := []uint32{16 + 2*7, 16 + 4*100, 16, 16 + 4*8}
	for limit, inside := range map[int]int{1 << 20: 4, 870: 3, 0: 0} {
		s, err := New(Options{Samples: len(rows), Variants: 1, Size: 100, Limit: limit, Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		for i, row := range rows {
			s.put(i, row)
			if s.rows[i].bytes != lengths[i] {
				t.Errorf("row %d takes %d bytes, want %d", i, s.rows[i].bytes, lengths[i])
			}
			if i%2 == 1 {
				if err := s.flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		total := uint32(0)
		for _, n := range lengths[inside:] {
			total += n
		}
		if s.filed != int64(total) {
			t.Errorf("limit %d: the file has %d bytes, want %d", limit, s.filed, total)
		}
		got := make([]float32, 100)
		for i, row := range rows {
			if err := s.get(i, got); err != nil || !slices.Equal(bitsOf(got), bitsOf(row)) {
				t.Errorf("limit %d, row %d: %x, want %x (%v)", limit, i, bitsOf(got), bitsOf(row), err)
			}
		}
	}
}

package features

import (
	"math"
	"slices"
	"testing"
)

// TestRowsInFile: a row that bfloat16 holds takes half its room in the file, and every row comes back
// with the bits that went in.
func TestRowsInFile(t *testing.T) {
	rows := [][]float32{{1, -2.5, 0, 3e38}, {1, float32(math.Pi), 0, 2}, {float32(math.Inf(1)), float32(math.Copysign(0, -1)), 1e-40, 0.5}, {0, 0, 0, -1}}
	rows[0][3], rows[2][2] = math.Float32frombits(0x7f610000), math.Float32frombits(0x00010000) // a subnormal
	s, err := New(Options{Samples: len(rows), Variants: 1, Size: 4, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, row := range rows {
		if err := s.put(i, row); err != nil {
			t.Fatal(err)
		}
	}
	info, err := s.file.Stat()
	if want := int64(3*16 + 8); err != nil || info.Size() != want {
		t.Errorf("the file has %d bytes, want %d (%v)", info.Size(), want, err)
	}
	bits := func(v []float32) (b []uint32) {
		for _, x := range v {
			b = append(b, math.Float32bits(x))
		}
		return b
	}
	got := make([]float32, 4)
	for i, row := range rows {
		if err := s.get(i, got); err != nil || !slices.Equal(bits(got), bits(row)) {
			t.Errorf("row %d: %x, want %x (%v)", i, bits(got), bits(row), err)
		}
	}
}

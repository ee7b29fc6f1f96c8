package journal

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

type row struct{ N int }

func TestGoesOnBehindAnInterruption(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	rows, err := Read[row](path)
	if err != nil || len(rows) > 0 {
		t.Fatal(rows, err)
	}
	square := func(n int) (row, error) {
		if n == 2 {
			return row{}, errors.New("no 2")
		}
		return row{n * n}, nil
	}
	if err := Add(path, &rows, []int{1, 2, 3}, 2, square); err == nil || err.Error() != "no 2" {
		t.Errorf("failed by %v", err)
	}
	if err := Add(path, &rows, []int{4}, 1, square); err != nil {
		t.Error(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"N":2`)
	f.Close()
	kept, err := Read[row](path)
	if err != nil || !slices.Equal(kept, rows) || len(rows) != 3 || rows[2].N != 16 {
		t.Errorf("%v of %v, %v", kept, rows, err)
	}
}

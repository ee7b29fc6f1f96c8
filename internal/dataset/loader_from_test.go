package dataset

import (
	"slices"
	"testing"
)

// TestEpochFrom: a later beginning yields the batches that were left, to the last value.
func TestEpochFrom(t *testing.T) {
	l := NewLoader(clothing(t, 23), LoaderOptions{Batch: 5, Preprocess: small, Augment: true, Shuffle: true, Seed: 3})
	batches := func(from int) (list [][]float32) {
		for b, err := range l.EpochFrom(t.Context(), 2, from) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, slices.Clone(b.X[:b.N*3*32*32]))
		}
		return list
	}
	all := batches(0)
	for from := range 7 {
		rest := batches(from)
		if want := all[min(from, len(all)):]; !slices.EqualFunc(rest, want, slices.Equal) {
			t.Errorf("from %d there are %d batches, or other ones, want %d", from, len(rest), len(want))
		}
	}
}

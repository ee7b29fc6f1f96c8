package dataset

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestBalancedOrder: every class comes equally often but for one, and none of its samples
// more often than another but for one.
func TestBalancedOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		classes := rapid.SliceOfN(rapid.IntRange(0, 3), 1, 60).Draw(t, "classes")
		order := BalancedOrder(len(classes), func(i int) int { return classes[i] }, rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))))
		if len(order) != len(classes) {
			t.Fatalf("%d of %d samples", len(order), len(classes))
		}
		byClass, bySample := map[int]int{}, make([]int, len(classes))
		for _, i := range order {
			byClass[classes[i]]++
			bySample[i]++
		}
		counts := []int{}
		for c := range 4 {
			if slices.Contains(classes, c) {
				counts = append(counts, byClass[c])
			}
			low, high := len(order), 0
			for i := range classes {
				if classes[i] == c {
					low, high = min(low, bySample[i]), max(high, bySample[i])
				}
			}
			if high-low > 1 && high > 0 {
				t.Fatalf("class %d has samples %d and %d times", c, low, high)
			}
		}
		if slices.Max(counts)-slices.Min(counts) > 1 {
			t.Fatalf("classes come %v times", counts)
		}
	})
}

func TestHoldValidation(t *testing.T) {
	open := func() *Dataset {
		d, err := Open(t.Context(), "clothing", Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := open()
	before := d.Fingerprint
	if err := d.HoldValidation(0.1, 3); err != nil {
		t.Fatal(err)
	}
	if len(d.Train) != 270 || len(d.Valid) != 30 || len(d.Test) != 90 || d.Fingerprint == before || !slices.Equal(d.Counts(Valid), []int{10, 10, 10}) {
		t.Errorf("%d, %d, %d, by class %v", len(d.Train), len(d.Valid), len(d.Test), d.Counts(Valid))
	}
	if part, _ := d.ChosenOn(); part != Valid {
		t.Errorf("the best epoch is chosen on %s", part)
	}
	same, other := open(), open()
	if err := same.HoldValidation(0.1, 3); err != nil || same.Fingerprint != d.Fingerprint {
		t.Errorf("the same seed holds others: %v", err)
	}
	if err := other.HoldValidation(0.1, 4); err != nil || other.Fingerprint == d.Fingerprint {
		t.Errorf("another seed holds the same: %v", err)
	}
	if other.HoldValidation(0.5, 4) != nil || len(other.Valid) != 30 {
		t.Error("validation pictures that were there changed")
	}
	if open().HoldValidation(1, 0) == nil {
		t.Error("all of the pictures were held")
	}
}

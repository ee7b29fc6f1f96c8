package dataset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// fold makes the part number (from 1) of a cross-validation in so many parts the test pictures,
// and the others the training pictures: all of a folder without a split, of one with a split its
// training and validation pictures, whose own test pictures are left alone. Which part a picture is in
// depends on seed and paths only; every part has each class as often as any other, but for
// one picture where copies and groups, which stay together, allow it.
func (d *Dataset) fold(number, folds int, seed uint64) error {
	if folds < 2 || number < 1 || number > folds {
		return fmt.Errorf("part %d of %d folds: there must be at least 2", number, folds)
	}
	samples := slices.Concat(d.Train, d.Valid)
	if n := len(d.Test); n > 0 {
		d.Findings = append(d.Findings, Finding{Kind: "test-aside", Text: fmt.Sprintf("%d test pictures are left alone: the folds are made of the other %d", n, len(samples))})
	}
	slices.SortFunc(samples, func(a, b Sample) int { return strings.Compare(a.Path, b.Path) })
	parts, err := d.deal(samples, folds, seed)
	if err != nil {
		return err
	}
	d.Train, d.Valid, d.Test, d.Held = nil, nil, nil, true
	for i, s := range samples {
		if parts[i] == number-1 {
			d.Test = append(d.Test, s)
		} else {
			d.Train = append(d.Train, s)
		}
	}
	d.sort()
	return nil
}

// deal says which part each sample is in: lots, the largest first and as drawn, each to the part
// that has the fewest pictures of its classes so far.
func (d *Dataset) deal(samples []Sample, folds int, seed uint64) ([]int, error) {
	type lot struct {
		ticket uint64
		at     []int
	}
	var lots []*lot
	bySet := map[int]*lot{}
	several := make([]int, len(d.Classes)) // lots of a class
	for i, set := range d.Together(samples) {
		l := bySet[set]
		if l == nil {
			l = &lot{ticket: ticket(seed, samples[i].rel())}
			bySet[set] = l
			lots = append(lots, l)
		}
		l.at = append(l.at, i)
	}
	for _, l := range lots {
		seen := map[int]bool{}
		for _, i := range l.at {
			if c := samples[i].Class; !seen[c] {
				seen[c] = true
				several[c]++
			}
		}
	}
	for c, n := range several {
		if n < folds {
			return nil, fmt.Errorf("the class %q has %d different pictures or groups, fewer than %d folds", d.Classes[c], n, folds)
		}
	}
	slices.SortStableFunc(lots, func(a, b *lot) int { return cmp.Or(cmp.Compare(len(b.at), len(a.at)), cmp.Compare(a.ticket, b.ticket)) })
	counts, total := make([][]int, folds), make([]int, folds)
	for f := range counts {
		counts[f] = make([]int, len(d.Classes))
	}
	parts := make([]int, len(samples))
	for _, l := range lots {
		have := func(f int) (n int) {
			for _, i := range l.at {
				n += counts[f][samples[i].Class]
			}
			return n
		}
		best := 0
		for f := 1; f < folds; f++ {
			if a, b := have(f), have(best); a < b || a == b && total[f] < total[best] {
				best = f
			}
		}
		for _, i := range l.at {
			parts[i] = best
			counts[best][samples[i].Class]++
			total[best]++
		}
	}
	return parts, nil
}

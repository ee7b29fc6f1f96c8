package dataset

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
)

// holdOut moves a share of each class from training to test: which pictures
// depends on the seed and their paths only, not on the order they were listed
// in nor on other pictures of other classes. At least one picture of each class
// is moved and one stays.
func (d *Dataset) holdOut(share float64, seed uint64) error {
	if share <= 0 || share >= 1 {
		return fmt.Errorf("a split of %g is not between 0 and 1", share)
	}
	byClass := make([][]Sample, len(d.Classes))
	for _, s := range d.Train {
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	d.Train, d.Test, d.Held = nil, nil, true
	for c, samples := range byClass {
		if len(samples) < 2 {
			return fmt.Errorf("class %q has only one picture: none can be held out to judge by", d.Classes[c])
		}
		slices.SortFunc(samples, func(a, b Sample) int {
			if x, y := ticket(seed, a.rel()), ticket(seed, b.rel()); x != y {
				if x < y {
					return -1
				}
				return 1
			}
			return compare(a.rel(), b.rel())
		})
		held := min(max(int(math.Round(share*float64(len(samples)))), 1), len(samples)-1)
		d.Test = append(d.Test, samples[:held]...)
		d.Train = append(d.Train, samples[held:]...)
	}
	d.sort()
	return nil
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// ticket is a picture's number in the draw.
func ticket(seed uint64, rel string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d\x00%s", seed, rel)
	x := h.Sum64() // FNV's upper bits change little with the last letters
	x = (x ^ x>>33) * 0xff51afd7ed558ccd
	return x ^ x>>33
}

// sort puts samples in order of class and path.
func (d *Dataset) sort() {
	for _, part := range [][]Sample{d.Train, d.Valid, d.Test} {
		slices.SortFunc(part, func(a, b Sample) int {
			if a.Class != b.Class {
				return a.Class - b.Class
			}
			return compare(a.Path, b.Path)
		})
	}
}

// splitFile is which pictures are in which part, by path within the dataset.
type splitFile struct {
	Version int                `json:"version"`
	Parts   map[Split][]string `json:"parts"`
}

// SplitFile is the dataset's split as JSON, to be applied to the same pictures later.
func (d *Dataset) SplitFile() []byte {
	f := splitFile{Version: 1, Parts: map[Split][]string{}}
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			f.Parts[part] = append(f.Parts[part], s.rel())
		}
	}
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		panic(err) // strings in maps always marshal
	}
	return append(b, '\n')
}

// ApplySplit puts the pictures into the parts that a saved split names. Pictures
// that it does not name are left out, and so reported; ones that it names and
// that are gone are an error.
func (d *Dataset) ApplySplit(saved []byte) error {
	var f splitFile
	if err := json.Unmarshal(saved, &f); err != nil {
		return fmt.Errorf("the saved split is damaged: %w", err)
	}
	if f.Version != 1 {
		return fmt.Errorf("the saved split has version %d; this program reads version 1: use a newer graft", f.Version)
	}
	byRel := map[string]Sample{}
	for _, s := range d.all() {
		byRel[s.rel()] = s
	}
	parts := map[Split][]Sample{}
	var gone []string
	for part, rels := range f.Parts {
		if part != Train && part != Valid && part != Test {
			return fmt.Errorf("the saved split names a part %q", part)
		}
		for _, rel := range rels {
			s, ok := byRel[rel]
			if !ok {
				gone = append(gone, rel)
				continue
			}
			parts[part] = append(parts[part], s)
			delete(byRel, rel)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		return fmt.Errorf("%d pictures of the saved split are not there any more or stand twice in it, %s first: use --all to evaluate on everything", len(gone), gone[0])
	}
	d.Train, d.Valid, d.Test = parts[Train], parts[Valid], parts[Test]
	d.sort()
	var fresh []string
	for rel := range byRel {
		fresh = append(fresh, rel)
	}
	d.note("not-in-split", fresh, "%d pictures are not in the saved split and are left out")
	return nil
}

package dataset

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"strings"
)

// holdOut moves a share of each class from training to test: which pictures
// depends on the seed and their paths only, not on the order they were listed
// in nor on other classes. Copies of a picture stay together. A class of which
// nothing can be held out without losing all is left whole, and named.
func (d *Dataset) holdOut(share float64, seed uint64) error {
	if !(share > 0 && share < 1) {
		return fmt.Errorf("a split of %g is not between 0 and 1", share)
	}
	byClass := make([][]Sample, len(d.Classes))
	for _, s := range d.Train {
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	if d.Held = true; len(d.groups) > 0 {
		d.Train, d.Test = d.drawGroups(share, seed)
	} else {
		d.Train, d.Test = nil, nil
		for _, samples := range byClass {
			stay, held := d.draw(samples, share, seed)
			d.Train, d.Test = append(d.Train, stay...), append(d.Test, held...)
		}
	}
	for c, n := range d.Counts(Test) {
		if n == 0 {
			d.Findings = append(d.Findings, Finding{Kind: "class-missing", Text: fmt.Sprintf("the class %q has too few different pictures to hold any out: it is trained, but not tested", d.Classes[c])})
		}
	}
	if len(d.Test) == 0 {
		return errors.New("no picture can be held out to judge by: every class has only one")
	}
	d.sort()
	return nil
}

// draw divides one class.
func (d *Dataset) draw(samples []Sample, share float64, seed uint64) (stay, held []Sample) {
	slices.SortFunc(samples, func(a, b Sample) int { return strings.Compare(a.Path, b.Path) })
	type lot struct {
		ticket  uint64
		samples []Sample // copies of each other
	}
	var lots []lot
	at := map[string]int{} // by what they show
	for _, s := range samples {
		h := d.Shows(&s)
		if i, ok := at[h]; ok && h != "" {
			lots[i].samples = append(lots[i].samples, s)
			continue
		}
		at[h] = len(lots)
		lots = append(lots, lot{ticket(seed, s.rel()), []Sample{s}})
	}
	slices.SortStableFunc(lots, func(a, b lot) int { return cmp.Compare(a.ticket, b.ticket) })
	want := wanted(share, len(samples))
	for i, l := range lots {
		last := i == len(lots)-1
		// The last lot may not fit and yet be needed: something is held out if it can be.
		if len(held)+len(l.samples) <= want || last && len(held) == 0 && len(stay) > 0 {
			held = append(held, l.samples...)
		} else {
			stay = append(stay, l.samples...)
		}
	}
	return stay, held
}

// wanted is how many of n pictures a share is: at least one, and not all.
func wanted(share float64, n int) int {
	return min(max(int(math.Round(share*float64(n))), 1), n-1)
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
			return strings.Compare(a.Path, b.Path)
		})
	}
}

// splitFile is which pictures are in which part, by path within the dataset.
type splitFile struct {
	Version int                `json:"version"`
	Held    bool               `json:"held"` // test was split off by Graft
	Parts   map[Split][]string `json:"parts"`
}

// SplitFile is the dataset's split as JSON, to be applied to the same pictures later.
func (d *Dataset) SplitFile() []byte {
	f := splitFile{Version: 1, Held: d.Held, Parts: map[Split][]string{}}
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			f.Parts[part] = append(f.Parts[part], s.rel())
		}
	}
	b, _ := json.MarshalIndent(f, "", " ") // strings in maps always marshal
	return append(b, '\n')
}

// ApplySplit puts the pictures into the parts that a saved split names. Pictures
// that it does not name are left out, and so reported; ones that it names and
// that are gone are an error, on which nothing is changed.
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
	d.Train, d.Valid, d.Test, d.Held = parts[Train], parts[Valid], parts[Test], f.Held
	d.sort()
	var fresh []string
	for rel := range byRel {
		fresh = append(fresh, rel)
	}
	d.note("not-in-split", fresh, "not in the saved split: left out")
	d.Fingerprint = d.fingerprint()
	return nil
}

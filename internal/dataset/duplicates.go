package dataset

import (
	"fmt"
	"maps"
	"slices"
)

// duplicates finds files with the same bytes: between training and what it is
// judged by (leaks), within a part, and under two labels. With drop, training
// pictures that leak are removed.
func (d *Dataset) duplicates(v *verdicts, drop bool) {
	type copyOf struct {
		part Split
		s    Sample
	}
	groups := map[string][]copyOf{}
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			h := v.of(&s).Hash
			groups[h] = append(groups[h], copyOf{part, s})
		}
	}
	var leaks, within, conflict [][]string
	leaked := map[string]bool{}
	for _, h := range slices.Sorted(maps.Keys(groups)) {
		g := groups[h]
		if len(g) < 2 {
			continue
		}
		var paths []string
		parts, classes, judged := map[Split]int{}, map[int]bool{}, false
		for _, c := range g {
			paths = append(paths, c.s.Path)
			parts[c.part]++
			classes[c.s.Class] = true
			judged = judged || c.part != Train
		}
		if parts[Train] > 0 && judged {
			leaks = append(leaks, paths)
			for _, c := range g {
				leaked[c.s.Path] = leaked[c.s.Path] || c.part == Train
			}
		}
		for _, n := range parts {
			if n > 1 {
				within = append(within, paths)
				break
			}
		}
		if len(classes) > 1 {
			conflict = append(conflict, paths)
		}
	}
	does := "they stay (--leaks drop removes them from training)"
	if drop {
		does = "their training copies are left out"
		d.Train = slices.DeleteFunc(slices.Clone(d.Train), func(s Sample) bool { return leaked[s.Path] })
	}
	d.pairs("leak", leaks, fmt.Sprintf("%d pictures stand, byte for byte, both in training and in what it is judged by; %s", len(leaks), does))
	d.pairs("duplicate", within, fmt.Sprintf("%d pictures stand more than once in the same part", len(within)))
	d.pairs("label-conflict", conflict, fmt.Sprintf("%d pictures stand under two labels", len(conflict)))
}

// pairs adds a finding about groups of equal files.
func (d *Dataset) pairs(kind string, groups [][]string, text string) {
	if len(groups) > 0 {
		d.Findings = append(d.Findings, Finding{Kind: kind, Text: text, Paths: slices.Concat(groups...)})
	}
}

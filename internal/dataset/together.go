package dataset

import (
	"cmp"
	"slices"
	"strings"
)

// Together numbers the samples so that those which must stay on one side of a
// split have the same number: copies of a picture, and members of a group.
func (d *Dataset) Together(samples []Sample) []int {
	parent := make([]int, len(samples))
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[string]int{}
	for i := range samples {
		parent[i] = i
		s := &samples[i]
		var keys []string
		if k := d.Shows(s); k != "" {
			keys = append(keys, "shows "+k)
		}
		if g := d.groups[s.rel()]; g != "" {
			keys = append(keys, "group "+g)
		}
		for _, k := range keys {
			if j, ok := first[k]; ok {
				a, b := root(i), root(j)
				parent[max(a, b)] = min(a, b)
			} else {
				first[k] = i
			}
		}
	}
	set := make([]int, len(samples))
	for i := range set {
		set[i] = root(i)
	}
	return set
}

// drawGroups divides all classes at once, since a group may have pictures of several:
// lots in the order of their tickets are held out as long as no class loses more than
// its share, then for classes that gave nothing the smallest lot that leaves some.
func (d *Dataset) drawGroups(share float64, seed uint64) (stay, held []Sample) {
	samples := slices.Clone(d.Train)
	slices.SortFunc(samples, func(a, b Sample) int { return strings.Compare(a.Path, b.Path) })
	type lot struct {
		ticket  uint64
		samples []Sample
		counts  map[int]int
		held    bool
	}
	bySet := map[int]*lot{}
	var lots []*lot
	total, gave := make([]int, len(d.Classes)), make([]int, len(d.Classes))
	for i, set := range d.Together(samples) {
		l := bySet[set]
		if l == nil {
			l = &lot{ticket: ticket(seed, samples[i].rel()), counts: map[int]int{}}
			bySet[set] = l
			lots = append(lots, l)
		}
		l.samples = append(l.samples, samples[i])
		l.counts[samples[i].Class]++
		total[samples[i].Class]++
	}
	slices.SortStableFunc(lots, func(a, b *lot) int { return cmp.Compare(a.ticket, b.ticket) })
	hold := func(l *lot, most func(class int) int) {
		for c, n := range l.counts {
			if gave[c]+n > most(c) {
				return
			}
		}
		l.held = true
		for c, n := range l.counts {
			gave[c] += n
		}
	}
	for _, l := range lots {
		hold(l, func(c int) int { return wanted(share, total[c]) })
	}
	bySize := slices.Clone(lots)
	slices.SortStableFunc(bySize, func(a, b *lot) int { return cmp.Compare(len(a.samples), len(b.samples)) })
	for _, l := range bySize {
		for c := range l.counts {
			if gave[c] == 0 && !l.held {
				hold(l, func(c int) int { return total[c] - 1 })
			}
		}
	}
	for _, l := range lots {
		if l.held {
			held = append(held, l.samples...)
		} else {
			stay = append(stay, l.samples...)
		}
	}
	return stay, held
}

// limit keeps at most n training pictures of each class, drawn by seed and path.
func (d *Dataset) limit(n int, seed uint64) {
	var kept []Sample
	byClass := make([][]Sample, len(d.Classes))
	for _, s := range d.Train {
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	for _, samples := range byClass {
		slices.SortFunc(samples, func(a, b Sample) int {
			return cmp.Or(cmp.Compare(ticket(seed, a.rel()), ticket(seed, b.rel())), strings.Compare(a.Path, b.Path))
		})
		kept = append(kept, samples[:min(n, len(samples))]...)
	}
	d.Train = kept
	d.sort()
}

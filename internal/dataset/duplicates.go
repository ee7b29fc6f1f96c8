package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"graft/internal/likeness"
)

// Copies are pictures that stand more than once.
type Copies struct {
	Exact  bool // the same bytes; else the same picture, scaled or compressed again
	Places []Place
}

// A Place is a picture and the part it stands in.
type Place struct {
	Sample
	Part Split
	hash string
}

// findAlike finds the sets of opened pictures that show the same.
func (d *Dataset) findAlike(ctx context.Context, threads int) error {
	samples := d.all()
	prints := make([]*likeness.Print, len(samples))
	for i := range samples {
		if l := d.Look(&samples[i]); l != nil {
			prints[i] = l.Print
		}
	}
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	groups, err := likeness.Groups(ctx, prints, threads)
	d.alike = map[string]int{}
	for n, g := range groups {
		for _, i := range g {
			d.alike[samples[i].rel()] = n
		}
	}
	return err
}

// Shows is the same for pictures that are copies of each other, "" where that is
// not known.
func (d *Dataset) Shows(s *Sample) string {
	if n, ok := d.alike[s.rel()]; ok {
		return strconv.Itoa(n)
	}
	return d.hashes[s.rel()]
}

// findCopies collects pictures under the same key, in order of path.
func (d *Dataset) findCopies(key func(*Sample) string) []Copies {
	groups := map[string][]Place{}
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			if k := key(&s); k != "" {
				groups[k] = append(groups[k], Place{s, part, d.hashes[s.rel()]})
			}
		}
	}
	var all []Copies
	for _, g := range groups {
		if len(g) > 1 {
			slices.SortFunc(g, func(a, b Place) int { return strings.Compare(a.Path, b.Path) })
			all = append(all, Copies{Places: g})
		}
	}
	slices.SortFunc(all, func(a, b Copies) int { return strings.Compare(a.Places[0].Path, b.Places[0].Path) })
	return all
}

// pair reports whether two of the places are copies in the sense of c, which for
// other than exact ones leaves out the same bytes, and are as asked.
func (c *Copies) pair(asked func(a, b *Place) bool) bool {
	type kind struct {
		part  Split
		class int
		hash  string
	}
	seen, twice := map[kind]bool{}, map[kind]bool{}
	var distinct []*Place
	for i := range c.Places {
		p := &c.Places[i]
		k := kind{p.Part, p.Class, p.hash}
		if seen[k] {
			twice[k] = true
			continue
		}
		seen[k] = true
		distinct = append(distinct, p)
	}
	for _, a := range distinct {
		for _, b := range distinct {
			same := a == b && !(c.Exact && twice[kind{a.Part, a.Class, a.hash}])
			if !same && (c.Exact || a.hash != b.hash) && asked(a, b) {
				return true
			}
		}
	}
	return false
}

// Leak reports whether a picture of training is what it is judged by, too.
func (c *Copies) Leak() bool {
	return c.pair(func(a, b *Place) bool { return a.Part == Train && b.Part != Train })
}

// Judged reports whether a picture of validation is in test.
func (c *Copies) Judged() bool {
	return c.pair(func(a, b *Place) bool { return a.Part == Valid && b.Part == Test })
}

// Within reports whether a part has a picture twice.
func (c *Copies) Within() bool {
	return c.pair(func(a, b *Place) bool { return a.Part == b.Part })
}

// Conflict reports whether a picture stands under two labels.
func (c *Copies) Conflict() bool {
	return c.pair(func(a, b *Place) bool { return a.Class != b.Class })
}

// duplicates finds pictures that stand more than once: in training and in what it
// is judged by (leaks), within a part, and under two labels. With drop, training
// pictures that leak are removed.
func (d *Dataset) duplicates(drop bool) {
	if len(d.hashes) == 0 {
		return
	}
	exact := d.findCopies(func(s *Sample) string { return d.hashes[s.rel()] })
	for i := range exact {
		exact[i].Exact = true
	}
	near := slices.DeleteFunc(d.findCopies(d.Shows), func(c Copies) bool {
		return !c.pair(func(a, b *Place) bool { return true })
	})
	d.Copies = slices.Concat(exact, near)
	leaked := map[string]bool{}
	for i := range d.Copies {
		if c := &d.Copies[i]; c.Leak() {
			for _, p := range c.Places {
				leaked[p.Path] = leaked[p.Path] || p.Part == Train
			}
		}
	}
	does := "they stay (--leaks drop removes them from training)"
	if drop {
		does = "their training copies are left out"
		d.Train = slices.DeleteFunc(slices.Clone(d.Train), func(s Sample) bool { return leaked[s.Path] })
	}
	for _, kind := range []struct {
		name string
		is   func(*Copies) bool
		text string
	}{
		{"leak", (*Copies).Leak, "both in training and in what it is judged by; " + does},
		{"valid-in-test", (*Copies).Judged, "both in validation and in test"},
		{"duplicate", (*Copies).Within, "more than once in the same part"},
		{"label-conflict", (*Copies).Conflict, "under two labels"},
	} {
		d.copies(kind.name, exact, kind.is, "byte for byte "+kind.text)
		d.copies("near-"+kind.name, near, kind.is, "scaled or compressed again "+kind.text)
	}
}

// copies adds a finding about those of a kind.
func (d *Dataset) copies(kind string, all []Copies, is func(*Copies) bool, text string) {
	var paths []string
	n := 0
	for i := range all {
		if is(&all[i]) {
			n++
			for _, p := range all[i].Places {
				paths = append(paths, p.Path)
			}
		}
	}
	if n > 0 {
		d.Findings = append(d.Findings, Finding{Kind: kind, Text: count(n, "picture stands", "pictures stand") + " " + text, Paths: paths})
	}
}

// hashCopies hashes the files that may have a copy: those that share size and
// first bytes with another. For datasets of which not every file is opened.
func (d *Dataset) hashCopies(ctx context.Context, o Options) error {
	type likeness struct {
		size  int64
		start uint64
	}
	samples := d.all()
	like := make([]likeness, len(samples))
	shared := func() []int { // the samples that are like another, and not empty
		n := make(map[likeness]int, len(samples))
		for _, l := range like {
			n[l]++
		}
		var at []int
		for i, l := range like {
			if n[l] > 1 && l.size > 0 {
				at = append(at, i)
			}
		}
		return at
	}
	for i, s := range samples {
		like[i].size = s.Size
	}
	seed := maphash.MakeSeed()
	candidates := shared()
	step := counter(len(candidates), o.Progress)
	err := inParallel(ctx, o.Threads, len(candidates), func(i int) {
		s := &samples[candidates[i]]
		if b, err := head(s.src, s.rel(), 4096); err == nil {
			like[candidates[i]].start = maphash.Bytes(seed, b)
		}
		step()
	})
	if err != nil {
		return err
	}
	candidates = shared()
	d.hashes = make(map[string]string, len(candidates))
	var mu sync.Mutex
	return inParallel(ctx, o.Threads, len(candidates), func(i int) {
		s := &samples[candidates[i]]
		if h, err := contentHash(s); err == nil {
			mu.Lock()
			d.hashes[s.rel()] = h
			mu.Unlock()
		}
	})
}

func contentHash(s *Sample) (string, error) {
	r, err := s.src.open(s.rel())
	if err != nil {
		return "", err
	}
	defer r.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(r, largestFile)); err != nil {
		return "", fmt.Errorf("%s: %w", s.Path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

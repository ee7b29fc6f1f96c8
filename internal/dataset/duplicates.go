package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"io"
	"maps"
	"slices"
	"sync"
)

// duplicates finds files with the same bytes: between training and what it is
// judged by (leaks), within a part, and under two labels. With drop, training
// pictures that leak are removed.
func (d *Dataset) duplicates(drop bool) {
	type copyOf struct {
		part Split
		s    Sample
	}
	groups := map[string][]copyOf{}
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			if h := d.hashes[s.rel()]; h != "" {
				groups[h] = append(groups[h], copyOf{part, s})
			}
		}
	}
	var leaks, judged, within, conflict [][]string
	leaked := map[string]bool{}
	for _, g := range groups {
		if len(g) < 2 {
			continue
		}
		var paths []string
		parts, classes := map[Split]int{}, map[int]bool{}
		for _, c := range g {
			paths = append(paths, c.s.Path)
			parts[c.part]++
			classes[c.s.Class] = true
		}
		if parts[Train] > 0 && len(parts) > 1 {
			leaks = append(leaks, paths)
			for _, c := range g {
				leaked[c.s.Path] = c.part == Train
			}
		}
		if parts[Valid] > 0 && parts[Test] > 0 {
			judged = append(judged, paths)
		}
		if slices.Max(slices.Collect(maps.Values(parts))) > 1 {
			within = append(within, paths)
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
	d.copies("leak", leaks, "byte for byte both in training and in what it is judged by; "+does)
	d.copies("valid-in-test", judged, "both in validation and in test")
	d.copies("duplicate", within, "more than once in the same part")
	d.copies("label-conflict", conflict, "under two labels")
}

// copies adds a finding about groups of equal files.
func (d *Dataset) copies(kind string, groups [][]string, text string) {
	if len(groups) == 0 {
		return
	}
	slices.SortFunc(groups, slices.Compare)
	text = count(len(groups), "picture stands", "pictures stand") + " " + text
	d.Findings = append(d.Findings, Finding{Kind: kind, Text: text, Paths: slices.Concat(groups...)})
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

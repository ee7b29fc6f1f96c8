package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"graft"
)

// A byteSize is a flag of bytes: 2GB, 500MB, 1.5GiB.
type byteSize int64

var byteUnits = []struct {
	suffix string
	bytes  float64
}{{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}}

func (b *byteSize) Set(s string) error {
	text, unit := strings.ToLower(strings.TrimSpace(s)), 0.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = strings.TrimSpace(rest), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || unit == 0 || !(v > 0) || v*unit < 1 || v*unit >= math.MaxInt64 {
		return fmt.Errorf("%q is no size: write 500MB, 2GB or 1.5GiB", s)
	}
	*b = byteSize(v * unit)
	return nil
}

func (b *byteSize) String() string {
	if b == nil || *b == 0 {
		return ""
	}
	return bytesText(int64(*b))
}

func (b *byteSize) Type() string { return "SIZE" }

// bytesText is a size for people, in decimal units.
func bytesText(n int64) string {
	switch v := float64(n); {
	case v >= 1e9:
		return strconv.FormatFloat(math.Round(v/1e7)/100, 'f', -1, 64) + " GB"
	case v >= 1e6:
		return strconv.FormatFloat(math.Round(v/1e5)/10, 'f', -1, 64) + " MB"
	case v >= 1e3:
		return strconv.FormatFloat(math.Round(v/1e2)/10, 'f', -1, 64) + " kB"
	}
	return strconv.FormatInt(n, 10) + " B"
}

// memory prints what a cap makes of a run.
func (r *report) memory(p graft.Plan) {
	parts := "whole batches fit"
	if p.Part < p.Recipe.BatchSize() {
		parts = fmt.Sprintf("a batch of %d goes in %d parts of at most %d", p.Recipe.BatchSize(), (p.Recipe.BatchSize()+p.Part-1)/p.Part, p.Part)
	}
	r.line("memory    at most %s: %s, %s for decoded pictures", bytesText(p.Memory), parts, bytesText(int64(p.CacheBytes)))
	if p.PartStatistics {
		r.line("          batch norm takes its statistics of each part: results differ a little from those of whole batches")
	}
}

package dataset

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

// listed is a source of files that are only listed.
type listed struct{}

func (listed) open(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("")), nil }
func (listed) prefix() string                     { return "photos/" }
func (listed) key() string                        { return "" }

// TestMillion opens a list of a million files as a folder without a split: in under
// ten seconds, and under a gigabyte of live memory.
func TestMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 1_000_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	started := time.Now()
	entries := make([]entry, n)
	for i := range entries {
		entries[i] = entry{rel: fmt.Sprintf("class-%03d/IMG_%07d.jpg", i%500, i), size: int64(40_000 + i*7919%500_000)}
	}
	listing := time.Since(started)
	d, err := arrange(t.Context(), listed{}, entries, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.prepare(t.Context(), listed{}, entries, Options{Check: true, ValidSplit: 0.2, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	l := NewLoader(d.Train, LoaderOptions{Batch: 64, Shuffle: true})
	if got := len(l.order(0)); got != len(d.Train) {
		t.Errorf("an epoch's order has %d samples", got)
	}
	took := time.Since(started)
	entries = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	live, peak := int64(after.HeapAlloc)-int64(before.HeapAlloc), after.HeapSys
	t.Logf("%d train, %d test: %v (%v of it making the list), %d MB live, %d MB of heap at most", len(d.Train), len(d.Test), took, listing, live>>20, peak>>20)
	if took-listing > 10*time.Second {
		t.Errorf("a million files took %v, want under 10 s", took-listing)
	}
	if peak > 1_000_000_000 {
		t.Errorf("a million files took %d MB, want under 1 GB", peak>>20)
	}
	if len(d.Train)+len(d.Test) != n {
		t.Errorf("%d and %d samples of %d", len(d.Train), len(d.Test), n)
	}
	runtime.KeepAlive(l)
}

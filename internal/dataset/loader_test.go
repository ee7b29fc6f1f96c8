package dataset

import (
	"context"
	"hash/fnv"
	"image"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/transform"
)

var small = transform.Preprocess{Resize: 40, Crop: 32, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, EXIF: "apply"}

func clothing(t testing.TB, n int) []Sample {
	d := mustOpen(t, "clothing", Options{})
	return d.Train[:n]
}

// digest is a hash of everything two epochs yield.
func digest(t *testing.T, l *Loader) uint64 {
	t.Helper()
	h := fnv.New64a()
	for epoch := range 2 {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range b.X[:b.N*3*32*32] {
				u := math.Float32bits(v)
				h.Write([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
			}
			for i := range b.N {
				h.Write([]byte{byte(b.Labels[i]), byte(b.Index[i])})
			}
		}
	}
	return h.Sum64()
}

func TestLoaderDoesNotDependOnWorkers(t *testing.T) {
	samples := clothing(t, 50)
	var first uint64
	for i, o := range []LoaderOptions{{Workers: 1, Ahead: 1}, {Workers: 4}, {Workers: 3, Ahead: 5, Cache: NewCache(1 << 30)}, {Workers: 2, Cache: NewCache(1 << 20)}} {
		o.Batch, o.Preprocess, o.Augment, o.Shuffle, o.Seed = 16, small, true, true, 5
		if got := digest(t, NewLoader(samples, o)); i == 0 {
			first = got
		} else if got != first {
			t.Errorf("options %d give other batches", i)
		}
	}
	if digest(t, NewLoader(samples, LoaderOptions{Batch: 16, Preprocess: small, Augment: true, Shuffle: true, Seed: 6})) == first {
		t.Error("another seed gives the same batches")
	}
}

func TestLoaderYieldsEachSampleOnce(t *testing.T) {
	samples := clothing(t, 37)
	l := NewLoader(samples, LoaderOptions{Batch: 10, Preprocess: small, Shuffle: true, Seed: 1})
	var seen, sizes []int
	for b, err := range l.Epoch(context.Background(), 3) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, b.Index[:b.N]...)
		sizes = append(sizes, b.N)
		for i, at := range b.Index[:b.N] {
			if int(b.Labels[i]) != samples[at].Class {
				t.Fatal("a label does not belong to its sample")
			}
		}
	}
	if !slices.Equal(sizes, []int{10, 10, 10, 7}) {
		t.Errorf("batches of %v", sizes)
	}
	slices.Sort(seen)
	for i, v := range seen {
		if i != v {
			t.Fatalf("sample %d is missing or doubled", i)
		}
	}
}

func TestLoaderEndsEarly(t *testing.T) {
	l := NewLoader(clothing(t, 60), LoaderOptions{Batch: 4, Preprocess: small})
	for range l.Epoch(context.Background(), 0) {
		break
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var last error
	for _, err := range l.Epoch(ctx, 0) {
		n++
		last = err
		cancel()
	}
	if n > 2 || last == nil {
		t.Errorf("%d batches after the context ended, error %v", n, last)
	}
	n = 0
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n += b.N
	}
	if n != 60 {
		t.Errorf("%d samples after an epoch that ended early", n)
	}
}

func TestLoaderLeavesOutWhatItCannotRead(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "a/2.png": "", "b/1.png": "", "b/2.png": ""})
	d := mustOpen(t, root, Options{})
	if err := os.WriteFile(filepath.Join(root, "a/2.png"), []byte("spoilt"), 0o644); err != nil {
		t.Fatal(err)
	}
	var warned []string
	o := LoaderOptions{Batch: 3, Preprocess: small, Warn: func(err error) { warned = append(warned, err.Error()) }}
	n := 0
	for b, err := range NewLoader(d.Train, o).Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		n += b.N
	}
	if n != 3 || len(warned) != 1 || !strings.Contains(warned[0], "a/2.png") {
		t.Errorf("%d samples, warnings %q", n, warned)
	}
	o.Warn = nil
	var last error
	for _, err := range NewLoader(d.Train, o).Epoch(context.Background(), 0) {
		last = err
	}
	if last == nil {
		t.Error("an unreadable sample went unnoticed")
	}
}

func TestCacheStaysWithinItsLimit(t *testing.T) {
	c := NewCache(100_000)
	l := NewLoader(clothing(t, 20), LoaderOptions{Batch: 5, Preprocess: small, Cache: c})
	for _, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if c.Bytes() > 100_000 {
		t.Errorf("%d bytes in a cache of 100000", c.Bytes())
	}
}

func BenchmarkLoader(b *testing.B) {
	p := transform.Preprocess{Resize: 256, Crop: 224, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, EXIF: "apply"}
	l := NewLoader(clothing(b, 300), LoaderOptions{Batch: 32, Preprocess: p, Augment: true, Shuffle: true})
	n := 0
	for b.Loop() {
		for batch, err := range l.Epoch(context.Background(), 0) {
			if err != nil {
				b.Fatal(err)
			}
			n += batch.N
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "img/s")
}

func TestDrawsDoNotDependOnBatches(t *testing.T) {
	samples := clothing(t, 24)
	sums := func(batch, epoch int) map[int]uint64 {
		m := map[int]uint64{}
		o := LoaderOptions{Batch: batch, Preprocess: small, Augment: true, Shuffle: true, Seed: 3}
		for b, err := range NewLoader(samples, o).Epoch(context.Background(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			if len(b.X) != b.N*3*32*32 || len(b.Labels) != b.N || len(b.Index) != b.N {
				t.Fatalf("a batch of %d with %d values", b.N, len(b.X))
			}
			for i, at := range b.Index {
				h := fnv.New64a()
				for _, v := range b.X[i*3*32*32 : (i+1)*3*32*32] {
					u := math.Float32bits(v)
					h.Write([]byte{byte(u), byte(u >> 8), byte(u >> 16), byte(u >> 24)})
				}
				m[at] = h.Sum64()
			}
		}
		return m
	}
	if !maps.Equal(sums(5, 1), sums(16, 1)) {
		t.Error("what is drawn for a sample depends on the batch")
	}
	if maps.Equal(sums(5, 1), sums(5, 2)) {
		t.Error("two epochs draw the same")
	}
}

func TestBuffersAreReused(t *testing.T) {
	l := NewLoader(clothing(t, 40), LoaderOptions{Batch: 4, Preprocess: small, Ahead: 2})
	seen := map[*float32]bool{}
	for epoch := range 3 {
		for b, err := range l.Epoch(context.Background(), epoch) {
			if err != nil {
				t.Fatal(err)
			}
			seen[&b.X[0]] = true
		}
	}
	if len(seen) > 3 {
		t.Errorf("%d buffers, want 2 ahead and the one in use", len(seen))
	}
}

func TestCacheKnowsHowPicturesWereRead(t *testing.T) {
	c, p := NewCache(1000), &decoded{img: image.NewGray(image.Rect(0, 0, 2, 2))}
	o := DecodeOptions{IgnoreEXIF: true, Enough: 7}
	c.put("a", o, p)
	if c.get("a", DecodeOptions{Enough: 7}) != nil || c.get("a", DecodeOptions{IgnoreEXIF: true}) != nil || c.get("a", o) != p {
		t.Error("a picture read otherwise was taken for the one asked for")
	}
}

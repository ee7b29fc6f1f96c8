package dataset

import (
	"context"
	"hash/fnv"
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

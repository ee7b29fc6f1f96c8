package graft

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

// A stream answers for each picture once, in order, with the bits that a picture alone gets;
// what cannot be read stands in its place.
func TestStream(t *testing.T) {
	c := untrained(t, "resnet20", 32, OpenOptions{Precision: FP32})
	dir := t.TempDir()
	files := photographs(t, 7)
	var alone [][]float32
	for _, f := range files {
		p, err := c.PredictBytes(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		alone = append(alone, p.Logits)
	}
	const n = 150 // several batches, the last not whole
	bad := errors.New("no such folder")
	sources := func(yield func(Source) bool) {
		for i := range n {
			s := Source{Path: filepath.Join(dir, strconv.Itoa(i)), Data: files[i%len(files)]}
			switch i % 50 {
			case 20:
				s.Data = nil // there is no such file
			case 21:
				s.Err = bad
			case 22:
				s.Data = []byte("no picture")
			case 23:
				s.Data = nil
				if err := os.WriteFile(s.Path, files[i%len(files)], 0o644); err != nil {
					t.Error(err)
				}
			}
			if !yield(s) {
				return
			}
		}
	}
	at := 0
	for a, err := range c.PredictStream(context.Background(), sources) {
		if err != nil {
			t.Fatal(err)
		}
		fails := at%50 >= 20 && at%50 <= 22
		if filepath.Base(a.Path) != strconv.Itoa(at) || (a.Err != nil) != fails || at%50 == 21 && !errors.Is(a.Err, bad) {
			t.Fatalf("answer %d is %+v", at, a)
		}
		if !fails && !slices.Equal(a.Logits, alone[at%len(files)]) {
			t.Fatalf("answer %d has %v, alone %v", at, a.Logits, alone[at%len(files)])
		}
		at++
	}
	if at != n {
		t.Errorf("%d answers for %d pictures", at, n)
	}
	for range c.PredictStream(context.Background(), sources) {
		break // ends its workers
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen, last := 0, error(nil)
	for _, err := range c.PredictStream(ctx, endless(files[0])) {
		if seen++; seen == 40 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("cancelled, it ends with %v after %d", last, seen)
	}
}

func endless(file []byte) iter.Seq[Source] {
	return func(yield func(Source) bool) {
		for yield(Source{Path: "again", Data: file}) {
		}
	}
}

package graft

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/dataset"
)

// TestNoPictureKept trains without room for decoded pictures: a file cut short is named
// before the start, one damaged in its middle where it is met, and the run ends with the others.
func TestNoPictureKept(t *testing.T) {
	c := small(t)
	c.Data, c.Batch, c.CacheBytes = t.TempDir(), 8, -1
	d, err := dataset.Open(context.Background(), "clothing", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range append(d.Train[:12:12], d.Train[len(d.Train)-12:]...) {
		b, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		switch i {
		case 0:
			b = b[:len(b)/2]
		case 1: // a marker where none may stand
			b = bytes.Join([][]byte{b[:len(b)/2], b[len(b)/2+8:]}, []byte("\xff\xd8\xff\xd8\xff\xd8\xff\xd8"))
		}
		dir := filepath.Join(c.Data, []string{"train", "test"}[i%4/3], d.Classes[s.Class])
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".jpg"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c.AllowBad = true
	var said []string
	var plan Plan
	c.Events = func(e Event) {
		switch e := e.(type) {
		case Finding:
			said = append(said, e.Kind+": "+e.Text)
		case Warning:
			said = append(said, "warning: "+e.Text)
		case Plan:
			plan = e
		}
	}
	run := mustTrain(t, c)
	all := strings.Join(said, "\n")
	for _, want := range []string{"unreadable: ", "a.jpg is left out: the jpeg file is cut short", "unchecked: 23 pictures are not decoded beforehand", "warning: left out: ", "b.jpg: damaged jpeg"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not said:\n%s", want, all)
		}
	}
	if plan.Train != 17 || run.TestPictures != 6 || run.BestEpoch != 1 {
		t.Errorf("%d training pictures, %d test pictures, best epoch %d", plan.Train, run.TestPictures, run.BestEpoch)
	}
}

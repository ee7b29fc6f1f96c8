package dataset

import (
	"context"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestArrangeNeverLosesTrack draws listings of odd names and holds arrange to what
// it promises of any: an error, or each picture at most once, under its folder's
// name, in whatever order the files were listed.
func TestArrangeNeverLosesTrack(t *testing.T) {
	name := rapid.SampledFrom([]string{"a", "b", "A", "b ", "train", "test", "val", "Train", ".git", "__MACOSX", "set", "x"})
	rapid.Check(t, func(t *rapid.T) {
		folders := rapid.SliceOfN(rapid.SliceOfN(name, 0, 4), 1, 12).Draw(t, "folders")
		listed := map[string]bool{}
		var entries []entry
		for i, f := range folders {
			e := entry{rel: path.Join(append(f, string(rune('a'+i))+".png")...), size: int64(i)}
			if len(f) > 0 && rapid.Bool().Draw(t, "folder alone") {
				e = entry{rel: path.Join(f...), dir: true}
			}
			if !listed[e.rel] {
				entries = append(entries, e)
			}
			listed[e.rel] = true
		}
		shuffled := rapid.Permutation(entries).Draw(t, "shuffled")
		src := newFolderSource("/nowhere")
		d, err := arrange(context.Background(), src, entries, Options{})
		e, err2 := arrange(context.Background(), src, shuffled, Options{})
		if (err == nil) != (err2 == nil) {
			t.Fatalf("in another order: %v, %v", err, err2)
		}
		if err != nil {
			return
		}
		if !slices.Equal(rels(d.all()), rels(e.all())) || !slices.Equal(d.Classes, e.Classes) {
			t.Fatalf("in another order: %v, %v", rels(d.all()), rels(e.all()))
		}
		for _, s := range d.all() {
			if !listed[s.rel()] {
				t.Fatalf("%s was not listed, or stands twice", s.rel())
			}
			delete(listed, s.rel())
			if !slices.Contains(strings.Split(path.Dir(s.rel()), "/"), d.Classes[s.Class]) {
				t.Fatalf("%s has class %s", s.rel(), d.Classes[s.Class])
			}
		}
		if !slices.IsSorted(d.Classes) {
			t.Fatalf("classes %v", d.Classes)
		}
	})
}

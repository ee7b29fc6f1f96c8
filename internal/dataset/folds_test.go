package dataset

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Every picture is tested once, classes are shared out evenly, and groups stay together.
func TestFolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		folds, seed := rapid.IntRange(2, 6).Draw(r, "folds"), rapid.Uint64().Draw(r, "seed")
		d := &Dataset{Classes: []string{"a", "b"}, groups: map[string]string{}}
		src := &folderSource{}
		grouped := rapid.Bool().Draw(r, "grouped")
		for c, n := range []int{rapid.IntRange(6, 40).Draw(r, "a"), rapid.IntRange(6, 40).Draw(r, "b")} {
			for i := range n {
				s := Sample{Path: fmt.Sprintf("%d/%d", c, i), Class: c, src: src}
				d.Train = append(d.Train, s)
				if grouped && i >= 6 {
					d.groups[s.Path] = fmt.Sprint(i % 7)
				}
			}
		}
		all := len(d.Train)
		tested, of := map[string]int{}, map[string]int{}
		least, most := []int{all, all}, []int{0, 0}
		for k := 1; k <= folds; k++ {
			part := &Dataset{Classes: d.Classes, groups: d.groups, Train: append([]Sample(nil), d.Train...)}
			if err := part.fold(k, folds, seed); err != nil {
				r.Fatal(err)
			}
			if len(part.Train)+len(part.Test) != all {
				r.Fatalf("fold %d has %d and %d of %d", k, len(part.Train), len(part.Test), all)
			}
			for _, s := range part.Test {
				tested[s.Path]++
				g := d.groups[s.Path]
				if was := of[g]; g != "" && was != 0 && was != k {
					r.Fatalf("group %s is in folds %d and %d", g, was, k)
				}
				of[g] = k
			}
			for c, n := range part.Counts(Test) {
				least[c], most[c] = min(least[c], n), max(most[c], n)
			}
		}
		if len(tested) != all {
			r.Fatalf("%d of %d pictures are tested", len(tested), all)
		}
		for c := range least {
			if !grouped && most[c]-least[c] > 1 {
				r.Fatalf("class %d has %d to %d pictures a fold", c, least[c], most[c])
			}
		}
	})
}

func TestFoldsOfASplit(t *testing.T) {
	files := map[string]string{}
	for i := range 6 {
		for _, part := range []string{"train", "val", "test"} {
			files[fmt.Sprintf("%s/a/%d.png", part, i)], files[fmt.Sprintf("%s/b/%d.png", part, i)] = "", ""
		}
	}
	root := tree(t, files)
	d := mustOpen(t, root, Options{Folds: 3, Fold: 2})
	if len(d.Train) != 16 || len(d.Test) != 8 || len(d.Valid) != 0 || !strings.Contains(strings.Join(kinds(d), " "), "test-aside") {
		t.Errorf("%s %v", shape(d), d.Findings)
	}
	if _, err := open(t, root, Options{Folds: 13, Fold: 1}); err == nil || !strings.Contains(err.Error(), "fewer than 13 folds") {
		t.Errorf("13 folds of 12 pictures: %v", err)
	}
}

package dataset

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCopiesStayOnOneSideOfASplit(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("a/%d.png", i)] = "=" + string(rune('A'+i/2)) // each twice
		files[fmt.Sprintf("b/%d.png", i)] = ""
	}
	root := tree(t, files)
	for seed := range uint64(8) {
		d := mustOpen(t, root, Options{Check: true, ValidSplit: 0.3, Seed: seed})
		if got := strings.Join(kinds(d), " "); got != "duplicate" {
			t.Errorf("seed %d: findings %q", seed, got)
		}
		if n := d.Counts(Test); n[0] != 6 || n[1] != 6 {
			t.Errorf("seed %d: held out %v", seed, n)
		}
	}
}

func TestClassWithOnePictureIsTrained(t *testing.T) {
	files := map[string]string{"a/1.png": "", "a/2.png": "", "b/1.png": ""}
	d := mustOpen(t, tree(t, files), Options{Check: true, ValidSplit: 0.5})
	if len(d.Train) != 2 || len(d.Test) != 1 || !slices.Equal(kinds(d), []string{"class-missing"}) {
		t.Errorf("%d and %d pictures, %v", len(d.Train), len(d.Test), d.Findings)
	}
	delete(files, "a/2.png")
	if _, err := open(t, tree(t, files), Options{ValidSplit: 0.5}); err == nil {
		t.Error("a split without a test picture was made")
	}
	for _, share := range []float64{-1, 1, 2} {
		if _, err := open(t, tree(t, files), Options{ValidSplit: share}); err == nil {
			t.Errorf("a split of %g was made", share)
		}
	}
}

// TestCopiesInLargeSets holds the search without opening every file to the one that does.
func TestCopiesInLargeSets(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		pick := rapid.SliceOfN(rapid.IntRange(0, 6), 8, 24).Draw(r, "pictures")
		files := map[string]string{}
		for i, n := range pick {
			part := []string{"train", "test"}[i%2]
			class := []string{"a", "b"}[i/2%2]
			files[fmt.Sprintf("%s/%s/%d.png", part, class, i)] = "=" + string(rune('0'+n))
		}
		root := tree(t, files)
		checked := mustOpen(t, root, Options{Check: true})
		large := mustOpen(t, root, Options{})
		if err := large.hashCopies(context.Background(), Options{Threads: 2}); err != nil {
			r.Fatal(err)
		}
		large.duplicates(false)
		if a, b := fmt.Sprint(checked.Findings), fmt.Sprint(large.Findings); a != b {
			r.Fatalf("every file opened: %s\ncopies only: %s", a, b)
		}
	})
}

func TestDroppingLeaksLeavesEveryClassAPicture(t *testing.T) {
	root := tree(t, map[string]string{"train/a/1.png": "=1", "train/b/1.png": "", "test/a/1.png": "=1", "test/b/2.png": ""})
	if _, err := open(t, root, Options{Check: true, Leaks: "drop"}); err == nil || !strings.Contains(err.Error(), `class "a"`) {
		t.Errorf("error %v", err)
	}
}

func TestValidationInTestIsNamed(t *testing.T) {
	root := tree(t, map[string]string{"train/a/1.png": "", "train/b/1.png": "", "val/a/1.png": "=1", "val/b/1.png": "", "test/a/1.png": "=1", "test/b/2.png": ""})
	d := mustOpen(t, root, Options{Check: true})
	if got := strings.Join(kinds(d), " "); got != "valid-in-test" {
		t.Errorf("findings %q", got)
	}
	if part, _ := d.ChosenOn(); part != Valid {
		t.Errorf("chosen on %s", part)
	}
}

func TestFingerprintKnowsTheSplit(t *testing.T) {
	files := map[string]string{}
	for i := range 10 {
		files[fmt.Sprintf("a/%d.png", i)], files[fmt.Sprintf("b/%d.png", i)] = "", ""
	}
	root := tree(t, files)
	one := mustOpen(t, root, Options{Check: true, ValidSplit: 0.3, Seed: 1})
	two := mustOpen(t, root, Options{Check: true, ValidSplit: 0.3, Seed: 2})
	if one.Fingerprint == two.Fingerprint {
		t.Error("another split has the same fingerprint")
	}
	if err := two.ApplySplit(one.SplitFile()); err != nil {
		t.Fatal(err)
	}
	if one.Fingerprint != two.Fingerprint {
		t.Error("the same split has another fingerprint")
	}
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(root, moved); err != nil {
		t.Fatal(err)
	}
	if d := mustOpen(t, moved, Options{Check: true, ValidSplit: 0.3, Seed: 1}); d.Fingerprint != one.Fingerprint {
		t.Error("the fingerprint depends on where the folder lies")
	}
}

func TestRelabel(t *testing.T) {
	root := tree(t, map[string]string{"b/1.png": "", "c/1.png": ""})
	d := mustOpen(t, root, Options{})
	if err := d.Relabel([]string{"c", "a", "b"}); err != nil {
		t.Fatal(err)
	}
	for _, s := range d.Train {
		if want := strings.Split(s.rel(), "/")[0]; d.Classes[s.Class] != want {
			t.Errorf("%s became %s", s.rel(), d.Classes[s.Class])
		}
	}
	if !slices.Equal(d.Counts(Train), []int{1, 0, 1}) {
		t.Errorf("counts %v", d.Counts(Train))
	}
	if err := d.Relabel([]string{"a", "b"}); err == nil || !strings.Contains(err.Error(), `"c"`) {
		t.Errorf("error %v", err)
	}
}

func TestEvaluateNeedsNoTrainingPictures(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"test alone":    {"test/a/1.png": "", "test/b/1.png": ""},
		"one class":     {"a/1.png": "", "a/2.png": ""},
		"class in test": {"train/a/1.png": "", "test/a/2.png": "", "test/b/1.png": ""},
	} {
		if _, err := open(t, tree(t, files), Options{Evaluate: true, Check: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLinks(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "b/1.png": "", "other/2.png": ""})
	set := t.TempDir()
	for name, to := range map[string]string{"a": "a", "b": "b", "c": "other"} {
		if err := os.Symlink(filepath.Join(root, to), filepath.Join(set, name)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	if err := os.Symlink(set, filepath.Join(root, "b", "loop")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(root, "a", "broken.png")); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, set, Options{Check: true})
	if got := strings.Join(d.Classes, " "); got != "a b c" || len(d.Train) != 3 {
		t.Errorf("classes %s, %v", got, rels(d.Train))
	}
	if got := strings.Join(kinds(d), " "); got != "link-loop unreadable" {
		t.Errorf("findings %q", got)
	}
	var walked []string
	for p, err := range Walk(set) {
		if err == nil {
			walked = append(walked, filepath.Base(p))
		}
	}
	if got := strings.Join(walked, " "); got != "1.png 1.png 2.png" {
		t.Errorf("walked %s", got)
	}
}

func TestWalk(t *testing.T) {
	root := tree(t, map[string]string{"b/2.png": "", "a.JPG": "", "b/1": "", "b/notes.txt": "text", ".hidden/3.png": "", "b/.DS_Store": "x", "BM.log": "BM and more text"})
	var got []string
	for p, err := range Walk(root) {
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(root, p)
		got = append(got, filepath.ToSlash(rel))
	}
	if want := "a.JPG b/1 b/2.png"; strings.Join(got, " ") != want {
		t.Errorf("walked %v, want %s", got, want)
	}
	for p, err := range Walk(filepath.Join(root, "b/notes.txt")) {
		if err != nil || filepath.Base(p) != "notes.txt" {
			t.Error("a file given by name is always taken")
		}
	}
	n := 0
	for _, err := range Walk(filepath.Join(root, "gone")) {
		if n++; err == nil {
			t.Error("a path that is not there has no error")
		}
	}
	if n != 1 {
		t.Errorf("%d errors", n)
	}
}

package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// picture is a small PNG whose pixels follow from n.
func picture(t testing.TB, n int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 6, 5))
	for i := range 30 {
		img.SetRGBA(i%6, i/6, color.RGBA{uint8(n * 37), uint8(n>>3 + i*7), uint8(n*11 + i), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree makes a folder of files; "" stands for a new picture, "=N" for picture N,
// a trailing slash for an empty folder, anything else is the content.
func tree(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	n := 1000
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for k := range files {
			if !yield(k) {
				return
			}
		}
	}) {
		path := filepath.Join(root, name)
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		content := []byte(files[name])
		switch {
		case len(content) == 0:
			n++
			content = picture(t, n)
		case content[0] == '=':
			content = picture(t, int(content[1]))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func open(t testing.TB, location string, o Options) (*Dataset, error) {
	t.Helper()
	t.Setenv("GRAFT_CACHE", t.TempDir())
	return Open(context.Background(), location, o)
}

func mustOpen(t testing.TB, location string, o Options) *Dataset {
	t.Helper()
	d, err := open(t, location, o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func kinds(d *Dataset) []string {
	var k []string
	for _, f := range d.Findings {
		k = append(k, f.Kind)
	}
	slices.Sort(k)
	return slices.Compact(k)
}

func rels(samples []Sample) []string {
	var r []string
	for _, s := range samples {
		r = append(r, s.rel())
	}
	return r
}

func TestLayouts(t *testing.T) {
	for name, c := range map[string]struct {
		files              map[string]string
		classes            string
		train, valid, test int
		findings           string
		err                string
	}{
		"class folders": {files: map[string]string{"b/1.png": "", "a/1.png": "", "a/2.png": ""}, classes: "a b", train: 3},
		"train and test": {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/a/1.png": "", "test/b/2.png": ""},
			classes: "a b", train: 2, test: 2},
		"validation": {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "validation/a/1.png": "", "validation/b/2.png": "", "test/b/3.png": "", "test/a/3.png": ""},
			classes: "a b", train: 2, valid: 2, test: 2},
		"looked through":    {files: map[string]string{"set/train/a/1.png": "", "set/train/b/1.png": "", "set/val/a/2.png": "", "set/val/b/2.png": ""}, classes: "a b", train: 2, valid: 2, findings: "looked-through"},
		"nested in a class": {files: map[string]string{"a/x/1.png": "", "a/y/2.png": "", "b/1.png": ""}, classes: "a b", train: 3},
		"hidden and documents": {files: map[string]string{"a/1.png": "", "b/1.png": "", ".ipynb_checkpoints/1.png": "", "a/.DS_Store": "x", "a/notes.txt": "x", "readme.md": "x"},
			classes: "a b", train: 2, findings: "hidden not-a-picture-file"},
		"loose file":        {files: map[string]string{"a/1.png": "", "b/1.png": "", "2.png": ""}, classes: "a b", train: 2, findings: "loose"},
		"missing in test":   {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/a/9.png": ""}, classes: "a b", train: 2, test: 1, findings: "class-missing"},
		"missing in train":  {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/a/9.png": "", "test/c/9.png": ""}, err: `"c" has no training pictures`},
		"empty class":       {files: map[string]string{"a/1.png": "", "b/1.png": "", "c/": ""}, classes: "a b", train: 2, findings: "class-empty"},
		"case":              {files: map[string]string{"train/cat/1.png": "", "train/dog/1.png": "", "test/Cat/1.png": "", "test/dog/2.png": ""}, err: "differ only by case"},
		"one class":         {files: map[string]string{"a/1.png": "", "a/2.png": ""}, err: "only one class"},
		"nothing":           {files: map[string]string{"a/": ""}, err: "no pictures found"},
		"no train":          {files: map[string]string{"test/a/1.png": "", "test/b/1.png": ""}, err: "no train/"},
		"two validations":   {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "val/a/1.png": "", "valid/a/1.png": ""}, err: "keep one"},
		"a class of trains": {files: map[string]string{"car/1.png": "", "train/1.png": "", "test/1.png": ""}, classes: "car test train", train: 3},
		"unlabelled test":   {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/1.png": "", "test/2.png": ""}, classes: "a b", train: 2, findings: "loose"},
		"empty in train":    {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "train/c/": "", "test/a/2.png": "", "test/b/2.png": "", "test/c/1.png": ""}, err: `"c" has no training pictures`},
		"by content":        {files: map[string]string{"a/1": "", "a/2.dat": "", "b/1.txt": "", "b/2.txt": "words", "c/notes.txt": "words"}, classes: "a b", train: 3, findings: "class-empty not-a-picture-file"},
		"all loose":         {files: map[string]string{"1.png": "", "2.png": ""}, err: "give the folder that holds it"},
		"beside train":      {files: map[string]string{"train/a/1.png": "", "train/b/1.png": "", "extra/1.png": ""}, classes: "a b", train: 2, findings: "beside"},
		"spaces":            {files: map[string]string{"train/cat/1.png": "", "train/dog/1.png": "", "test/cat /1.png": "", "test/dog/2.png": ""}, err: "differ only by case or spaces"},
		"unreadable":        {files: map[string]string{"a/1.png": "", "b/1.png": "", "b/2.png": "not a picture"}, err: "--allow-bad"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := open(t, tree(t, c.files), Options{Check: true})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one that says %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(d.Classes, " "); got != c.classes {
				t.Errorf("classes %q, want %q", got, c.classes)
			}
			if len(d.Train) != c.train || len(d.Valid) != c.valid || len(d.Test) != c.test {
				t.Errorf("%d, %d, %d pictures, want %d, %d, %d", len(d.Train), len(d.Valid), len(d.Test), c.train, c.valid, c.test)
			}
			if got := strings.Join(kinds(d), " "); got != c.findings {
				t.Errorf("findings %q, want %q: %v", got, c.findings, d.Findings)
			}
		})
	}
}

func TestClassesAreMatchedByName(t *testing.T) {
	d := mustOpen(t, tree(t, map[string]string{"train/a/1.png": "", "train/b/1.png": "", "train/c/1.png": "", "test/b/9.png": "", "test/c/9.png": ""}), Options{})
	for _, s := range d.Test {
		if want := strings.Split(s.rel(), "/")[1]; d.Classes[s.Class] != want {
			t.Errorf("%s has class %s", s.rel(), d.Classes[s.Class])
		}
	}
}

func TestDuplicates(t *testing.T) {
	files := map[string]string{
		"train/a/1.png": "=1", "train/a/2.png": "=2", "train/a/3.png": "=2", "train/b/1.png": "=3", "train/b/4.png": "=4", "train/b/5.png": "=5",
		"test/a/9.png": "=1", "test/b/8.png": "=6", "test/a/7.png": "=5",
	}
	d := mustOpen(t, tree(t, files), Options{Check: true})
	if got := strings.Join(kinds(d), " "); got != "duplicate label-conflict leak" {
		t.Errorf("findings %q", got)
	}
	if len(d.Train) != 6 {
		t.Errorf("%d training pictures, want all 6", len(d.Train))
	}
	d = mustOpen(t, tree(t, files), Options{Check: true, Leaks: "drop"})
	if got := strings.Join(rels(d.Train), " "); got != "train/a/2.png train/a/3.png train/b/1.png train/b/4.png" {
		t.Errorf("without leaks: %s", got)
	}
	if _, err := open(t, tree(t, files), Options{Leaks: "maybe"}); err == nil {
		t.Error("a wrong word for leaks was accepted")
	}
}

func TestVerdictsAreKeptAndRenewed(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "a/2.png": "", "b/1.png": ""})
	t.Setenv("GRAFT_CACHE", t.TempDir())
	first, err := Open(context.Background(), root, Options{Check: true})
	if err != nil {
		t.Fatal(err)
	}
	again, err := Open(context.Background(), root, Options{Check: true})
	if err != nil {
		t.Fatal(err)
	}
	if first.Fingerprint != again.Fingerprint {
		t.Error("the fingerprint changed without a change")
	}
	if err := os.WriteFile(filepath.Join(root, "a/2.png"), []byte("spoilt"), 0o644); err != nil {
		t.Fatal(err)
	}
	spoilt, err := Open(context.Background(), root, Options{Check: true, AllowBad: true})
	if err != nil {
		t.Fatal(err)
	}
	if spoilt.Fingerprint == first.Fingerprint || len(spoilt.Train) != 2 {
		t.Errorf("the changed file went unnoticed: %d pictures", len(spoilt.Train))
	}
}

func TestSplitIsStratifiedAndIndependentOfOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(2, 40).Draw(t, "a"), rapid.IntRange(2, 40).Draw(t, "b")
		share, seed := rapid.Float64Range(0.05, 0.95).Draw(t, "share"), rapid.Uint64().Draw(t, "seed")
		make := func(reverse bool) *Dataset {
			d := &Dataset{Classes: []string{"a", "b"}}
			for c, n := range []int{a, b} {
				for i := range n {
					d.Train = append(d.Train, Sample{Path: "/" + d.Classes[c] + "/" + string(rune('A'+i)), Class: c, src: newFolderSource("/")})
				}
			}
			if reverse {
				slices.Reverse(d.Train)
			}
			if err := d.holdOut(share, seed); err != nil {
				t.Fatal(err)
			}
			return d
		}
		d, e := make(false), make(true)
		if !slices.Equal(rels(d.Train), rels(e.Train)) || !slices.Equal(rels(d.Test), rels(e.Test)) {
			t.Fatal("the split depends on the order of listing")
		}
		if len(d.Train)+len(d.Test) != a+b {
			t.Fatal("pictures were lost")
		}
		for c, n := range []int{a, b} {
			held := d.Counts(Test)[c]
			if held < 1 || held == n || float64(held) > share*float64(n)+1 || float64(held) < share*float64(n)-1 {
				t.Fatalf("class %d: %d of %d held out for %g", c, held, n, share)
			}
		}
	})
}

func TestSavedSplit(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "a/2.png": "", "a/3.png": "", "b/1.png": "", "b/2.png": "", "b/3.png": ""})
	d := mustOpen(t, root, Options{ValidSplit: 0.34, Seed: 7})
	if !d.Held {
		t.Error("a split of our own is not marked")
	}
	e := mustOpen(t, root, Options{ValidSplit: 0.34, Seed: 8})
	if err := e.ApplySplit(d.SplitFile()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(rels(d.Train), rels(e.Train)) || !slices.Equal(rels(d.Test), rels(e.Test)) {
		t.Error("the saved split was not restored")
	}
	whole := mustOpen(t, root, Options{})
	if err := whole.ApplySplit(d.SplitFile()); err != nil || !whole.Held || len(whole.Test) != 2 {
		t.Errorf("applied to all: %v, held %v, %d test pictures", err, whole.Held, len(whole.Test))
	}
	os.Remove(filepath.Join(root, "a/1.png"))
	f := mustOpen(t, root, Options{})
	if err := f.ApplySplit(d.SplitFile()); err == nil {
		t.Error("a missing picture went unnoticed")
	}
	for _, bad := range []string{"", "{", `{"version":2}`, `{"version":1,"parts":{"x":["a"]}}`} {
		if err := f.ApplySplit([]byte(bad)); err == nil {
			t.Errorf("the split %q was accepted", bad)
		}
	}
}

// archives writes a folder as each kind of archive.
func archives(t *testing.T, root string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	var z, plain, packed bytes.Buffer
	zw := zip.NewWriter(&z)
	gz := gzip.NewWriter(&packed)
	tws := []*tar.Writer{tar.NewWriter(&plain), tar.NewWriter(gz)}
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(root, p))
		if err != nil {
			return err
		}
		w, err := zw.Create("set/" + p)
		if err != nil {
			return err
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
		for _, tw := range tws {
			if err := tw.WriteHeader(&tar.Header{Name: "./set/" + p, Size: int64(len(b)), Mode: 0o644}); err != nil {
				return err
			}
			if _, err := tw.Write(b); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// A name that leads out of the archive, and a link.
	if _, err := zw.Create("../evil/1.png"); err != nil {
		t.Fatal(err)
	}
	for _, tw := range tws {
		if err := tw.WriteHeader(&tar.Header{Name: "set/a/link.png", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}); err != nil {
			t.Fatal(err)
		}
		tw.Close()
	}
	zw.Close()
	gz.Close()
	out := map[string]string{}
	for name, b := range map[string][]byte{"set.zip": z.Bytes(), "set.tar": plain.Bytes(), "set.tar.gz": packed.Bytes()} {
		out[name] = filepath.Join(dir, name)
		if err := os.WriteFile(out[name], b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestArchivesReadAsFolders(t *testing.T) {
	root := tree(t, map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/a/2.png": "", "test/b/2.png": ""})
	want := mustOpen(t, root, Options{Check: true})
	for name, path := range archives(t, root) {
		t.Run(name, func(t *testing.T) {
			d := mustOpen(t, path, Options{Check: true})
			if d.Name != "set" || !slices.Equal(d.Classes, want.Classes) || len(d.Train) != 2 || len(d.Test) != 2 {
				t.Fatalf("%+v", d)
			}
			if got := strings.Join(kinds(d), " "); got != "unsafe-name" {
				t.Errorf("findings %q", got)
			}
			a, err := d.Train[0].Read()
			b, err2 := want.Train[0].Read()
			if err != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("the bytes differ: %v %v", err, err2)
			}
		})
	}
}

func TestAllowBad(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "b/1.png": "", "b/2.png": "not a picture", "b/3.png": "cut"})
	d := mustOpen(t, root, Options{Check: true, AllowBad: true})
	if len(d.Train) != 2 || len(d.Findings) != 2 || !strings.Contains(d.Findings[0].Text, "b/2.png") || d.Findings[0].Kind != "unreadable" {
		t.Errorf("%d pictures, %v", len(d.Train), d.Findings)
	}
	os.Remove(filepath.Join(root, "b/1.png"))
	if _, err := open(t, root, Options{Check: true, AllowBad: true}); err == nil || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("error %v, want one that names the empty class", err)
	}
	os.Remove(filepath.Join(root, "b/2.png"))
	os.Remove(filepath.Join(root, "b/3.png"))
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(root, "b", string(rune('a'+i))+".png"), picture(t, i+50), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "b/one.png"), []byte("bad"), 0o644); err != nil {
		t.Fatal(err)
	}
	if d := mustOpen(t, root, Options{Check: true}); len(d.Train) != 21 || len(d.Findings) != 1 {
		t.Errorf("one bad of 21: %d pictures, %v", len(d.Train), d.Findings)
	}
}

func TestHintsAtOtherPlaces(t *testing.T) {
	root := tree(t, map[string]string{"set/train/a/1.png": "", "set/train/b/1.png": "", "set/test/a/1.png": "", "set/test/b/1.png": "", "clothing/x/1.png": "", "clothing/y/1.png": ""})
	d := mustOpen(t, filepath.Join(root, "set", "train"), Options{})
	if len(d.Findings) != 1 || d.Findings[0].Kind != "part-of-a-set" || !strings.HasSuffix(d.Findings[0].Text, "set") {
		t.Errorf("findings %v", d.Findings)
	}
	t.Chdir(root)
	d = mustOpen(t, "clothing", Options{})
	if !slices.Equal(kinds(d), []string{"built-in-hidden"}) || !slices.Equal(d.Classes, []string{"x", "y"}) {
		t.Errorf("%v, findings %v", d.Classes, d.Findings)
	}
	t.Chdir(filepath.Join(root, "clothing"))
	if d := mustOpen(t, ".", Options{}); d.Name != "clothing" || d.Train[0].Path != "x/1.png" {
		t.Errorf("name %s, path %s", d.Name, d.Train[0].Path)
	}
}

func TestNothingOfTheUsersChanges(t *testing.T) {
	root := tree(t, map[string]string{"a/1.png": "", "a/2.png": "", "b/1.png": "", "b/2.png": "bad", "b/.DS_Store": "x"})
	state := func() string {
		var b strings.Builder
		_ = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
			info, _ := d.Info()
			content, _ := os.ReadFile(p)
			b.WriteString(p + info.ModTime().String() + info.Mode().String() + string(content))
			return err
		})
		return b.String()
	}
	before := state()
	mustOpen(t, root, Options{Check: true, AllowBad: true, ValidSplit: 0.5, Leaks: "drop"})
	if state() != before {
		t.Error("the user's folder changed")
	}
}

func TestLocations(t *testing.T) {
	root := tree(t, map[string]string{"flowers/a/1.png": "", "file.dat": "text"})
	for location, want := range map[string]string{
		filepath.Join(root, "flower"):   "did you mean",
		"hotdgo":                        "hotdog (built in)",
		filepath.Join(root, "file.dat"): "no .zip",
		"nowhere/at/all":                "built-in set",
	} {
		if _, err := open(t, location, Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", location, err, want)
		}
	}
}

func TestClothing(t *testing.T) {
	d := mustOpen(t, "clothing", Options{Check: true})
	if got := strings.Join(d.Classes, " "); got != "pants shoes t-shirt" || len(d.Train) != 300 || len(d.Test) != 90 {
		t.Fatalf("%s: %d, %d", got, len(d.Train), len(d.Test))
	}
	if len(d.Findings) > 0 {
		t.Errorf("findings: %v", d.Findings)
	}
	img, err := ContactSheet(d, 4, DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b := img.Bounds(); b.Dx() < 400 || b.Dy() < 400 {
		t.Errorf("a contact sheet of %v", b)
	}
}

// TestRealHotdog holds the duplicates of the real set: found as they are in the wild.
func TestRealHotdog(t *testing.T) {
	const dir = "../../../shared/data/hotdog"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("missing: ../shared/data/hotdog")
	}
	d := mustOpen(t, dir, Options{Check: true})
	if len(d.Train) != 1000 || len(d.Test) != 200 {
		t.Fatalf("%d, %d", len(d.Train), len(d.Test))
	}
	for _, f := range d.Findings {
		t.Logf("%s: %s", f.Kind, f.Text)
		switch f.Kind {
		case "leak":
			if len(f.Paths) != 36 {
				t.Errorf("%d paths leak, want 18 pairs", len(f.Paths))
			}
		case "duplicate":
			if len(f.Paths) != 2 {
				t.Errorf("%d paths stand twice in one split, want 2", len(f.Paths))
			}
		default:
			t.Errorf("unexpected: %s", f.Text)
		}
	}
	if got := strings.Join(kinds(d), " "); got != "duplicate leak" {
		t.Errorf("findings %q", got)
	}
}

func FuzzApplySplit(f *testing.F) {
	f.Add([]byte(`{"version":1,"parts":{"train":["a/1.png"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &Dataset{Classes: []string{"a"}, Train: []Sample{{Path: "/a/1.png", src: newFolderSource("/")}}}
		_ = d.ApplySplit(b)
	})
}

func FuzzZip(f *testing.F) {
	f.Add(clothingZip[len(clothingZip)-2000:])
	f.Fuzz(func(t *testing.T, b []byte) {
		src, entries, _, err := listZip(bytes.NewReader(b), int64(len(b)), "x/", "")
		if err != nil {
			return
		}
		for _, e := range entries {
			if !fs.ValidPath(e.rel) {
				t.Fatalf("unsafe path %q", e.rel)
			}
			if e.size < 1<<20 {
				_, _ = (&Sample{Path: "x/" + e.rel, src: src}).Read()
			}
		}
	})
}

// TestGlance: where nothing depends on pixels and none are kept, a file that looks whole
// is not decoded, and what its bytes tell is found all the same.
func TestGlance(t *testing.T) {
	whole := string(picture(t, 1))
	damaged := whole[:60] + "?" + whole[61:]
	files := map[string]string{
		"train/a/cut.png": whole[:len(whole)-4], "train/a/damaged.png": damaged, "train/a/leak.png": "=1", "test/a/1.png": "=1", "train/a/2.png": "",
		"train/b/text.png": "not a picture", "train/b/1.png": "", "train/b/2.png": "", "test/b/1.png": "",
	}
	given := tree(t, files)
	flat := tree(t, map[string]string{"a/1.png": "", "a/2.png": "", "a/damaged.png": damaged, "b/1.png": "", "b/2.png": ""})
	glance := Options{Check: true, Glance: true, AllowBad: true}
	for name, c := range map[string]struct {
		root  string
		set   func(*Options)
		train []string
		kinds string
	}{
		"glance":        {given, func(o *Options) {}, []string{"train/a/2.png", "train/a/damaged.png", "train/a/leak.png", "train/b/1.png", "train/b/2.png"}, "leak unchecked unreadable"},
		"check":         {given, func(o *Options) { o.Glance = false }, []string{"train/a/2.png", "train/a/leak.png", "train/b/1.png", "train/b/2.png"}, "leak unreadable"},
		"all":           {given, func(o *Options) { o.CheckAll = true }, []string{"train/a/2.png", "train/a/leak.png", "train/b/1.png", "train/b/2.png"}, "leak unreadable"},
		"drop":          {given, func(o *Options) { o.Leaks, o.Evaluate = "drop", true }, []string{"train/a/2.png", "train/b/1.png", "train/b/2.png"}, "leak unreadable"},
		"split to draw": {flat, func(o *Options) { o.ValidSplit = 0.5 }, nil, "unreadable"},
		"folds":         {given, func(o *Options) { o.Folds, o.Fold, o.Evaluate = 2, 1, true }, nil, "test-aside unreadable"},
	} {
		o := glance
		c.set(&o)
		d := mustOpen(t, c.root, o)
		if got := rels(d.Train); c.train != nil && !slices.Equal(got, c.train) {
			t.Errorf("%s: training has %v, want %v", name, got, c.train)
		}
		if got := strings.Join(kinds(d), " "); got != c.kinds {
			t.Errorf("%s: findings %q, want %q: %v", name, got, c.kinds, d.Findings)
		}
	}
	if _, err := open(t, given, Options{Check: true, Glance: true}); err == nil || !strings.Contains(err.Error(), "--allow-bad") {
		t.Errorf("half a class unreadable: error %v", err)
	}
}

// TestGlanceLeavesNoVerdict: what was only glanced at is decoded by the next who asks,
// and what was decoded is not forgotten.
func TestGlanceLeavesNoVerdict(t *testing.T) {
	root := tree(t, map[string]string{"train/a/1.png": "", "train/b/1.png": "", "test/a/1.png": "", "test/b/1.png": ""})
	t.Setenv("GRAFT_CACHE", t.TempDir())
	for i, want := range []struct {
		glance  bool
		decoded bool
	}{{true, false}, {false, true}, {true, true}} {
		d, err := Open(t.Context(), root, Options{Check: true, Glance: want.glance})
		if err != nil {
			t.Fatal(err)
		}
		if got := d.Look(&d.Train[0]) != nil; got != want.decoded {
			t.Errorf("opened for the %d. time: decoded %v, want %v", i+1, got, want.decoded)
		}
	}
}

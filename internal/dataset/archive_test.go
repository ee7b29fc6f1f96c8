package dataset

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/csv"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMember(t *testing.T) {
	for name, want := range map[string]string{
		"a/b.jpg": "a/b.jpg", "./a//b.jpg": "a/b.jpg", `a\b.jpg`: "a/b.jpg", "a/x:y.jpg": "a/x:y.jpg", "caf\xe9/1.jpg": "café/1.jpg", "a/../b.jpg": "b.jpg",
		"../b.jpg": "", "/etc/passwd": "", `..\b`: "", "C:/b.jpg": "", `C:\b`: "", "a/../../b": "", "": "", ".": "", "a\x00b": "",
	} {
		if got := member(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTarCountsTheLastOfAName(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, name := range []string{"a/1.png", "b/1.png", "a/1.png"} {
		content := picture(t, i)
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.WriteHeader(&tar.Header{Name: "empty/", Typeflag: tar.TypeDir, Mode: 0o755}); err != nil {
		t.Fatal(err)
	}
	w.Close()
	d := mustOpen(t, writeFile(t, "twice.tar", b.Bytes()), Options{Check: true})
	if got := strings.Join(rels(d.Train), " "); got != "a/1.png b/1.png" {
		t.Errorf("pictures %s", got)
	}
	if got, err := d.Train[0].Read(); err != nil || !bytes.Equal(got, picture(t, 2)) {
		t.Errorf("not the last: %v", err)
	}
	if got := strings.Join(kinds(d), " "); got != "class-empty" {
		t.Errorf("findings %q", got)
	}
}

func TestDamagedArchives(t *testing.T) {
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for _, name := range []string{"a/1.png", "b/1.png", "b/2.png", "__MACOSX/a/._1.png"} {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(picture(t, len(name)+int(name[0])+int(name[2]))); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	good := z.Bytes()
	if d := mustOpen(t, writeFile(t, "good.zip", good), Options{Check: true}); len(d.Train) != 3 || kinds(d)[0] != "hidden" {
		t.Errorf("%d pictures, %v", len(d.Train), d.Findings)
	}
	for name, b := range map[string][]byte{"short.zip": good[:len(good)/2], "short.tar": good[:100], "not.gz": []byte("\x1f\x8bnot"), "empty.zip": nil} {
		if _, err := open(t, writeFile(t, name, b), Options{}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	spoilt := slices.Clone(good)
	for i := 40; i < 60; i++ { // in the first member's data
		spoilt[i] ^= 0x55
	}
	if _, err := open(t, writeFile(t, "spoilt.zip", spoilt), Options{Check: true}); err == nil || !strings.Contains(err.Error(), "spoilt.zip/a/1.png") {
		t.Errorf("error %v, want one that names the member", err)
	}
}

// TestClothingIsTheManifests holds the embedded photographs to their manifest and,
// where they are at hand, to the originals.
func TestClothingIsTheManifests(t *testing.T) {
	src, _, _, err := openClothing(context.Background(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := src.open("manifest.csv")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(r).ReadAll()
	if err != nil || len(rows) != 391 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	const originals = "../../../shared/data/clothing"
	_, err = os.Stat(originals)
	atHand := err == nil
	if !atHand {
		t.Log("not compared with the originals: ../shared/data/clothing is missing")
	}
	part := map[string]string{}
	for _, row := range rows[1:] {
		class, file, contributor, split := row[0], row[1], row[3], row[4]
		if other := part[contributor]; other != "" && other != split {
			t.Errorf("contributor %s is on both sides", contributor)
		}
		part[contributor] = split
		s := Sample{Path: "clothing/" + split + "/" + class + "/" + file, src: src}
		got, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		if atHand {
			if want, err := os.ReadFile(filepath.Join(originals, class, file)); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not the original: %v; run go generate", s.Path, err)
			}
		}
	}
}

func FuzzTar(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	_ = w.WriteHeader(&tar.Header{Name: "a/1.png", Size: 3, Mode: 0o644})
	_, _ = w.Write([]byte("abc"))
	w.Close()
	f.Add(b.Bytes())
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := os.CreateTemp(dir, "*.tar")
		if err != nil {
			t.Fatal(err)
		}
		defer os.Remove(file.Name())
		if _, err := file.Write(b); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		src, entries, _, err := listTar(file, "x/", "")
		if err != nil {
			return
		}
		for _, e := range entries {
			if !fs.ValidPath(e.rel) {
				t.Fatalf("unsafe path %q", e.rel)
			}
			if e.size < 1<<20 && !e.dir {
				_, _ = (&Sample{Path: "x/" + e.rel, src: src, Size: e.size}).Read()
			}
		}
	})
}

// TestHotdogIsFetchedOnce holds the built-in set to its road: fetched, verified,
// looked through, and a second time taken from the cache.
func TestHotdogIsFetchedOnce(t *testing.T) {
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	for i, name := range []string{"train/hotdog/1.png", "train/not-hotdog/1.png", "test/hotdog/2.png", "test/not-hotdog/2.png"} {
		f, err := w.Create("hotdog/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(picture(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.ServeContent(w, r, "hotdog.zip", time.Time{}, bytes.NewReader(z.Bytes()))
	}))
	defer server.Close()
	published := hotdogFile
	defer func() { hotdogFile = published }()
	hotdogFile.URL, hotdogFile.SHA1 = server.URL+"/hotdog.zip", fmt.Sprintf("%x", sha1.Sum(z.Bytes()))
	t.Setenv("GRAFT_CACHE", t.TempDir())
	for range 2 {
		d, err := Open(context.Background(), "hotdog", Options{Check: true})
		if err != nil {
			t.Fatal(err)
		}
		if d.Name != "hotdog" || len(d.Train) != 2 || len(d.Test) != 2 || len(d.Findings) != 0 {
			t.Errorf("%s: %d and %d pictures, %v", d.Name, len(d.Train), len(d.Test), d.Findings)
		}
	}
	if asked != 1 {
		t.Errorf("fetched %d times", asked)
	}
	hotdogFile.SHA1 = strings.Repeat("0", 40)
	t.Setenv("GRAFT_CACHE", t.TempDir())
	if _, err := Open(context.Background(), "hotdog", Options{}); err == nil {
		t.Error("another file was taken for hotdog.zip")
	}
}

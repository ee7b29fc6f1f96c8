package rundir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFeatures(t *testing.T) {
	dir := t.TempDir()
	want := &Features{Of: "abc", Pictures: []FeaturePicture{{"a.jpg", "x"}, {"b \"q\".jpg", "y"}}, Values: []float32{1, 2, 3, 4, 5, -6.5}}
	if err := WriteFeatures(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := WriteFeatures(dir, &Features{Pictures: want.Pictures[:1], Values: []float32{1}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FeaturesFile)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b = []byte(strings.Replace(string(b), `[{\"path\":\"a.jpg\",\"label\":\"x\"}]`, `[ ]`+strings.Repeat(" ", 33), 1))
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFeatures(dir); err == nil {
		t.Error("a row without a picture was accepted")
	}
}

package check_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/check"
	"graft/internal/dataset"

	"github.com/google/go-cmp/cmp"
)

// scene is a picture of hard-edged blobs.
func scene(seed uint64, w, h int) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 1))
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for range 14 {
		cx, cy, size := r.Float64(), r.Float64(), 0.05+0.2*r.Float64()
		c := color.RGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), 255}
		for y := range h {
			for x := range w {
				dx, dy := (float64(x)+0.5)/float64(w)-cx, (float64(y)+0.5)/float64(h)-cy
				if dx*dx+dy*dy < size*size {
					img.SetRGBA(x, y, c)
				}
			}
		}
	}
	return img
}

func write(t testing.TB, path string, img image.Image, quality int) {
	t.Helper()
	var b bytes.Buffer
	err := png.Encode(&b, img)
	if quality > 0 {
		b.Reset()
		err = jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	}
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func report(t testing.TB, root string) (*check.Report, *dataset.Dataset) {
	t.Helper()
	t.Setenv("GRAFT_CACHE", t.TempDir())
	d, err := dataset.Open(context.Background(), root, dataset.Options{Check: true, CheckAll: true, Evaluate: true, AllowBad: true})
	if err != nil {
		t.Fatal(err)
	}
	return check.Of(d), d
}

// TestEveryKindOfFault makes a folder with one of each and expects it named.
func TestEveryKindOfFault(t *testing.T) {
	root := t.TempDir()
	at := func(rel string) string { return filepath.Join(root, rel) }
	for i := range 21 {
		write(t, at(fmt.Sprintf("train/a/%02d.png", i)), scene(uint64(i), 120, 90), 0)
	}
	write(t, at("train/b/00.png"), scene(50, 120, 90), 0)
	write(t, at("train/b/01.png"), scene(51, 120, 90), 0)
	write(t, at("test/a/00.png"), scene(60, 120, 90), 0)
	write(t, at("test/b/00.png"), scene(61, 120, 90), 0)
	write(t, at("test/a/leak.png"), scene(3, 120, 90), 0)     // the bytes of train/a/03.png
	write(t, at("test/a/near.jpg"), scene(4, 200, 150), 80)   // train/a/04.png, larger
	write(t, at("train/b/other.jpg"), scene(5, 96, 72), 70)   // train/a/05.png under another label
	write(t, at("train/a/again.jpg"), scene(6, 150, 112), 60) // train/a/06.png
	write(t, at("train/b/tiny.png"), scene(70, 40, 30), 0)
	write(t, at("train/b/long.png"), scene(71, 400, 100), 0)
	write(t, at("train/b/named.png"), scene(72, 120, 90), 90) // a JPEG
	write(t, at("train/b/dark.png"), image.NewGray(image.Rect(0, 0, 100, 100)), 0)
	flat, soft := image.NewGray(image.Rect(0, 0, 100, 100)), image.NewGray(image.Rect(0, 0, 100, 100))
	for i := range flat.Pix {
		flat.Pix[i], soft.Pix[i] = 128, uint8(50+i%100)
	}
	write(t, at("train/b/flat.png"), flat, 0)
	write(t, at("train/b/soft.png"), soft, 0)
	whole, err := os.ReadFile(at("train/b/other.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("train/b/cut.jpg"), whole[:len(whole)/2], 0o644); err != nil {
		t.Fatal(err)
	}
	turned, err := os.ReadFile("../../testdata/golden/decode/exif-6.jpg")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at("train/b/turned.jpg"), turned, 0o644); err != nil {
		t.Fatal(err)
	}
	r, _ := report(t, root)
	got := map[string]string{}
	for _, f := range r.Findings {
		var names []string
		for _, g := range f.Groups {
			var in []string
			for _, p := range g.Pictures {
				in = append(in, strings.TrimPrefix(filepath.ToSlash(p.Path), filepath.ToSlash(root)+"/"))
			}
			names = append(names, strings.Join(in, "="))
		}
		got[f.Kind] = strings.Join(names, " ")
	}
	want := map[string]string{
		"unreadable":          "train/b/cut.jpg",
		"leak":                "test/a/leak.png=train/a/03.png",
		"near-leak":           "test/a/near.jpg=train/a/04.png",
		"near-label-conflict": "train/a/05.png=train/b/other.jpg",
		"near-duplicate":      "train/a/05.png=train/b/other.jpg train/a/06.png=train/a/again.jpg",
		"tiny":                "train/b/tiny.png",
		"odd-shape":           "train/b/long.png",
		"wrong-extension":     "train/b/named.png",
		"dark":                "train/b/dark.png",
		"flat":                "train/b/flat.png",
		"blurred":             "train/b/soft.png",
		"rotated":             "train/b/turned.jpg",
		"few":                 "",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	before := list(t, root)
	var fixes bytes.Buffer
	if err := r.WriteFixList(&fixes); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&fixes).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(rows, func(row []string) bool {
		return strings.HasSuffix(row[0], "train/a/03.png") && row[1] == "leak" && row[2] == "remove" && strings.HasSuffix(row[5], "test/a/leak.png")
	}) || slices.ContainsFunc(rows, func(row []string) bool { return strings.Contains(row[0], "test/") && row[2] == "remove" }) {
		t.Errorf("fix list %v", rows)
	}
	sheets := t.TempDir()
	files, err := r.WriteSheets(sheets, dataset.DecodeOptions{})
	if err != nil || len(files) != 11 {
		t.Errorf("%d sheets %v, %v", len(files), files, err)
	}
	for _, f := range files {
		b, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := png.DecodeConfig(b); err != nil || c.Height < 150 {
			t.Errorf("%s: %v, %v", f, c, err)
		}
		b.Close()
	}
	if after := list(t, root); after != before {
		t.Error("the data were changed")
	}
}

func list(t *testing.T, root string) string {
	var s strings.Builder
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		fmt.Fprintln(&s, path, info.Size(), info.ModTime())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestImbalance(t *testing.T) {
	root := t.TempDir()
	for i := range 26 {
		write(t, filepath.Join(root, fmt.Sprintf("many/%d.png", i)), scene(uint64(i), 66, 66), 0)
	}
	for i := range 5 {
		write(t, filepath.Join(root, fmt.Sprintf("few/%d.png", i)), scene(uint64(100+i), 66, 66), 0)
	}
	r, _ := report(t, root)
	if len(r.Findings) != 2 || r.Findings[0].Kind != "imbalance" || r.Findings[1].Kind != "few" {
		t.Errorf("findings %+v", r.Findings)
	}
}

// TestConfidentLearning gives probabilities of a known noise: two of ten labelled 0 are of class 1.
func TestConfidentLearning(t *testing.T) {
	var probs [][]float32
	var labels []int
	for i := range 20 {
		label, truth := i%2, i%2
		if i == 4 || i == 10 {
			truth = 1
		}
		p := []float32{0.1, 0.9}
		if truth == 0 {
			p = []float32{0.95, 0.05}
		}
		probs, labels = append(probs, p), append(labels, label)
	}
	l, suspects := check.ConfidentLearning(probs, labels, 2)
	if l.Pictures != 20 || l.Agreement != 0.9 || l.Estimate != 2 || cmp.Diff([][]float64{{8, 2}, {0, 10}}, l.Joint) != "" {
		t.Errorf("%+v", l)
	}
	if len(suspects) != 2 || suspects[0].Picture != 4 || suspects[1].Picture != 10 || suspects[0].Class != 1 {
		t.Errorf("suspects %+v", suspects)
	}
	if l, s := check.ConfidentLearning(nil, nil, 3); l.Estimate != 0 || len(s) != 0 {
		t.Errorf("of nothing: %+v %v", l, s)
	}
}

package check_test

import (
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/dataset"
	"graft/internal/transform"
)

const hotdog = "../../../shared/data/hotdog"

// TestPlantedCopies plants 20 scaled and compressed copies within training and 10
// training copies of test pictures, five of them byte for byte, among real photographs
// that have 19 pairs of their own, and counts what is found.
func TestPlantedCopies(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	files, _ := filepath.Glob(hotdog + "/*/*/*.jpg")
	if len(files) == 0 {
		t.Skip("../shared/data/hotdog is missing")
	}
	root := t.TempDir()
	var train, test []string
	for _, f := range files {
		rel, _ := filepath.Rel(hotdog, f)
		from, _ := filepath.Abs(f)
		to := filepath.Join(root, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(rel, "train") {
			train = append(train, to)
		} else {
			test = append(test, to)
		}
	}
	r := rand.New(rand.NewPCG(6, 6))
	planted := map[string]string{} // copy to original
	for i, k := range r.Perm(len(train))[:20] {
		to := filepath.Join(filepath.Dir(train[k]), "planted-"+filepath.Base(train[k]))
		again(t, train[k], to, 0.3+1.2*r.Float64(), 25+3*i)
		planted[to] = train[k]
	}
	for i, k := range r.Perm(len(test))[:10] {
		to := filepath.Join(root, "train", filepath.Base(filepath.Dir(test[k])), "planted-leak-"+filepath.Base(test[k]))
		planted[to] = test[k]
		if i%2 == 0 {
			again(t, test[k], to, 0.3+1.2*r.Float64(), 30+6*i)
			continue
		}
		b, err := os.ReadFile(test[k])
		if err == nil {
			err = os.WriteFile(to, b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	rep, _ := report(t, root)
	pairs, right := 0, map[string]bool{}
	for _, f := range rep.Findings {
		if f.Kind != "near-leak" && f.Kind != "near-duplicate" && f.Kind != "leak" && f.Kind != "duplicate" {
			continue
		}
		for _, g := range f.Groups {
			in := map[string]bool{}
			for _, p := range g.Pictures {
				in[p.Path] = true
			}
			explained := false
			for _, p := range g.Pictures {
				if from := planted[p.Path]; from != "" && in[filepath.ToSlash(from)] {
					right[p.Path], explained = true, true
				}
			}
			if !explained {
				pairs++
				if strings.HasPrefix(f.Kind, "near-") {
					t.Errorf("%s: %v were not planted", f.Kind, g.Pictures)
				}
			}
		}
	}
	t.Logf("planted copies found %d of %d, other pairs %d", len(right), len(planted), pairs)
	if len(right) != len(planted) {
		t.Errorf("found %d of %d planted copies", len(right), len(planted))
	}
	if pairs < 17 || pairs > 19 { // a planted copy may stand in one of these
		t.Errorf("%d pairs beside the planted ones, the photographs have 19", pairs)
	}
}

// again writes a scaled and newly compressed copy.
func again(t *testing.T, from, to string, scale float64, quality int) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dataset.Decode(b, dataset.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p = transform.Resize(p, max(8, int(float64(p.W)*scale)), max(8, int(float64(p.H)*scale)))
	img := image.NewRGBA(image.Rect(0, 0, p.W, p.H))
	for i := range p.W * p.H {
		img.SetRGBA(i%p.W, i/p.W, color.RGBA{p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2], 255})
	}
	write(t, to, img, quality)
}

package rundir

import (
	"errors"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/transform"
)

func model() *Model {
	b := graph.NewBuilder("tiny", graph.Shape{H: 2, W: 2, C: 3})
	x := b.BatchNorm("norm", b.Conv("conv", 0, 4, graph.Window{Kernel: 1, Stride: 1}, false))
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", x), 2), "fc")
	m := &Model{Name: "tiny", Classes: []string{"cat", "dog \"big\""}, Data: "abc", Version: "1", Graph: g, Steps: 7,
		Preprocess: transform.Preprocess{Resize: 40, Crop: 32, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, EXIF: "apply"}}
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		for j := range v {
			v[j] = float32(i) + float32(j)/16
		}
		m.Params = append(m.Params, v)
	}
	return m
}

func create(t *testing.T) *Dir {
	t.Helper()
	d, err := Create(filepath.Join(t.TempDir(), "a", "run"), false, &Config{Graft: "1", Model: "tiny", Data: Data{Name: "pets"}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestModelRoundTrip(t *testing.T) {
	d, m := create(t), model()
	if err := d.WriteBest(m); err != nil {
		t.Fatal(err)
	}
	got, err := ReadModel(d.Path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != m.Name || !slices.Equal(got.Classes, m.Classes) || got.Preprocess != m.Preprocess || got.Data != m.Data {
		t.Errorf("%+v", got)
	}
	for i, p := range m.Graph.Params {
		if v, ok := got.State.Get(p.Name); !ok || !slices.Equal(v.Data, m.Params[i]) {
			t.Errorf("%s changed", p.Name)
		}
	}
	if n, ok := got.State.Get("norm.num_batches_tracked"); !ok || n.Data[0] != 7 || len(n.Shape) != 0 {
		t.Errorf("PyTorch's counter is %+v", n)
	}
	m.Params[0][0] = float32(math.Inf(1))
	if err := d.WriteLast(m); err == nil {
		t.Error("a parameter that is no number was written")
	}
}

// TestFilesAppearWholeOrNotAtAll has writes that fail half-way, as on a full disk.
func TestFilesAppearWholeOrNotAtAll(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("before"), 0o644); err != nil {
		t.Fatal(err)
	}
	full := errors.New("no space left on device")
	err := writeFile(path, func(w io.Writer) error {
		w.Write(make([]byte, 1<<21))
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "before" {
		t.Errorf("the file became %q", b)
	}
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 1 {
		t.Errorf("%d files are left", len(list))
	}
}

func TestCheck(t *testing.T) {
	d := create(t)
	if err := Check(d.Path, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("an existing run: %v", err)
	}
	if err := Check(d.Path, true); err != nil {
		t.Error(err)
	}
	foreign := t.TempDir()
	keep := filepath.Join(foreign, "thesis.txt")
	if err := os.WriteFile(keep, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(foreign, true, &Config{Graft: "1"}); err == nil {
		t.Error("a folder that is no run was taken")
	}
	if _, err := os.Stat(keep); err != nil {
		t.Error("a file of the user's is gone")
	}
	if err := Check(keep, true); err == nil {
		t.Error("a file was taken for a directory")
	}
	if err := Check(t.TempDir(), false); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestForceReplacesOnlyTheRun(t *testing.T) {
	d := create(t)
	if err := d.WriteEpoch(Epoch{Event: "epoch", Epoch: 1, Loss: 0.5}); err != nil {
		t.Fatal(err)
	}
	note := filepath.Join(d.Path, "note.txt")
	if err := os.WriteFile(note, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(d.Path, true, &Config{Graft: "1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(d.Path, MetricsFile)); !errors.Is(err, os.ErrNotExist) {
		t.Error("the old metrics stayed")
	}
	if _, err := os.Stat(note); err != nil {
		t.Error("a file of the user's is gone")
	}
}

func TestNewerIsRefused(t *testing.T) {
	d := create(t)
	if err := os.WriteFile(filepath.Join(d.Path, ConfigFile), []byte(`{"format": 2, "graft_version": "9"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	var newer *NewerError
	if _, err := ReadModel(d.Path); !errors.As(err, &newer) || !strings.Contains(err.Error(), "graft 9") {
		t.Errorf("error %v", err)
	}
}

func TestCurves(t *testing.T) {
	d := create(t)
	for e := 1; e <= 3; e++ {
		if err := d.WriteEpoch(Epoch{Event: "epoch", Epoch: e, Loss: 1 / float64(e), TrainAcc: 0.5, TestAcc: 0.6}); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Open(filepath.Join(d.Path, CurvesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	colours := map[[3]uint32]bool{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}] = true
		}
	}
	for _, c := range curves {
		if !colours[[3]uint32{uint32(c.colour.R), uint32(c.colour.G), uint32(c.colour.B)}] {
			t.Errorf("the figure has no line for %s", c.name)
		}
	}
	b, err := os.ReadFile(filepath.Join(d.Path, MetricsFile))
	if err != nil || strings.Count(string(b), "\n") != 3 {
		t.Errorf("%d lines of metrics", strings.Count(string(b), "\n"))
	}
}

func TestRound(t *testing.T) {
	for in, want := range map[float64]float64{0: 0, 1.0 / 3: 0.333333, 123456.789: 123457, -2.5: -2.5} {
		if got := Round(in); got != want {
			t.Errorf("%g rounds to %g, want %g", in, got, want)
		}
	}
}

package model

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"graft/internal/graph"
	"graft/internal/weights"
)

// The positions of other numbers of patches are torchvision's; testdata/golden/networks/positions.py
// wrote them, and has the formula of the first ones.
func TestPositions(t *testing.T) {
	text, err := os.ReadFile("../../testdata/golden/networks/positions.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		From, To int
		Values   []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err)
	}
	for _, c := range cases {
		source := weights.Tensor{Shape: []int{1, 1 + c.From*c.From, 2}}
		for i := range 2 * source.Shape[1] {
			u := uint32(uint64(i)*2654435761 + uint64(crc32.ChecksumIEEE([]byte("positions"))))
			u ^= u >> 16
			u *= 0x85ebca6b
			u ^= u >> 13
			u *= 0xc2b2ae35
			u ^= u >> 16
			source.Data = append(source.Data, float32(float64(u)/(1<<31)-1))
		}
		p := graph.Param{Role: graph.Embedding, Shape: []int{1, 1 + c.To*c.To, 2}}
		got, ok := positions(p, source)
		if !ok || len(got) != len(c.Values) {
			t.Fatalf("%d to %d: %d values, want %d", c.From, c.To, len(got), len(c.Values))
		}
		for i, want := range c.Values {
			if math.Abs(float64(got[i])-want) > 2e-6 {
				t.Fatalf("%d to %d: value %d is %g, want %g", c.From, c.To, i, got[i], want)
			}
		}
	}
}

// A transformer of another image size begins with the same weights, its positions scaled; a model
// file is of its own size only.
func TestGraftOtherSize(t *testing.T) {
	build := func(classes, size int) *graph.Graph {
		b := transformerBuilder("small", size)
		x := b.Conv("conv_proj", 0, 8, graph.Window{Kernel: 16, Stride: 16}, true)
		x = b.FirstToken("token", b.Tokens("tokens", "class_token", "pos_embedding", x))
		return b.Graph(b.Linear("head", x, classes), "head")
	}
	g := build(3, 64)
	var list []weights.Tensor
	for i, v := range Initialise(g, 1) {
		list = append(list, weights.Tensor{Name: g.Params[i].Name, Shape: g.Params[i].Shape, Data: v})
	}
	file := filepath.Join(t.TempDir(), "small.safetensors")
	f, err := os.Create(file)
	if err == nil {
		err = weights.WriteSafetensors(f, list, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	source, err := weights.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	large := build(5, 96)
	values, err := Graft(large, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range large.Params {
		if len(values[i]) != p.Len() {
			t.Errorf("%s has %d values, not %d", p.Name, len(values[i]), p.Len())
		}
	}
	if _, err := Restore(build(3, 96), source); err == nil {
		t.Error("a model of another image size was restored")
	}
	if _, err := Restore(g, source); err != nil {
		t.Error(err)
	}
}

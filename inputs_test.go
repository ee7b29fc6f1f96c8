package graft

import (
	"bytes"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/dataset"
	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/transform"
)

// untrained opens a network with its first parameters.
func untrained(t testing.TB, name string, side int, o OpenOptions) *Classifier {
	t.Helper()
	m, err := model.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(3, side)
	path := filepath.Join(t.TempDir(), name+".safetensors")
	err = rundir.WriteModel(path, &rundir.Model{
		Name: name, Classes: []string{"a", "b", "c"}, Graph: g, Params: model.Initialise(g, 1),
		Preprocess: transform.Preprocess{Resize: side, Crop: side, Interpolation: "bilinear", Std: [3]float32{1, 1, 1}, EXIF: "apply"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenWith(path, o)
	if err != nil && o.Precision == BF16 {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// photographs are files of the built-in data.
func photographs(t testing.TB, n int) [][]byte {
	t.Helper()
	d, err := dataset.Open(context.Background(), "clothing", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := make([][]byte, n)
	for i := range files {
		if files[i], err = d.Test[i*len(d.Test)/n].Read(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// A picture's answer has the same bits alone and in a batch of any size, at any place in it.
func TestAnswersDoNotDependOnTheBatch(t *testing.T) {
	files := photographs(t, 5)
	for _, name := range []string{"squeezenet1_1", "resnet18", "mobilenet_v3_small"} {
		for _, precision := range []Precision{FP32, BF16} {
			t.Run(name+"/"+string(precision), func(t *testing.T) {
				c := untrained(t, name, 64, OpenOptions{Precision: precision})
				inputs := make([]*Input, len(files))
				alone := make([][]float32, len(files))
				for i, f := range files {
					var err error
					if inputs[i], err = c.Input(f, 0); err != nil {
						t.Fatal(err)
					}
					p, err := c.PredictBytes(context.Background(), f)
					if err != nil {
						t.Fatal(err)
					}
					alone[i] = p.Logits
				}
				for _, n := range []int{2, 5, 8, 33} {
					var batch []*Input
					for i := range n {
						batch = append(batch, inputs[i%len(inputs)])
					}
					got, err := c.PredictInputs(context.Background(), batch...)
					if err != nil {
						t.Fatal(err)
					}
					for i, p := range got {
						if !slices.Equal(p.Logits, alone[i%len(alone)]) {
							t.Fatalf("picture %d of %d has %v, alone %v", i, n, p.Logits, alone[i%len(alone)])
						}
					}
				}
			})
		}
	}
}

func TestInputs(t *testing.T) {
	c := untrained(t, "resnet20", 32, OpenOptions{Precision: FP32})
	file := photographs(t, 1)[0]
	want, err := c.PredictBytes(context.Background(), file)
	if err != nil {
		t.Fatal(err)
	}
	x, _, err := c.Tensors([][]byte{file})
	if err != nil {
		t.Fatal(err)
	}
	planes := make([]float32, len(x))
	for i, v := range x {
		planes[i%3*32*32+i/3] = v
	}
	in, err := c.InputTensor(planes)
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.PredictInputs(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0].Logits, want.Logits) || got[0].Label != want.Label {
		t.Errorf("the tensor has %v, its picture %v", got[0], want)
	}
	if _, err := c.InputTensor(planes[1:]); err == nil || !strings.Contains(err.Error(), "3x32x32") {
		t.Errorf("a tensor too short: %v", err)
	}
	if _, err := c.Input(file, 1000); err == nil || !strings.Contains(err.Error(), "limit of 1000") {
		t.Errorf("a picture too large: %v", err)
	}
	if _, err := c.Input(bytes.Repeat([]byte("x"), 100), 0); err == nil {
		t.Error("no picture was taken for one")
	}
}

// Package model knows the architectures that can be fine-tuned: one file a
// family with its paper, blocks, builder and table of published weights; the
// registry that names them; and the graft, which puts a new output layer on.
//
// It builds graphs and fills parameters from state dicts. It knows no engine
// and no data.
package model

import (
	"fmt"
	"slices"
	"strings"

	"graft/internal/spelling"

	"graft/internal/fetch"
	"graft/internal/graph"
	"graft/internal/transform"
)

// A Model is an architecture by name.
type Model struct {
	Name  string // torchvision's
	Paper string
	Size  int // side of the square pictures it was made for
	// Classes of the network its weights were trained with.
	Classes int
	// Build makes the network for pictures of size x size.
	Build func(classes, size int) *graph.Graph
	// Weights are the published ones; the first is what "auto" takes.
	Weights []Weights
}

// Weights are published parameters of a model.
type Weights struct {
	Tag        string // "imagenet1k_v1"
	Origin     string // who trained and published them
	Licence    string
	Top1       float64 // accuracy on the set they were trained on, per cent
	File       fetch.File
	Embedded   bool // inside the binary
	Preprocess transform.Preprocess
}

var registry []*Model

func register(m *Model) { registry = append(registry, m) }

// All returns every registered model, in order of family and size.
func All() []*Model { return registry }

// Find returns the model of that name; the error suggests near ones.
func Find(name string) (*Model, error) {
	i := slices.IndexFunc(registry, func(m *Model) bool { return m.Name == name })
	if i >= 0 {
		return registry[i], nil
	}
	var names []string
	for _, m := range registry {
		names = append(names, m.Name)
	}
	return nil, fmt.Errorf("no model is called %q%s; there are %s (see graft models)", name, spelling.Suggestion(name, names), strings.Join(names, ", "))
}

// Default is the weights that "auto" stands for, or nil where there are none.
func (m *Model) Default() *Weights {
	if len(m.Weights) == 0 {
		return nil
	}
	return &m.Weights[0]
}

// Preprocess is how pictures are made ready for the model.
func (m *Model) Preprocess() transform.Preprocess {
	if w := m.Default(); w != nil {
		return w.Preprocess
	}
	return imagenet(256, m.Size)
}

// imagenet is the preprocessing of torchvision's ImageNet classifiers.
func imagenet(resize, crop int) transform.Preprocess {
	return transform.Preprocess{
		Resize: resize, Crop: crop, Interpolation: "bilinear",
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.229, 0.224, 0.225},
		EXIF: "apply",
	}
}

// published is a file of torchvision's, whose name ends with the first eight
// hexadecimal digits of its SHA-256.
func published(tag, file string, bytes int64, top1 float64, resize int) Weights {
	hash := strings.TrimSuffix(file[strings.LastIndexByte(file, '-')+1:], ".pth")
	return Weights{
		Tag: tag, Origin: "torchvision", Licence: "BSD-3-Clause", Top1: top1,
		File:       fetch.File{Name: file, URL: "https://download.pytorch.org/models/" + file, SHA256Prefix: hash},
		Preprocess: imagenet(resize, 224),
	}
}

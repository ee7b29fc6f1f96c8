package model

import (
	"bytes"
	"context"
	"embed"
	"fmt"

	"graft/internal/weights"

	"graft/internal/fetch"
)

// SqueezeNet 1.1's ImageNet weights by Iandola et al. in half precision; the
// licence stands in NOTICE. Made by gen from a PyTorch file.
//
//go:generate go run ./gen ../../../shared/weights/squeezenet1_1-imagenet.pth squeezenet1_1.safetensors
//go:embed squeezenet1_1.safetensors
var embedded embed.FS

// Load returns the published weights: from the binary, the cache, or the
// network, in that order of what w says, never by what the cache happens to hold.
// progress, which may be nil, hears of bytes downloaded.
func (w *Weights) Load(ctx context.Context, progress func(done, total int64)) (*weights.StateDict, error) {
	if w.Embedded {
		b, err := embedded.ReadFile(w.File.Name)
		if err != nil {
			return nil, fmt.Errorf("embedded weights: %w", err)
		}
		return weights.Read(bytes.NewReader(b), int64(len(b)), w.File.Name)
	}
	path, err := fetch.Get(ctx, w.File, progress)
	if err != nil {
		return nil, err
	}
	return weights.Open(path)
}

// Cached reports whether the weights are at hand without the network.
func (w *Weights) Cached() bool { return w.Embedded || fetch.Cached(w.File) }

// LoadWeights is w.Load for a model's weights; nil stands for its default ones.
func LoadWeights(ctx context.Context, m *Model, w *Weights, progress func(done, total int64)) (*weights.StateDict, error) {
	if w == nil {
		w = m.Default()
	}
	if w == nil {
		return nil, fmt.Errorf("no weights are published for %s: give a file, or --weights none", m.Name)
	}
	return w.Load(ctx, progress)
}

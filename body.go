package graft

import (
	"context"
	"fmt"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/graph"
)

// A body is a network without its output layer: it makes features of pictures, the means
// over all places of what the output layer reads.
type body struct {
	net   engine.Network
	shape graph.Shape
	maps  []float32
}

// newBody compiles that of g; the caller loads its parameters and closes it.
func newBody(e engine.Engine, g *graph.Graph) (*body, error) {
	frozen, err := graph.Freeze(g, "all")
	if err != nil {
		return nil, err
	}
	lower, _, ok := graph.Split(g, frozen)
	if !ok {
		return nil, fmt.Errorf("%s has no body to take features of", g.Name)
	}
	b := &body{shape: lower.Nodes[lower.Logits].Out}
	b.maps = make([]float32, batchSize*b.shape.Len())
	b.net, err = e.Compile(lower, engine.Config{Batch: batchSize})
	return b, err
}

// features writes those of n pictures, at most batchSize.
func (b *body) features(dst, x []float32, n int) error {
	if err := b.net.Infer(x, n, b.maps); err != nil {
		return err
	}
	c, size := b.shape.C, b.shape.Len()
	for i := range n {
		average(dst[i*c:(i+1)*c], b.maps[i*size:(i+1)*size])
	}
	return nil
}

// of are the features of a loader's pictures, in the order of its samples; those of pictures that
// it leaves out are 0. Its batches are of at most batchSize.
func (b *body) of(ctx context.Context, l *dataset.Loader, progress func(done, total int)) ([]float32, error) {
	all, some := make([]float32, l.Len()*b.shape.C), make([]float32, batchSize*b.shape.C)
	done := 0
	for batch, err := range l.Epoch(ctx, 0) {
		if err == nil {
			clear(some)
			err = b.features(some, batch.X, batch.N)
		}
		if err != nil {
			return nil, err
		}
		for i, at := range batch.Index {
			copy(all[at*b.shape.C:(at+1)*b.shape.C], some[i*b.shape.C:])
		}
		done += batch.N
		progress(done, l.Len())
	}
	return all, nil
}

// Package eval measures a network on labelled pictures: the loss, the
// accuracy, which class is taken for which, and how well each class is found.
//
// It knows engine.Network and batches of pictures. It knows neither where the
// pictures come from nor what is done with the numbers.
package eval

import (
	"context"
	"fmt"
	"iter"
	"math"

	"graft/internal/dataset"
	"graft/internal/engine"
)

// A Result is what an evaluation found.
type Result struct {
	N         int     // pictures
	Loss      float64 // mean cross-entropy
	Accuracy  float64 // share of the pictures whose most probable class is their label
	Confusion [][]int // Confusion[label][predicted]
}

// A Visit is called for each batch with its logits, b.N x classes; the slice is used
// again for the next batch.
type Visit func(b *dataset.Batch, logits []float32) error

// Run infers every batch with net, which was compiled for classes classes.
// visit may be nil. A cancelled context ends it between two batches.
func Run(ctx context.Context, net engine.Network, classes int, batches iter.Seq2[*dataset.Batch, error], visit Visit) (*Result, error) {
	r := &Result{Confusion: make([][]int, classes)}
	for i := range r.Confusion {
		r.Confusion[i] = make([]int, classes)
	}
	var logits []float32
	correct := 0
	for b, err := range batches {
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if need := b.N * classes; len(logits) < need {
			logits = make([]float32, need)
		}
		if err := net.Infer(b.X, b.N, logits); err != nil {
			return nil, err
		}
		for i := range b.N {
			row, label := logits[i*classes:(i+1)*classes], int(b.Labels[i])
			if label < 0 || label >= classes {
				return nil, fmt.Errorf("picture %d of the batch: %w (label %d of %d classes)", i, engine.ErrLabel, label, classes)
			}
			r.Loss += CrossEntropy(row, label)
			best := Largest(row)
			r.Confusion[label][best]++
			if best == label {
				correct++
			}
		}
		r.N += b.N
		if visit != nil {
			if err := visit(b, logits[:b.N*classes]); err != nil {
				return nil, err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.N == 0 {
		return nil, fmt.Errorf("there is no picture to evaluate")
	}
	r.Loss /= float64(r.N)
	r.Accuracy = float64(correct) / float64(r.N)
	return r, nil
}

// CrossEntropy is -log of the label's softmax probability.
func CrossEntropy(logits []float32, label int) float64 {
	top := float64(logits[Largest(logits)])
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	return math.Log(sum) + top - float64(logits[label])
}

// Softmax replaces logits by probabilities.
func Softmax(logits []float32) {
	top := float64(logits[Largest(logits)])
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	for i, v := range logits {
		logits[i] = float32(math.Exp(float64(v)-top) / sum)
	}
}

// Largest is the index of the largest value, the first if several.
func Largest(v []float32) int {
	best := 0
	for i := range v {
		if v[i] > v[best] {
			best = i
		}
	}
	return best
}

package eval

import (
	"context"
	"iter"
	"math"
	"testing"

	"graft/internal/dataset"
	"graft/internal/engine"

	"github.com/google/go-cmp/cmp"
)

// answers is a network that answers with what the pictures hold.
type answers struct{ engine.Network }

func (answers) Infer(x []float32, n int, logits []float32) error {
	copy(logits, x[:3*n])
	return nil
}

func batches(labels []int32, logits []float32) iter.Seq2[*dataset.Batch, error] {
	return func(yield func(*dataset.Batch, error) bool) {
		for i := 0; i < len(labels); i += 2 {
			n := min(2, len(labels)-i)
			if !yield(&dataset.Batch{X: logits[3*i : 3*(i+n)], Labels: labels[i : i+n], N: n}, nil) {
				return
			}
		}
	}
}

func TestRun(t *testing.T) {
	// Labels 0 0 1 1 1, answered 0 1 1 1 0; class 2 never appears.
	r, err := Run(context.Background(), answers{}, 3, batches([]int32{0, 0, 1, 1, 1},
		[]float32{2, 0, 0, 0, 2, 0, 0, 2, 0, 0, 2, 0, 2, 0, 0}), nil)
	if err != nil {
		t.Fatal(err)
	}
	hit, miss := math.Log(math.Exp(2)+2)-2, math.Log(math.Exp(2)+2)
	if math.Abs(r.Accuracy-0.6) > 1e-12 || math.Abs(r.Loss-(3*hit+2*miss)/5) > 1e-9 || r.N != 5 {
		t.Errorf("%+v", r)
	}
	if d := cmp.Diff([][]int{{1, 1, 0}, {1, 2, 0}, {0, 0, 0}}, r.Confusion); d != "" {
		t.Error(d)
	}
	want := []Class{
		{"a", 0.5, 0.5, 0.5, 2, false},
		{"b", 2. / 3, 2. / 3, 2. / 3, 3, false},
		{"c", 0, 0, 0, 0, true},
	}
	if d := cmp.Diff(want, r.Classes([]string{"a", "b", "c"})); d != "" {
		t.Error(d)
	}
}

func TestRunRefuses(t *testing.T) {
	if _, err := Run(context.Background(), answers{}, 3, batches(nil, nil), nil); err == nil {
		t.Error("no pictures were evaluated")
	}
	if _, err := Run(context.Background(), answers{}, 3, batches([]int32{3}, []float32{0, 0, 0}), nil); err == nil {
		t.Error("a label outside the classes was accepted")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, answers{}, 3, batches([]int32{0}, []float32{0, 0, 0}), nil); err == nil {
		t.Error("went on without its context")
	}
}

func TestSoftmaxOfLargeLogits(t *testing.T) {
	v := []float32{1000, 1000, -1000}
	Softmax(v)
	if d := cmp.Diff([]float32{0.5, 0.5, 0}, v); d != "" {
		t.Error(d)
	}
	if got := CrossEntropy([]float32{1000, 0}, 1); math.Abs(got-1000) > 1e-6 {
		t.Errorf("cross-entropy %g", got)
	}
}

package check

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"

	"graft/internal/dataset"
)

// Folds is how many parts of the pictures are judged by a head that learnt from the others.
const Folds = 5

// foldsOf divides samples into Folds parts: copies of a picture and groups together, each
// class spread evenly. It depends on order and seed alone.
func foldsOf(d *dataset.Dataset, samples []dataset.Sample, seed uint64) []int {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(len(samples))
	folds, next, at := make([]int, len(samples)), make([]int, len(d.Classes)), map[int]int{}
	sets := d.Together(samples)
	for _, i := range order {
		f, ok := at[sets[i]]
		if !ok {
			f = next[samples[i].Class] % Folds
			next[samples[i].Class]++
			at[sets[i]] = f
		}
		folds[i] = f
	}
	return folds
}

// OutOfSample gives every sample's class probabilities by a logistic regression that
// learnt from the features of the other folds. Features are samples x size, and are standardised in
// place. The same seed gives the same bits.
func OutOfSample(ctx context.Context, d *dataset.Dataset, samples []dataset.Sample, features []float32, seed uint64, threads int) ([][]float32, error) {
	size := len(features) / max(len(samples), 1)
	standardise(features, size)
	folds := foldsOf(d, samples, seed)
	probs := make([][]float32, len(samples))
	var all sync.WaitGroup
	slots := make(chan struct{}, max(threads, 1))
	for f := range Folds {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			h := newHead(len(d.Classes), size)
			var learn []int
			for i := range samples {
				if folds[i] != f {
					learn = append(learn, i)
				}
			}
			h.learn(ctx, samples, features, learn, rand.New(rand.NewPCG(seed, uint64(f)+1)))
			for i := range samples {
				if folds[i] == f {
					probs[i] = make([]float32, len(d.Classes))
					h.probabilities(features[i*size:(i+1)*size], probs[i])
				}
			}
		})
	}
	all.Wait()
	return probs, ctx.Err()
}

// standardise gives every sample length 1, then every feature mean 0 and deviation 1
// over the samples.
func standardise(x []float32, size int) {
	for at := 0; at < len(x); at += size {
		row := x[at : at+size]
		squares := 0.0
		for _, v := range row {
			squares += float64(v) * float64(v)
		}
		for k := range row {
			row[k] = float32(float64(row[k]) / math.Sqrt(max(squares, 1e-12)))
		}
	}
	n := float64(len(x) / max(size, 1))
	for k := range size {
		var sum, squares float64
		for i := k; i < len(x); i += size {
			v := float64(x[i])
			sum += v
			squares += v * v
		}
		mean := sum / n
		scale := 0.0
		if v := squares/n - mean*mean; v > 1e-14 {
			scale = 1 / math.Sqrt(v)
		}
		for i := k; i < len(x); i += size {
			x[i] = float32((float64(x[i]) - mean) * scale)
		}
	}
}

// A head is multinomial logistic regression.
type head struct {
	classes, size int
	w, b          []float32 // w is classes x size
}

func newHead(classes, size int) *head {
	return &head{classes, size, make([]float32, classes*size), make([]float32, classes)}
}

// Settings of the head, for standardised features: strongly regularised, so that a few
// wrong labels do not bend it. docs/data.md has what else was tried.
const (
	headRate   = 1.0 // over the number of features, which is the mean square of their norm
	headDecay  = 0.3
	headSteps  = 60_000 // samples seen, within these numbers of epochs
	headEpochs = 30
	headLeast  = 4
)

// learn runs stochastic gradient descent, one sample a step, with a rate that falls to
// zero.
func (h *head) learn(ctx context.Context, samples []dataset.Sample, x []float32, learn []int, r *rand.Rand) {
	if len(learn) == 0 {
		return
	}
	epochs := max(headLeast, min(headEpochs, headSteps/len(learn)))
	p := make([]float32, h.classes)
	total := epochs * len(learn)
	step := 0
	for range epochs {
		if ctx.Err() != nil {
			return
		}
		for _, k := range r.Perm(len(learn)) {
			i := learn[k]
			rate := float32(headRate / float64(h.size) * (1 - float64(step)/float64(total)))
			row := x[i*h.size : (i+1)*h.size]
			h.probabilities(row, p)
			for c := range p {
				g := p[c]
				if c == samples[i].Class {
					g--
				}
				w := h.w[c*h.size : (c+1)*h.size]
				keep, g := 1-rate*headDecay, rate*g
				for j, v := range row {
					w[j] = w[j]*keep - g*v
				}
				h.b[c] -= g
			}
			step++
		}
	}
}

func (h *head) probabilities(x, p []float32) {
	top := float32(math.Inf(-1))
	for c := range p {
		var a0, a1, a2, a3 float32
		w := h.w[c*h.size : (c+1)*h.size]
		j := 0
		for ; j+4 <= len(w); j += 4 {
			a0 += w[j] * x[j]
			a1 += w[j+1] * x[j+1]
			a2 += w[j+2] * x[j+2]
			a3 += w[j+3] * x[j+3]
		}
		for ; j < len(w); j++ {
			a0 += w[j] * x[j]
		}
		p[c] = h.b[c] + (a0 + a1) + (a2 + a3)
		top = max(top, p[c])
	}
	var sum float64
	for c := range p {
		e := math.Exp(float64(p[c] - top))
		p[c] = float32(e)
		sum += e
	}
	for c := range p {
		p[c] = float32(float64(p[c]) / sum)
	}
}

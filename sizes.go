package graft

import (
	"fmt"
	"math"

	"graft/internal/engine"
	"graft/internal/graph"
)

// sizeStep is what sides of learning pictures are a multiple of: networks halve them five times.
const sizeStep = 32

// trainSide is the side of the squares to learn from, for a share of the one that the network
// sees otherwise.
func (s *session) trainSide(share float64) int {
	if share == 0 || share == 1 || s.ofOneSize() {
		return s.pre.Crop
	}
	side := sizeStep * int(math.Round(share*float64(s.pre.Crop)/sizeStep))
	return min(max(side, sizeStep), s.pre.Crop)
}

// ofOneSize reports whether parameters depend on the pictures' size: a transformer's positions do.
func (s *session) ofOneSize() bool {
	for _, p := range s.graph.Params {
		if p.Role == graph.Embedding {
			return true
		}
	}
	return false
}

// checkSize says where a share of the size comes to nothing.
func (s *session) checkSize() {
	if share := s.recipe.TrainSize; share != 0 && share != 1 && s.ofOneSize() {
		s.c.Events(Warning{fmt.Sprintf("%s learns from pictures of %d pixels, not of a share of them: its positions are for one size", s.model.Name, s.pre.Crop)})
	}
}

// A resized network learns from pictures of one size and judges those of another, with the
// same parameters (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
type resized struct {
	engine.Network                // learns
	judge          engine.Network // compiled for inference
	graph          *graph.Graph
	stale          bool // the judge's parameters are of before
	buffer         []float32
}

func newResized(learns, judge engine.Network, g *graph.Graph) *resized {
	n := 0
	for _, p := range g.Params {
		n = max(n, p.Len())
	}
	return &resized{Network: learns, judge: judge, graph: g, stale: true, buffer: make([]float32, n)}
}

func (r *resized) Load(param int, v []float32) {
	r.stale = true
	r.Network.Load(param, v)
}

// Gradients makes the judge stale too: batch norm's running statistics follow each batch.
func (r *resized) Gradients(b engine.Batch, p engine.Pass) (engine.Result, error) {
	r.stale = true
	return r.Network.Gradients(b, p)
}

func (r *resized) Update(u engine.Update) {
	r.stale = true
	r.Network.Update(u)
}

func (r *resized) Swap() {
	r.stale = true
	r.Network.Swap()
}

// Infer asks the judge, which gets the parameters as they are now.
func (r *resized) Infer(x []float32, n int, logits []float32) error {
	if r.stale {
		for i, p := range r.graph.Params {
			v := r.buffer[:p.Len()]
			r.Network.Read(i, v)
			r.judge.Load(i, v)
		}
		r.stale = false
	}
	return r.judge.Infer(x, n, logits)
}

// Bytes is the memory of both.
func (r *resized) Bytes() int { return r.Network.Bytes() + r.judge.Bytes() }

// Close closes both.
func (r *resized) Close() {
	r.Network.Close()
	r.judge.Close()
}

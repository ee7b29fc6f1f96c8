package model

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"graft/internal/graph"
	"graft/internal/weights"
)

// Initialise returns first values for every parameter of g, drawn as their
// Init says: training from scratch, by torchvision's rules. Each parameter's
// draws depend on the seed and its name only.
func Initialise(g *graph.Graph, seed uint64) [][]float32 {
	values := make([][]float32, len(g.Params))
	for i, p := range g.Params {
		values[i] = draw(p, p.Init, seed)
	}
	return values
}

// Graft returns values for every parameter of g: those of the body copied from
// source, the output layer new, its weights Xavier-uniform (Glorot and Bengio
// 2010) and its bias zero. The source's own output layer may have any width, and
// a transformer's positions are scaled to g's number of patches.
// Parameters that are missing, extra or misshapen are all named in the error.
func Graft(g *graph.Graph, source *weights.StateDict, seed uint64) ([][]float32, error) {
	values, err := fill(g, source, true)
	if err != nil {
		return nil, err
	}
	for i, p := range g.Params {
		if !g.InHead(i) {
			continue
		}
		init := graph.Init{}
		if p.Role == graph.Weight {
			fans := float64(p.Len()/p.Shape[0] + p.Len()/p.Shape[1])
			init = graph.Init{Dist: graph.Uniform, V: math.Sqrt(6 / fans)}
		}
		values[i] = draw(p, init, seed)
	}
	return values, nil
}

// Restore returns values for every parameter of g from a state dict of the
// same network, output layer included.
func Restore(g *graph.Graph, source *weights.StateDict) ([][]float32, error) {
	return fill(g, source, false)
}

func fill(g *graph.Graph, source *weights.StateDict, skipHead bool) ([][]float32, error) {
	source = renamed(g, source)
	var want []weights.Spec
	scaled := map[int][]float32{}
	for i, p := range g.Params {
		if skipHead && g.InHead(i) {
			if t, ok := source.Get(p.Name); ok { // any width will do
				want = append(want, weights.Spec{Name: p.Name, Shape: t.Shape})
			}
			continue
		}
		spec := weights.Spec{Name: p.Name, Shape: p.Shape}
		if t, ok := source.Get(p.Name); ok && skipHead {
			if v, ok := positions(p, t); ok {
				spec.Shape, scaled[i] = t.Shape, v
			}
		}
		want = append(want, spec)
	}
	if err := weights.Match(want, source); err != nil {
		return nil, err
	}
	values := make([][]float32, len(g.Params))
	for i, p := range g.Params {
		if t, ok := source.Get(p.Name); ok && !(skipHead && g.InHead(i)) {
			values[i] = t.Data
			if v, ok := scaled[i]; ok && !slices.Equal(t.Shape, p.Shape) {
				values[i] = v
			}
		}
	}
	return values, nil
}

func draw(p graph.Param, init graph.Init, seed uint64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(p.Name))
	r := rand.New(rand.NewPCG(seed, h.Sum64()))
	v := make([]float32, p.Len())
	for i := range v {
		switch init.Dist {
		case graph.Constant:
			v[i] = float32(init.V)
		case graph.Normal:
			v[i] = float32(r.NormFloat64() * init.V)
		case graph.Uniform:
			v[i] = float32((2*r.Float64() - 1) * init.V)
		}
	}
	return v
}

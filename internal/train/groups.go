package train

import (
	"math"
	"slices"

	"graft/internal/engine"
	"graft/internal/graph"
)

// A Group is the parameters that share a rate, a weight decay and a pull.
type Group struct {
	Name        string
	Params      []int   // indices into the graph's parameters, buffers left out
	RateX       float64 // multiple of the schedule's rate
	WeightDecay float64
	Anchor      float64 // pull toward the weights that training began with
}

// Groups sorts the parameters: with r.Groups the output layer, new and to learn fast,
// apart from the rest, and with a layer decay every block of the rest apart; else all in
// one. Biases and batch norms without decay are groups of their own.
func Groups(g *graph.Graph, r Recipe) []Group {
	var groups []Group
	depth := depths(g)
	for i, p := range g.Params {
		if p.Buffer() {
			continue
		}
		group := Group{Name: "body", RateX: 1, WeightDecay: r.WeightDecay, Anchor: r.L2SP}
		switch {
		case g.InHead(i):
			group.Name, group.RateX, group.Anchor = "head", r.HeadLRX, 0
		case r.LayerDecay != 0 && r.LayerDecay != 1:
			d := depth[i]
			group.Name, group.RateX = d.block, math.Pow(r.LayerDecay, float64(d.behind))
		}
		if !r.Groups {
			group.Name, group.RateX = "all", 1
			if g.InHead(i) && r.L2SP != 0 {
				group.Name = "head"
			}
		}
		if !r.NormDecay && len(p.Shape) == 1 {
			group.Name, group.WeightDecay = group.Name+", not decayed", 0
		}
		k := slices.IndexFunc(groups, func(other Group) bool { return other.Name == group.Name })
		if k < 0 {
			k = len(groups)
			groups = append(groups, group)
		}
		groups[k].Params = append(groups[k].Params, i)
	}
	return groups
}

// A place is a parameter's block, and how many blocks of the body lie behind it.
type place struct {
	block  string
	behind int
}

func depths(g *graph.Graph) map[int]place {
	places := map[int]place{}
	var blocks []string
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if n.Kind != graph.Forward {
			continue
		}
		for _, p := range n.Params {
			if g.InHead(p) {
				continue
			}
			b := graph.BlockOf(n.Name)
			if !slices.Contains(blocks, b) {
				blocks = append(blocks, b)
			}
			places[p] = place{block: b}
		}
	}
	for p, at := range places {
		places[p] = place{at.block, len(blocks) - 1 - slices.Index(blocks, at.block)}
	}
	return places
}

// setRates writes an update's rates and decays for a step at the given rate.
func setRates(u *engine.Update, groups []Group, rate float64) {
	for _, g := range groups {
		for _, p := range g.Params {
			u.Rate[p] = float32(rate * g.RateX)
			u.Decay[p] = float32(g.WeightDecay)
			if u.Anchor != nil {
				u.Anchor[p] = float32(g.Anchor)
			}
		}
	}
}

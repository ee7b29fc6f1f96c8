package train

import (
	"graft/internal/engine"
	"graft/internal/graph"
)

// A Group is the parameters that share a rate and a weight decay.
type Group struct {
	Name        string
	Params      []int   // indices into the graph's parameters, buffers left out
	RateX       float64 // multiple of the schedule's rate
	WeightDecay float64
}

// Groups sorts the parameters: with r.Groups the output layer, new and to
// learn fast, apart from the rest; else all in one.
func Groups(g *graph.Graph, r Recipe) []Group {
	body := Group{Name: "body", RateX: 1, WeightDecay: r.WeightDecay}
	head := Group{Name: "head", RateX: r.HeadLRX, WeightDecay: r.WeightDecay}
	if !r.Groups {
		body.Name = "all"
	}
	for i, p := range g.Params {
		switch {
		case p.Buffer():
		case r.Groups && g.InHead(i):
			head.Params = append(head.Params, i)
		default:
			body.Params = append(body.Params, i)
		}
	}
	if !r.Groups {
		return []Group{body}
	}
	return []Group{body, head}
}

// setRates writes an update's rates and decays for a step at the given rate.
func setRates(u *engine.Update, groups []Group, rate float64) {
	for _, g := range groups {
		for _, p := range g.Params {
			u.Rate[p] = float32(rate * g.RateX)
			u.Decay[p] = float32(g.WeightDecay)
		}
	}
}

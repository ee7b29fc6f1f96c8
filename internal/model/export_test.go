package model

import "graft/internal/graph"

// ForeignNames are the parameters' names in the first naming known for g.
func ForeignNames(g *graph.Graph) []string {
	var names []string
	for _, p := range g.Params {
		names = append(names, namings[g.Name][0](p.Name))
	}
	return names
}

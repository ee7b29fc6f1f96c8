package graft

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"graft/internal/dataset"
)

// classWeights are those of the recipe's class-weights, nil for none: auto gives a class
// pictures / (classes x its pictures), so that all count alike; name=weight names some,
// the others weigh 1.
func (s *session) classWeights() ([]float32, error) {
	what := s.recipe.Classes
	if what == "" || what == "none" {
		return nil, nil
	}
	weights := make([]float32, len(s.data.Classes))
	if what == "auto" {
		for c, n := range s.data.Counts(dataset.Train) {
			weights[c] = float32(float64(len(s.data.Train)) / float64(len(weights)*max(n, 1)))
		}
		return weights, nil
	}
	for i := range weights {
		weights[i] = 1
	}
	for part := range strings.SplitSeq(what, ",") {
		name, value, _ := strings.Cut(part, "=")
		w, err := strconv.ParseFloat(strings.TrimSpace(value), 32)
		if err != nil || !(w > 0) || w > 1e6 {
			return nil, fmt.Errorf("class-weights %q: NAME=WEIGHT with a weight above 0, separated by commas, or auto", part)
		}
		c := slices.Index(s.data.Classes, strings.TrimSpace(name))
		if c < 0 {
			return nil, fmt.Errorf("class-weights: no class is called %q; there are %s", name, strings.Join(s.data.Classes, ", "))
		}
		weights[c] = float32(w)
	}
	return weights, nil
}

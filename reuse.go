package graft

import (
	"fmt"
	"os"

	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/weights"
)

// from has training begin with the model of a run, all but its output layer if the classes differ.
func (s *session) from() error {
	c := &s.c
	if c.From == "" {
		return nil
	}
	file, err := rundir.Find(c.From)
	if err != nil {
		return fmt.Errorf("--from %s: %w", c.From, err)
	}
	m, err := rundir.ReadModel(file)
	if err != nil {
		return fmt.Errorf("--from: %w", err)
	}
	c.Model, c.Weights = m.Name, file
	return nil
}

// Reused says with which rows of the old output layer the classes begin that have any.
type Reused struct{ Matches []model.Match }

// reuseHead does what the recipe's reuse-head says.
func (s *session) reuseHead(values [][]float32, source *weights.StateDict) error {
	var mapping map[string][]string
	switch what := s.recipe.ReuseHead; what {
	case "", "none":
		return nil
	case "auto":
	default:
		text, err := os.ReadFile(what)
		if err != nil {
			return fmt.Errorf("--reuse-head: %w (auto, none, or a file)", err)
		}
		if mapping, err = model.ParseMap(string(text)); err != nil {
			return fmt.Errorf("--reuse-head %s: %w", what, err)
		}
	}
	matches, err := model.ReuseHead(s.graph, values, source, s.data.Classes, mapping)
	if err != nil {
		return fmt.Errorf("--reuse-head %s: %w", s.recipe.ReuseHead, err)
	}
	s.c.Events(Reused{matches})
	return nil
}

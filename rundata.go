package graft

import (
	"context"
	"fmt"

	"graft/internal/model"
	"graft/internal/rundir"
)

// reopened is the session of a run that is there with its pictures opened, split as they were, and
// nothing compiled. data is where they lie now, "" where they lay.
func reopened(ctx context.Context, run, data string, events func(Event)) (*session, error) {
	s, err := resumed(ResumeConfig{Run: run, Events: events})
	if err != nil {
		return nil, err
	}
	if data != "" {
		s.c.Data = data
	}
	if s.model, err = model.Find(s.c.Model); err != nil {
		return nil, err
	}
	m, err := rundir.ReadModel(run)
	if err != nil {
		return nil, err
	}
	s.pre = m.Preprocess
	if err := s.see(); err != nil {
		return nil, err
	}
	s.pre = m.Preprocess
	if err := s.openData(ctx); err != nil {
		return nil, fmt.Errorf("the pictures that %s was trained on: %w", run, err)
	}
	return s, nil
}

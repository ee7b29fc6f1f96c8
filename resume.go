package graft

import (
	"context"
	"encoding/json"
	"fmt"

	"graft/internal/rundir"
	"graft/internal/train"
)

// ResumeConfig says which run to go on with.
type ResumeConfig struct {
	Run    string      // its directory
	Events func(Event) // as Config's
}

// Resume goes on with a run that was interrupted, or killed, from its newest checkpoint: its
// model files become, bit for bit, what they would have been without the interruption, on the
// same kind of processor. A checkpoint that is damaged is refused with a Warning, and the one
// before it used.
func Resume(ctx context.Context, c ResumeConfig) (*Run, error) {
	s, err := resumed(c)
	if err != nil {
		return nil, err
	}
	if rundir.Finished(c.Run) {
		return nil, fmt.Errorf("%s is finished: graft extend %s --epochs N goes on with it, graft train DATA --from %s begins a new run with its model", c.Run, c.Run, c.Run)
	}
	return s.begin(ctx)
}

// resumed is the session of a run that is there.
func resumed(c ResumeConfig) (*session, error) {
	old, err := rundir.ReadConfig(c.Run)
	if err != nil {
		return nil, fmt.Errorf("%s is no run: %w", c.Run, err)
	}
	if old.Call == nil {
		return nil, fmt.Errorf("%s was made by graft %s, which kept no checkpoints", c.Run, old.Graft)
	}
	s := &session{resumes: c.Run, recipe: old.Full}
	if err := json.Unmarshal(old.Call, &s.c); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Run, err)
	}
	s.c.Out, s.c.Events, s.extended = c.Run, c.Events, old.Extended
	return s, nil
}

// findCheckpoint reads the newest one that is whole.
func (s *session) findCheckpoint() error {
	c, refused, err := rundir.ReadCheckpoint(s.resumes, s.graph)
	if err != nil {
		return err
	}
	for _, r := range refused {
		s.c.Events(Warning{"a checkpoint is refused, the one before it is used: " + r})
	}
	s.resume = c
	return s.goOn()
}

// reopen goes on in the run's directory.
func (s *session) reopen() error {
	var err error
	if s.dir, err = rundir.Reopen(s.resumes, s.resume.Position.Finished); err != nil {
		return err
	}
	was := s.dir.Config
	if was.Data.Fingerprint != s.data.Fingerprint {
		return fmt.Errorf("%s was trained on other pictures than %s has now (fingerprint %.12s, now %.12s): go on with a new run, graft train %s --from %s",
			s.resumes, s.c.Data, was.Data.Fingerprint, s.data.Fingerprint, s.c.Data, s.resumes)
	}
	if device := s.engine.Device(); was.Machine.Device != device {
		s.c.Events(Warning{fmt.Sprintf("the run began on %s and goes on on %s: the bits may differ from an uninterrupted run's", was.Machine.Device, device)})
	}
	s.origin = was.Weights
	_, sentence := s.chosenOn()
	s.announce(sentence, was.Settings.Loss, was.Settings.Threads)
	if s.extends {
		return s.extend()
	}
	at := s.resume.Position
	s.c.Events(Resuming{Epoch: at.Finished + 1, Batches: at.Batches})
	return nil
}

// Resuming says where a run goes on: in which epoch, after how many batches of it.
type Resuming struct{ Epoch, Batches int }

// save writes a checkpoint.
func (s *session) save(c *train.Checkpoint) error { return s.dir.WriteCheckpoint(s.graph, c) }

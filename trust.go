package graft

import (
	"errors"
	"fmt"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// A Calibration makes a model's probabilities ones to believe; docs/unknown.md explains it.
type Calibration = eval.Calibration

// ReadCalibration returns that of a run's best model, or of a model file; nil where the run
// had no validation pictures to fit it on.
func ReadCalibration(path string) (*Calibration, error) {
	m, err := rundir.ReadModel(path)
	if err != nil {
		return nil, err
	}
	return m.Calibration, nil
}

// Trust says which answers of a classifier count, and what is said beside them. It needs a model
// that was trained with validation pictures; docs/unknown.md explains it.
type Trust struct {
	// Raw leaves probabilities as the network has them, without calibration.
	Raw bool
	// Sure answers Unknown where the probability is below the threshold at which so large a
	// share of the answers was right on the validation pictures; 0 asks for nothing.
	Sure float64
	// Threshold answers Unknown where the probability is below it.
	Threshold float64
	// Accept answers Unknown for pictures that look like none of the training pictures, so that a
	// share Accept of pictures like the validation pictures is still answered, as 0.95; 0 is off.
	Accept float64
	// Coverage gives each answer a set of classes that holds the right one so often; 0 gives none.
	Coverage float64
}

// Unknown is the label of an answer that does not count.
const Unknown = "unknown"

// Why an answer is Unknown.
const (
	Unsure = "unsure" // no class is probable enough
	Unlike = "unlike" // the picture looks like none of the training pictures
)

// A judge applies Trust.
type judge struct {
	Trust
	calibration *eval.Calibration
	neighbours  *eval.Neighbours
	selection   *eval.Selection // of Sure
	least       float64         // probability that counts
	inSet       float64
	far         float64 // the distance beyond which a picture is unlike
}

func newJudge(t Trust, m *rundir.Model, file string) (*judge, error) {
	for _, share := range []struct {
		name string
		v    float64
	}{{"precision", t.Sure}, {"threshold", t.Threshold}, {"share of accepted pictures", t.Accept}, {"coverage", t.Coverage}} {
		if !(share.v >= 0 && share.v < 1) {
			return nil, fmt.Errorf("a %s of %g is not between 0 and 1", share.name, share.v)
		}
	}
	j := &judge{Trust: t, least: t.Threshold, calibration: m.Calibration}
	if t.Raw && (t.Sure > 0 || t.Coverage > 0) {
		return nil, errors.New("a stated precision or coverage needs calibrated probabilities, not raw ones")
	}
	if t.Raw {
		j.calibration = nil
	}
	missing := "%s was trained without validation pictures, so it does not know %s: train with --validation 0.1"
	if (t.Sure > 0 || t.Coverage > 0) && j.calibration == nil {
		return nil, fmt.Errorf(missing, file, "how sure it is")
	}
	if t.Sure > 0 {
		s, err := j.calibration.Sure(t.Sure)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		j.selection, j.least = &s, max(j.least, s.Threshold)
	}
	if t.Coverage > 0 {
		j.inSet = j.calibration.SetThreshold(t.Coverage)
	}
	if t.Accept > 0 {
		if j.neighbours = m.Neighbours; j.neighbours == nil {
			if m.Calibration != nil {
				missing = "%s is of a run that was interrupted, so it does not know %s: graft resume ends the run"
			}
			return nil, fmt.Errorf(missing, file, "what its training pictures look like")
		}
		j.far = max(j.neighbours.Threshold(t.Accept), 1e-6)
	}
	return j, nil
}

// judge completes a prediction whose probabilities are there.
func (j *judge) judge(p *Prediction, probs []float32, classes []string, features []float32) {
	if j.Coverage > 0 {
		for _, k := range eval.Set(probs, j.inSet) {
			p.Set = append(p.Set, classes[k])
		}
	}
	if j.neighbours != nil {
		p.OOD = j.neighbours.Distance(features) / j.far
	}
	switch {
	case j.neighbours != nil && p.OOD > 1:
		p.Reason = Unlike
	case p.Prob < j.least:
		p.Reason = Unsure
	}
	if p.Reason != "" {
		p.Label, p.Unknown = Unknown, true
	}
}

// Selection is what Trust.Sure came to: the threshold, and what the validation pictures say of
// it. ok is false where nothing was asked.
func (c *Classifier) Selection() (s eval.Selection, ok bool) {
	if c.judge.selection == nil {
		return s, false
	}
	return *c.judge.selection, true
}

// Calibration is the model's, nil where it has none.
func (c *Classifier) Calibration() *Calibration { return c.calibration }

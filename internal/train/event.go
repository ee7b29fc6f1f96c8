package train

import "time"

// An Event is something that happened in a run: a Progress, Epoch or Done.
type Event interface{ event() }

// A Phase is what a run is doing in an epoch.
type Phase string

// The phases of an epoch, in order; Validating only where there are such pictures.
const (
	Training   Phase = "train"
	Validating Phase = "val"
	Testing    Phase = "test"
)

// Progress tells how far a phase has come. It is sent at most ten times a
// second, and at the phase's end.
type Progress struct {
	Phase        Phase
	Epoch        int // from 1
	Epochs       int
	Images       int // seen in this phase
	TotalImages  int
	Loss         float64 // running mean over the epoch
	Accuracy     float64 // running
	ImagesPerSec float64 // in this phase, waits for data included
}

// Epoch is what an epoch ended with.
type Epoch struct {
	Epoch        int     // from 1
	Loss         float64 // running mean over the epoch's augmented pictures
	TrainAcc     float64 // running accuracy over the same
	Val          *Score  // nil without validation pictures
	Test         Score
	ImagesPerSec float64 // of the training steps, waits for data included
	Rate         float64 // of the last step
	Best         bool    // the best so far
	// Spent is the time that the run had taken, earlier processes' included.
	Spent time.Duration
}

// A Step is an update.
type Step struct {
	Step  int     // from 1, those of the phases before included
	Loss  float64 // summed over the batch
	N     int     // pictures of the batch
	Rate  float64
	Epoch int // from 1
	Of    int // updates in an epoch
}

// A Score is an evaluation's loss and accuracy.
type Score struct {
	Loss     float64
	Accuracy float64
	N        int
}

// held is the score that chooses the best epoch: validation where there is
// one, else test.
func (e *Epoch) held() Score {
	if e.Val != nil {
		return *e.Val
	}
	return e.Test
}

// Done ends a run.
type Done struct {
	Last, Best   *Epoch // nil when no epoch was finished
	ImagesPerSec float64
	Steps        int
	Interrupted  bool     // the context was cancelled
	Over         bool     // no phase is to follow
	Stopped      string   // why it ended before its epochs did, or ""
	At           Position // where it ended

	Training, Judging time.Duration // spent in steps, waits for data included, and in evaluations
}

func (Progress) event() {}
func (Epoch) event()    {}
func (Done) event()     {}

// A ticker lets one event through an interval.
type ticker struct {
	interval time.Duration
	last     time.Time
}

func (t *ticker) due() bool {
	now := time.Now()
	if now.Sub(t.last) < t.interval {
		return false
	}
	t.last = now
	return true
}

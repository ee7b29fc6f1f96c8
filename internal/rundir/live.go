package rundir

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// The files that tell of a run under way, and stop it.
const (
	LiveFile = "live.json" // where the run is, replaced about once a second, removed at its end
	StopFile = "stop"      // asks the process that trains to end in order
)

// fresh is how old live.json may be of a run whose process is there.
const fresh = 10 * time.Second

// Live is where a run is at a moment.
type Live struct {
	Updated      time.Time `json:"updated"`
	Doing        string    `json:"doing"`                 // train, val, test, or features: the frozen part sees the pictures
	Phase        string    `json:"phase,omitempty"`       // of the recipe, if it has any
	PhasesLeft   int       `json:"phases_left,omitempty"` // behind this one
	Epoch        int       `json:"epoch"`                 // from 1
	Epochs       int       `json:"epochs"`                // of all phases
	Images       int       `json:"images"`                // seen of TotalImages
	TotalImages  int       `json:"total_images"`
	Loss         float64   `json:"loss"`      // running mean over the epoch
	TrainAcc     float64   `json:"train_acc"` // running
	ImagesPerSec float64   `json:"img_s"`
	Left         float64   `json:"left_s"`             // seconds that the phase still takes, estimated; 0 when not known
	Resident     int64     `json:"resident,omitempty"` // bytes of memory that the process has; 0 where the system does not tell
	Points       []Point   `json:"points,omitempty"`   // of the epoch under way
}

// A State is how a run stands.
type State string

// The states of a run.
const (
	Running     State = "running"
	Ended       State = "finished"
	Interrupted State = "interrupted" // can be resumed
	Failed      State = "failed"
	Lost        State = "lost" // its process is gone without a word: killed, or the machine stopped
)

// WriteLive replaces live.json. It is written aside and renamed, but not synced: it says
// nothing that a run needs.
func (d *Dir) WriteLive(l Live) error {
	text, err := json.Marshal(l)
	if err != nil {
		return err
	}
	aside := d.file(LiveFile + ".tmp")
	if err := os.WriteFile(aside, text, 0o644); err != nil {
		return err
	}
	return os.Rename(aside, d.file(LiveFile))
}

// EndLive removes what WriteLive wrote, and a request to stop.
func (d *Dir) EndLive() error {
	var errs []error
	for _, name := range []string{LiveFile, LiveFile + ".tmp", StopFile} {
		if err := os.Remove(d.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// StopRequested reports whether the run is asked to end.
func (d *Dir) StopRequested() bool {
	_, err := os.Lstat(d.file(StopFile))
	return err == nil
}

// RequestStop asks the process that trains a run to end in order, as Ctrl-C does. The
// request is a file, so that it reaches a process of another user or machine that shares the
// directory, and can never hit a process that has nothing to do with it.
func RequestStop(run string) error {
	f, err := os.OpenFile(filepath.Join(run, StopFile), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// ReadLive returns where a run is, or nil where no process of it writes.
func ReadLive(run string) (*Live, error) {
	text, err := os.ReadFile(filepath.Join(run, LiveFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l := new(Live)
	if err := json.Unmarshal(text, l); err != nil {
		return nil, err
	}
	return l, nil
}

// StateOf is how a run stood at a time, by what it wrote last; either may be nil.
func StateOf(live *Live, done *Done, now time.Time) State {
	switch {
	case live != nil && now.Sub(live.Updated) < fresh:
		return Running
	case live != nil || done == nil:
		return Lost
	case done.Failed:
		return Failed
	case done.Interrupted:
		return Interrupted
	}
	return Ended
}

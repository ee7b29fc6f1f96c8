package rundir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	// TraceFile has a line an epoch: the loss along its steps, and what the network said
	// of the pictures in PicturesFile.
	TraceFile = "trace.jsonl"
	// PicturesFile has a few held-out pictures, the same for the whole run.
	PicturesFile = "pictures.json"
)

// A Trace is an epoch in detail.
type Trace struct {
	Epoch   int     `json:"epoch"`
	Points  []Point `json:"points"`
	Answers []Shown `json:"answers,omitempty"` // of each picture
}

// A Point is the mean over some steps.
type Point struct {
	Step int     `json:"step"` // updates of the run up to here
	Loss float64 `json:"loss"` // mean over the steps' pictures
	LR   float64 `json:"lr"`   // of the last step
}

// A Shown is what the network said of a picture.
type Shown struct {
	Class int     `json:"class"` // that it took it for
	Prob  float64 `json:"prob"`  // of that class
	Right float64 `json:"right"` // probability of the class that it is
}

// A Picture is one that the run is watched on.
type Picture struct {
	Path  string `json:"path"` // as the dataset names it
	Part  string `json:"part"` // "val" or "test"
	Class int    `json:"class"`
	JPEG  []byte `json:"jpeg"` // what the network sees, small
}

// WritePictures keeps the pictures that the run is watched on.
func (d *Dir) WritePictures(list []Picture) error { return writeJSON(d.file(PicturesFile), list) }

// WriteTrace adds an epoch in detail. It is appended and not synced; a line cut off by a crash
// is left out when read.
func (d *Dir) WriteTrace(t Trace) error {
	line, err := json.Marshal(t)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(d.file(TraceFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// reopenTrace drops what the trace has of epochs after those finished.
func (d *Dir) reopenTrace(finished int) error {
	list, err := ReadTrace(d.Path)
	if err != nil || list == nil {
		return err
	}
	return writeFile(d.file(TraceFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		for _, t := range list {
			if t.Epoch <= finished {
				if err := e.Encode(t); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// ReadTrace returns a run's epochs in detail, nil where it has none.
func ReadTrace(run string) ([]Trace, error) {
	text, err := os.ReadFile(filepath.Join(run, TraceFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Trace
	for line := range bytes.Lines(text) {
		var t Trace
		if json.Unmarshal(line, &t) == nil {
			list = append(list, t)
		}
	}
	return list, nil
}

// ReadPictures returns the pictures that a run is watched on, nil where it has none.
func ReadPictures(run string) ([]Picture, error) {
	path := filepath.Join(run, PicturesFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var list []Picture
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return list, nil
}

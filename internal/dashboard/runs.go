package dashboard

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"graft/internal/rundir"
)

const depth = 3 // levels that runs are looked for

// A Summary is a run as the list shows it.
type Summary struct {
	Name      string       `json:"name"` // its path in the folder, with slashes
	State     rundir.State `json:"state"`
	Stopping  bool         `json:"stopping,omitempty"` // it was asked to stop
	Model     string       `json:"model"`
	Data      string       `json:"data"`
	Recipe    string       `json:"recipe"`
	Classes   int          `json:"classes"`
	Started   time.Time    `json:"started"`
	Epoch     int          `json:"epoch"`  // finished
	Epochs    int          `json:"epochs"` // planned
	BestEpoch int          `json:"best_epoch"`
	TestAcc   *float64     `json:"test_acc"` // of the best epoch, as the next two; null before there is one
	ValAcc    *float64     `json:"val_acc"`
	TestLoss  *float64     `json:"test_loss"`
	Speed     float64      `json:"img_s"`
	Accuracy  []float64    `json:"accuracy"` // test accuracy along the epochs
	Report    bool         `json:"report"`   // it has a report.html
	Error     string       `json:"error,omitempty"`
}

// runs looks for run directories and remembers what it read of them while their files stay the same.
type runs struct {
	dir, only string
	mu        sync.Mutex
	known     map[string]known
}

type known struct {
	stamp   string
	summary Summary
	live    *rundir.Live
	done    *rundir.Done
}

func newRuns(dir, only string) *runs { return &runs{dir: dir, only: only, known: map[string]known{}} }

// all are the runs there are, the newest first.
func (r *runs) all() ([]Summary, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names, err := r.names()
	if err != nil {
		return nil, err
	}
	list := make([]Summary, 0, len(names))
	for _, name := range names {
		list = append(list, r.summary(name))
	}
	slices.SortStableFunc(list, func(a, b Summary) int { return b.Started.Compare(a.Started) })
	return list, nil
}

// find is the run of a name.
func (r *runs) find(name string) (*Summary, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names, err := r.names()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(names, name) {
		return nil, fmt.Errorf("there is no run %q", name)
	}
	s := r.summary(name)
	return &s, nil
}

// names are the paths of the runs in the folder. Links are not followed.
func (r *runs) names() ([]string, error) {
	if r.only != "" {
		return []string{filepath.ToSlash(r.only)}, nil
	}
	var names []string
	err := filepath.WalkDir(r.dir, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			if at != r.dir && errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
				return nil
			}
			return err
		}
		if !e.IsDir() || at == r.dir {
			return nil
		}
		name, err := filepath.Rel(r.dir, at)
		if err != nil {
			return err
		}
		if strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		if fi, err := os.Lstat(filepath.Join(at, rundir.ConfigFile)); err == nil && fi.Mode().IsRegular() {
			names = append(names, filepath.ToSlash(name))
		}
		if strings.Count(name, string(filepath.Separator)) >= depth-1 || e.Name() == rundir.CheckpointDir {
			return fs.SkipDir
		}
		return nil
	})
	return names, err
}

// stamp changes when one of a run's files does.
func stamp(at string) string {
	var b strings.Builder
	for _, name := range []string{rundir.ConfigFile, rundir.MetricsFile, rundir.LiveFile, rundir.StopFile, rundir.TraceFile, rundir.PicturesFile, rundir.ReportFile} {
		if fi, err := os.Stat(filepath.Join(at, name)); err == nil {
			fmt.Fprintf(&b, "%s %d %d;", name, fi.Size(), fi.ModTime().UnixNano())
		}
	}
	return b.String()
}

func (r *runs) summary(name string) Summary {
	at := filepath.Join(r.dir, filepath.FromSlash(name))
	k, ok := r.known[name]
	if s := stamp(at); !ok || k.stamp != s {
		k = read(name, at)
		k.stamp = s
		r.known[name] = k
	}
	k.summary.State = rundir.StateOf(k.live, k.done, time.Now())
	return k.summary
}

// read sums a run up. What is wrong with its files is said in its place in the list.
func read(name, at string) (k known) {
	k.summary = Summary{Name: name, Accuracy: []float64{}}
	s := &k.summary
	c, err := rundir.ReadConfig(at)
	if err != nil {
		s.Error = err.Error()
		return k
	}
	s.Model, s.Data, s.Recipe, s.Classes, s.Started = c.Model, c.Data.Name, c.Settings.Recipe, len(c.Data.Classes), c.Started
	s.Epochs = c.Settings.Epochs
	epochs, done, err := readMetrics(at)
	if err != nil {
		s.Error = err.Error()
	}
	for i := range epochs {
		e := &epochs[i]
		s.Epoch, s.Speed = e.Epoch, e.ImagesPerSec
		s.Accuracy = append(s.Accuracy, e.TestAcc)
		if e.Best {
			s.BestEpoch, s.TestAcc, s.ValAcc, s.TestLoss = e.Epoch, &e.TestAcc, e.ValAcc, &e.TestLoss
		}
	}
	k.done = done
	if done != nil {
		s.Speed, s.Epochs = done.ImagesPerSec, max(s.Epoch, 1)
	}
	if k.live, err = rundir.ReadLive(at); err != nil {
		s.Error = err.Error()
	}
	if l := k.live; l != nil {
		s.Epochs = max(s.Epochs, l.Epochs)
		if l.ImagesPerSec > 0 {
			s.Speed = l.ImagesPerSec
		}
	}
	s.Stopping = exists(filepath.Join(at, rundir.StopFile))
	s.Report = exists(filepath.Join(at, rundir.ReportFile))
	return k
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// readMetrics is rundir's, and nothing where no epoch was finished yet.
func readMetrics(at string) ([]rundir.Epoch, *rundir.Done, error) {
	epochs, done, err := rundir.ReadMetrics(at)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return epochs, done, err
}

// Package curves writes a run's curves for other tools: TensorBoard's event files, and CSV. It
// reads them by package rundir, of a run that is over or under way, and knows nothing else of it.
package curves

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"graft/internal/rundir"
)

// A Run is what is drawn of one.
type Run struct {
	Started time.Time
	Epochs  []rundir.Epoch
	Trace   []rundir.Trace
}

// Read reads the curves of a run directory. A run without a finished epoch has none.
func Read(run string) (*Run, error) {
	c, err := rundir.ReadConfig(run)
	if err != nil {
		return nil, fmt.Errorf("%s is no run: %w", run, err)
	}
	r := &Run{Started: c.Started}
	if r.Epochs, _, err = rundir.ReadMetrics(run); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(r.Epochs) == 0 {
		return nil, fmt.Errorf("%s has finished no epoch yet", run)
	}
	r.Trace, err = rundir.ReadTrace(run)
	return r, err
}

// columns are those of the CSV file behind the epoch, and the tags of TensorBoard's curves.
var columns = []struct {
	name, tag string
	value     func(*rundir.Epoch) (float64, bool)
}{
	{"loss", "loss/train", func(e *rundir.Epoch) (float64, bool) { return e.Loss, true }},
	{"val_loss", "loss/val", func(e *rundir.Epoch) (float64, bool) { return given(e.ValLoss) }},
	{"test_loss", "loss/test", func(e *rundir.Epoch) (float64, bool) { return e.TestLoss, true }},
	{"train_acc", "accuracy/train", func(e *rundir.Epoch) (float64, bool) { return e.TrainAcc, true }},
	{"val_acc", "accuracy/val", func(e *rundir.Epoch) (float64, bool) { return given(e.ValAcc) }},
	{"test_acc", "accuracy/test", func(e *rundir.Epoch) (float64, bool) { return e.TestAcc, true }},
	{"lr", "rate", func(e *rundir.Epoch) (float64, bool) { return e.LR, true }},
	{"img_s", "speed", func(e *rundir.Epoch) (float64, bool) { return e.ImagesPerSec, true }},
	{"seconds", "", func(e *rundir.Epoch) (float64, bool) { return e.Seconds, e.Seconds > 0 }},
}

func given(v *float64) (float64, bool) {
	if v == nil {
		return 0, false
	}
	return *v, true
}

// CSV writes a line an epoch under a line of names; what an epoch has not is empty.
func (r *Run) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	line := []string{"epoch"}
	for _, c := range columns {
		line = append(line, c.name)
	}
	if err := out.Write(line); err != nil {
		return err
	}
	for i := range r.Epochs {
		line = append(line[:0], strconv.Itoa(r.Epochs[i].Epoch))
		for _, c := range columns {
			text := ""
			if v, ok := c.value(&r.Epochs[i]); ok {
				text = strconv.FormatFloat(v, 'g', -1, 64)
			}
			line = append(line, text)
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// TensorBoard writes an event file: the curves over the epochs, and as steps/loss and
// steps/rate those over the updates. Wall time is when an epoch ended.
func (r *Run) TensorBoard(w io.Writer) error {
	b := bufio.NewWriter(w)
	e := newEventWriter(b, r.Started)
	at := map[int]time.Time{}
	for i := range r.Epochs {
		m := &r.Epochs[i]
		at[m.Epoch] = r.Started.Add(time.Duration(m.Seconds * float64(time.Second)))
		for _, c := range columns {
			if v, ok := c.value(m); ok && c.tag != "" {
				e.scalar(at[m.Epoch], m.Epoch, c.tag, v)
			}
		}
	}
	for _, t := range r.Trace {
		for _, p := range t.Points {
			when, ok := at[t.Epoch]
			if !ok {
				when = r.Started
			}
			e.scalar(when, p.Step, "steps/loss", p.Loss)
			e.scalar(when, p.Step, "steps/rate", p.LR)
		}
	}
	return errors.Join(e.err, b.Flush())
}

// EventFile is the event file of a run in a folder of TensorBoard's: it must have tfevents in its name.
// The same run gets the same name, so that writing it again replaces it.
func EventFile(dir, name string, started time.Time) string {
	return filepath.Join(dir, name, fmt.Sprintf("events.out.tfevents.%d.graft", started.Unix()))
}

// WriteTo makes a file of what write writes: whole, or not at all.
func WriteTo(path string, write func(io.Writer) error) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

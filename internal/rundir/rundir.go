// Package rundir writes and reads the directory of a training run, and the
// model files in it:
//
//	config.json         everything to run it again: settings, data, weights, versions, machine
//	metrics.jsonl       a line an epoch, and one at the end
//	split.json          which picture is in which split, where graft made the split
//	best.safetensors    the model of the best epoch
//	model.safetensors   the model of the last epoch
//	predictions.jsonl   the best model's answers on the validation and test pictures
//	features.safetensors  what graft explain compares pictures with, made when first asked for
//	report.html         the report for people
//	curves.png          loss and accuracy over the epochs
//	trace.jsonl         a line an epoch: the loss along its steps, what it said of the pictures in pictures.json
//	live.json           where a run under way is; a file called stop asks it to end
//	checkpoint/         all that training needs to go on, the newest two
//
// Every file appears whole or not at all. The package knows states and
// metrics; it knows neither engines nor how a run is made.
package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Format is the number of the newest layout this program reads and writes.
const Format = 1

// The names of a run's files.
const (
	ConfigFile  = "config.json"
	MetricsFile = "metrics.jsonl"
	SplitFile   = "split.json"
	BestFile    = "best.safetensors"
	LastFile    = "model.safetensors"
	CurvesFile  = "curves.png"
)

// ours are the names that --force may remove.
var ours = []string{ConfigFile, MetricsFile, SplitFile, BestFile, LastFile, PredictionsFile, FeaturesFile, ReportFile, CurvesFile, TraceFile, PicturesFile, LiveFile, StopFile}

// A Dir is the directory of a run that is being written.
type Dir struct {
	Path    string
	Config  *Config
	metrics []json.RawMessage
	epochs  []Epoch

	checkpoints int // written so far
}

// Check refuses a path that a new run may not take: one that exists, unless
// force is given and it is a run directory.
func Check(path string, force bool) error {
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		if fi, e := os.Stat(path); e == nil && !fi.IsDir() {
			return fmt.Errorf("--out %s is a file, not a directory", path)
		}
		return err
	case len(entries) == 0:
		return nil
	case !isRun(path):
		return fmt.Errorf("--out %s exists and is no run directory of graft's (it has no %s of a run): choose another name", path, ConfigFile)
	case !force:
		return fmt.Errorf("--out %s holds a run already: choose another name, or replace it with --force", path)
	}
	return nil
}

func isRun(path string) bool {
	_, err := readConfig(path)
	var newer *NewerError
	return err == nil || errors.As(err, &newer)
}

// Create makes the directory of a run and writes its config. With force a run
// that is there is replaced: its files are removed, others stay.
func Create(path string, force bool, c *Config) (*Dir, error) {
	if err := Check(path, force); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	// The config goes last and comes first: what has one is a run.
	for i := len(ours) - 1; i >= 0; i-- {
		if err := os.Remove(filepath.Join(path, ours[i])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	if err := os.RemoveAll(filepath.Join(path, CheckpointDir)); err != nil {
		return nil, err
	}
	c.Format = Format
	d := &Dir{Path: path, Config: c}
	if err := writeJSON(d.file(ConfigFile), c); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Dir) file(name string) string { return filepath.Join(d.Path, name) }

// WriteSplit keeps the split that was made of an unsplit folder.
func (d *Dir) WriteSplit(split any) error { return writeJSON(d.file(SplitFile), split) }

// WriteEpoch adds an epoch to the metrics and draws the curves again.
func (d *Dir) WriteEpoch(e Epoch) error {
	d.epochs = append(d.epochs, e)
	if err := d.writeMetric(e); err != nil {
		return err
	}
	title := fmt.Sprintf("%s on %s", d.Config.Model, d.Config.Data.Name)
	return writeFile(d.file(CurvesFile), func(w io.Writer) error { return drawCurves(w, title, d.epochs) })
}

// WriteDone ends the metrics.
func (d *Dir) WriteDone(v Done) error { return d.writeMetric(v) }

// WriteBest and WriteLast write a model file.
func (d *Dir) WriteBest(m *Model) error { return WriteModel(d.file(BestFile), m) }

// WriteLast writes the model of the last epoch.
func (d *Dir) WriteLast(m *Model) error { return WriteModel(d.file(LastFile), m) }

func (d *Dir) writeMetric(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	d.metrics = append(d.metrics, line)
	return d.writeMetrics()
}

func (d *Dir) writeMetrics() error {
	return writeFile(d.file(MetricsFile), func(w io.Writer) error {
		for _, m := range d.metrics {
			if _, err := fmt.Fprintf(w, "%s\n", m); err != nil {
				return err
			}
		}
		return nil
	})
}

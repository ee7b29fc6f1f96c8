package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"graft/internal/train"
)

// FoldsFile marks a directory of cross-validation, which has a run a fold:
// fold-1, fold-2 and so on.
const FoldsFile = "folds.json"

// Folds is folds.json.
type Folds struct {
	Format  int             `json:"format"`
	Graft   string          `json:"graft_version"`
	Command []string        `json:"command,omitempty"`
	Folds   int             `json:"folds"`
	Full    train.Recipe    `json:"full_recipe"`
	Call    json.RawMessage `json:"call"`
	Result  *FoldsResult    `json:"result,omitempty"` // once all folds are finished
}

// FoldsResult is what the folds reached together: every picture answered for by the model that
// did not learn from it.
type FoldsResult struct {
	Event      string     `json:"event"` // "folds"
	Run        string     `json:"run"`
	Folds      int        `json:"folds"`
	Accuracy   float64    `json:"accuracy"`
	Interval   [2]float64 `json:"interval"` // 95 %, Wilson's
	N          int        `json:"n"`
	Accuracies []float64  `json:"accuracies"` // of each fold
	ChosenOn   string     `json:"best_chosen_on"`
	Seconds    float64    `json:"seconds"`
}

// IsFolds reports whether a path is a directory of cross-validation.
func IsFolds(path string) bool {
	_, err := os.Stat(filepath.Join(path, FoldsFile))
	return err == nil
}

// CreateFolds makes the directory. With force one that is there is replaced, its runs too.
func CreateFolds(path string, force bool, f *Folds) error {
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	switch {
	case len(entries) == 0:
	case !IsFolds(path):
		return fmt.Errorf("--out %s exists and is no cross-validation of graft's (it has no %s): choose another name", path, FoldsFile)
	case !force:
		return fmt.Errorf("--out %s holds a cross-validation already: graft resume %s goes on with it, --force replaces it", path, path)
	default:
		if err := removeFolds(path); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	f.Format = Format
	return writeJSON(filepath.Join(path, FoldsFile), f)
}

// removeFolds removes the runs and what they came to, and nothing else.
func removeFolds(path string) error {
	f, err := ReadFolds(path)
	if err != nil {
		return err
	}
	for k := 1; k <= f.Folds; k++ {
		if run := Fold(path, k); isRun(run) {
			if err := os.RemoveAll(run); err != nil {
				return err
			}
		}
	}
	for _, name := range []string{PredictionsFile, FoldsFile} {
		if err := os.Remove(filepath.Join(path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Fold is the directory of a fold's run, from 1.
func Fold(path string, number int) string { return filepath.Join(path, fmt.Sprintf("fold-%d", number)) }

// ReadFolds reads folds.json.
func ReadFolds(path string) (*Folds, error) {
	file := filepath.Join(path, FoldsFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	f := new(Folds)
	switch err := json.Unmarshal(text, f); {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	case f.Format > Format:
		return nil, &NewerError{file, fmt.Sprint(f.Format), f.Graft}
	case f.Folds < 2:
		return nil, fmt.Errorf("%s is of %d folds, there must be at least 2", file, f.Folds)
	}
	return f, nil
}

// FinishFolds writes what the folds came to, and their answers as one list.
func FinishFolds(path string, f *Folds, answers []Prediction) error {
	if err := (&Dir{Path: path}).WritePredictions(answers); err != nil {
		return err
	}
	return writeJSON(filepath.Join(path, FoldsFile), f)
}

// Begun reports whether a run has a checkpoint to go on from.
func Begun(run string) bool {
	names, err := filepath.Glob(filepath.Join(run, CheckpointDir, "*.sha256"))
	return err == nil && len(names) > 0
}

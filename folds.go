package graft

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"graft/internal/dataset"
	"graft/internal/eval"
	"graft/internal/rundir"
)

// Folds is what a cross-validation came to.
type Folds struct {
	rundir.FoldsResult
	Command     []string // of the training that it tried
	Interrupted bool     // the result is of no use then
}

// A Fold begins, or was finished before.
type Fold struct {
	Number, Of int // from 1
	Dir        string
	Finished   bool
}

// A FoldDone is what a fold reached: its best epoch on the pictures that it did not learn from.
type FoldDone struct {
	Fold
	Accuracy float64
	N        int
}

// CrossValidate trains as the config says in so many folds: the pictures are dealt into so many parts,
// classes evenly, copies and groups together, and each part in turn is the test part of a run, in a
// directory of its own under Out, that learns from the others. So every picture is answered for by a model
// that has not seen it. Where the data has test pictures of its own they are left alone.
func CrossValidate(ctx context.Context, c Config, folds int) (*Folds, error) {
	if folds < 2 {
		return nil, fmt.Errorf("folds are %d, must be at least 2", folds)
	}
	if c.SplitFile != "" {
		return nil, errors.New("--split-file and --folds exclude each other: the folds are the split")
	}
	recipe, err := c.recipe()
	if err != nil {
		return nil, err
	}
	if c.Out == "" {
		c.Out = freeName(filepath.Join("runs", dataset.NameOf(c.Data)+"-"+cmp.Or(c.Model, "resnet18")+"-folds"))
	}
	call, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	f := &rundir.Folds{Graft: Version, Command: c.Command, Folds: folds, Full: recipe, Call: call}
	if err := rundir.CreateFolds(c.Out, c.Force, f); err != nil {
		return nil, err
	}
	return crossValidate(ctx, c, f)
}

// IsFolds reports whether a path is the directory of a cross-validation.
func IsFolds(path string) bool { return rundir.IsFolds(path) }

// ResumeFolds goes on with a cross-validation: finished folds stay, an interrupted one is resumed.
func ResumeFolds(ctx context.Context, r ResumeConfig) (*Folds, error) {
	f, err := rundir.ReadFolds(r.Run)
	if err != nil {
		return nil, err
	}
	finished := f.Result != nil
	for k := 1; k <= f.Folds; k++ {
		finished = finished && rundir.Finished(rundir.Fold(r.Run, k))
	}
	if finished {
		return nil, fmt.Errorf("%s is finished: accuracy %.3f on %d pictures", r.Run, f.Result.Accuracy, f.Result.N)
	}
	var c Config
	if err := json.Unmarshal(f.Call, &c); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Run, err)
	}
	c.Out, c.Events, c.Recipe = r.Run, r.Events, ""
	c.Adjust = func(r *Recipe) { *r = f.Full }
	return crossValidate(ctx, c, f)
}

func crossValidate(ctx context.Context, c Config, f *rundir.Folds) (*Folds, error) {
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	dir := c.Out
	for k := 1; k <= f.Folds; k++ {
		one := c
		one.Out, one.Folds, one.Fold, one.Force = rundir.Fold(dir, k), f.Folds, k, true
		finished := rundir.Finished(one.Out)
		c.Events(Fold{Number: k, Of: f.Folds, Dir: one.Out, Finished: finished})
		if finished {
			continue
		}
		run, err := trainFold(ctx, one)
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", k, err)
		}
		if run.Interrupted {
			return &Folds{FoldsResult: rundir.FoldsResult{Run: dir, Folds: f.Folds}, Interrupted: true}, nil
		}
		c.Events(FoldDone{Fold{Number: k, Of: f.Folds, Dir: one.Out, Finished: true}, run.BestTestAcc, run.TestPictures})
	}
	answers, err := gather(dir, f)
	if err != nil {
		return nil, err
	}
	if err := rundir.FinishFolds(dir, f, answers); err != nil {
		return nil, err
	}
	return &Folds{FoldsResult: *f.Result, Command: f.Command}, nil
}

// trainFold trains a fold, or goes on with it.
func trainFold(ctx context.Context, c Config) (*Run, error) {
	if _, err := rundir.ReadConfig(c.Out); err == nil && rundir.Begun(c.Out) {
		return Resume(ctx, ResumeConfig{Run: c.Out, Events: c.Events})
	}
	return Train(ctx, c)
}

// gather adds up the folds, and lists their answers.
func gather(dir string, f *rundir.Folds) (answers []rundir.Prediction, err error) {
	r := &rundir.FoldsResult{Event: "folds", Run: dir, Folds: f.Folds}
	right := 0.0
	for k := 1; k <= f.Folds; k++ {
		run := rundir.Fold(dir, k)
		config, err := rundir.ReadConfig(run)
		if err != nil {
			return nil, err
		}
		_, end, err := rundir.ReadMetrics(run)
		if err != nil {
			return nil, err
		}
		list, err := rundir.ReadPredictions(run)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		for _, p := range list {
			if p.Part == "test" {
				answers = append(answers, p)
			}
		}
		n := config.Data.Test
		right += math.Round(end.BestTestAcc * float64(n))
		r.N, r.Seconds, r.ChosenOn = r.N+n, r.Seconds+end.Seconds, config.Data.ChosenOn
		r.Accuracies = append(r.Accuracies, end.BestTestAcc)
	}
	r.Accuracy, r.Seconds = right/float64(max(r.N, 1)), math.Round(10*r.Seconds)/10
	r.Interval[0], r.Interval[1] = eval.Interval(r.Accuracy, r.N)
	f.Result = r
	return answers, nil
}

// Duration is the time that all folds took.
func (f *Folds) Duration() time.Duration { return time.Duration(f.Seconds * float64(time.Second)) }

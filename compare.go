package graft

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// A Comparison is runs beside each other.
type Comparison struct {
	Runs  []ComparedRun  `json:"runs"`
	Pairs []ComparedPair `json:"pairs"`
}

// A ComparedRun is what a run reached.
type ComparedRun struct {
	Run         string     `json:"run"`
	Model       string     `json:"model"`
	Recipe      string     `json:"recipe"`
	Data        string     `json:"data"`
	Seed        uint64     `json:"seed"`
	Train       int        `json:"train"` // pictures learnt from
	Epochs      int        `json:"epochs"`
	BestEpoch   int        `json:"best_epoch"`
	Accuracy    float64    `json:"accuracy"` // of the best epoch
	Interval    [2]float64 `json:"interval"` // 95 %, Wilson's
	N           int        `json:"n"`        // pictures that the accuracy is measured on
	Part        string     `json:"part"`     // of which part: test, or val where there is no test
	ChosenOn    string     `json:"best_chosen_on"`
	Seconds     float64    `json:"seconds,omitempty"` // of training and judging
	ImagesPerS  float64    `json:"img_s"`
	Folds       int        `json:"folds,omitempty"` // of a cross-validation, which has no epochs of its own
	Interrupted bool       `json:"interrupted,omitempty"`

	classes []string
	answers map[string]answer // by picture; nil where the run keeps none
	epochs  []rundir.Epoch
}

// An answer is a picture's label, and whether it was found.
type answer struct {
	label string
	right bool
}

// A ComparedPair is two runs' answers on the same pictures.
type ComparedPair struct {
	A          string `json:"a"`
	B          string `json:"b"`
	Comparable bool   `json:"comparable"`
	Why        string `json:"why,omitempty"` // they are not
	N          int    `json:"n,omitempty"`
	Both       int    `json:"both"` // right
	OnlyA      int    `json:"only_a"`
	OnlyB      int    `json:"only_b"`
	Neither    int    `json:"neither"`
	// P is McNemar's exact two-sided p-value, Adjusted that after Holm's correction for the
	// number of pairs.
	P        float64 `json:"p,omitempty"`
	Adjusted float64 `json:"p_adjusted,omitempty"`
}

// Level is the p-value below which a difference is called more than chance.
const Level = 0.05

// Compare reads the runs and compares every two that were judged on the same pictures.
func Compare(runs []string) (*Comparison, error) {
	c := &Comparison{Pairs: []ComparedPair{}}
	for _, run := range runs {
		r, err := readCompared(run)
		if err != nil {
			return nil, err
		}
		c.Runs = append(c.Runs, *r)
	}
	var p []float64
	for i := range c.Runs {
		for j := i + 1; j < len(c.Runs); j++ {
			pair := pairOf(&c.Runs[i], &c.Runs[j])
			if pair.Comparable {
				p = append(p, pair.P)
			}
			c.Pairs = append(c.Pairs, pair)
		}
	}
	p = eval.Holm(p)
	for i := range c.Pairs {
		if c.Pairs[i].Comparable {
			c.Pairs[i].Adjusted, p = p[0], p[1:]
		}
	}
	return c, nil
}

// Draw writes the runs' accuracies over the epochs as a PNG file.
func (c *Comparison) Draw(file string) error {
	var list []rundir.Named
	for _, r := range c.Runs {
		if r.Folds > 0 {
			continue
		}
		list = append(list, rundir.Named{Name: r.Run, Epochs: r.epochs, Best: r.BestEpoch})
	}
	return rundir.DrawCompared(file, list)
}

func readCompared(run string) (*ComparedRun, error) {
	if rundir.IsFolds(run) {
		return readComparedFolds(run)
	}
	config, err := rundir.ReadConfig(run)
	if err != nil {
		return nil, fmt.Errorf("%s is no run: %w", run, err)
	}
	epochs, end, err := rundir.ReadMetrics(run)
	if err != nil {
		return nil, fmt.Errorf("%s has no epochs to compare: %w", run, err)
	}
	if len(epochs) == 0 {
		return nil, fmt.Errorf("%s has no epochs to compare: it ended before its first one", run)
	}
	r := &ComparedRun{Run: filepath.Clean(run), Model: config.Model, Recipe: config.Settings.Recipe, Data: config.Data.Name, Seed: config.Settings.Seed, Train: config.Data.Train,
		Epochs: epochs[len(epochs)-1].Epoch, ChosenOn: config.Data.ChosenOn, Interrupted: end == nil || end.Interrupted || end.Failed,
		classes: config.Data.Classes, epochs: epochs}
	for _, e := range epochs {
		if e.Best {
			r.BestEpoch, r.Accuracy = e.Epoch, e.TestAcc
		}
	}
	if end != nil {
		r.Seconds, r.ImagesPerS = end.Seconds, end.ImagesPerSec
	}
	if r.Part, r.N = "test", config.Data.Test; r.N == 0 {
		r.Part, r.N = "val", config.Data.Val
	}
	return r, r.judge(run, config.Data.Location)
}

// readComparedFolds has a cross-validation as one run, which was judged on all pictures.
func readComparedFolds(run string) (*ComparedRun, error) {
	f, err := rundir.ReadFolds(run)
	if err != nil {
		return nil, err
	}
	if f.Result == nil {
		return nil, fmt.Errorf("%s is not finished: graft resume %s", run, run)
	}
	config, err := rundir.ReadConfig(rundir.Fold(run, 1))
	if err != nil {
		return nil, err
	}
	r := &ComparedRun{Run: filepath.Clean(run), Model: config.Model, Recipe: config.Settings.Recipe, Data: config.Data.Name, Seed: config.Settings.Seed, Train: config.Data.Train,
		Folds: f.Folds, Part: "test", ChosenOn: f.Result.ChosenOn, Accuracy: f.Result.Accuracy, N: f.Result.N, Seconds: f.Result.Seconds, classes: config.Data.Classes}
	return r, r.judge(run, config.Data.Location)
}

// judge takes the answers that the run keeps.
func (r *ComparedRun) judge(run, location string) error {
	list, err := rundir.ReadPredictions(run)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := r.answer(list, location); err != nil {
		return fmt.Errorf("%s: %w", run, err)
	}
	r.Interval[0], r.Interval[1] = eval.Interval(r.Accuracy, r.N)
	return nil
}

// answer takes the answers on the pictures that judge the run, by their place in its data.
func (r *ComparedRun) answer(list []rundir.Prediction, location string) error {
	root := strings.TrimSuffix(filepath.ToSlash(filepath.Clean(location)), "/") + "/"
	right := 0
	for _, p := range list {
		if p.Part != r.Part {
			continue
		}
		if p.Class >= len(r.classes) {
			return fmt.Errorf("the answer for %s is of class %d, there are %d", p.Path, p.Class, len(r.classes))
		}
		if r.answers == nil {
			r.answers = map[string]answer{}
		}
		a := answer{r.classes[p.Class], eval.Largest(p.Logits) == p.Class}
		r.answers[strings.TrimPrefix(filepath.ToSlash(p.Path), root)] = a
		if a.right {
			right++
		}
	}
	if n := len(r.answers); n > 0 {
		r.N, r.Accuracy = n, float64(right)/float64(n)
	}
	return nil
}

func pairOf(a, b *ComparedRun) ComparedPair {
	p := ComparedPair{A: a.Run, B: b.Run}
	for _, r := range []*ComparedRun{a, b} {
		if r.answers == nil {
			p.Why = fmt.Sprintf("%s keeps no answers (predictions.jsonl)", r.Run)
			return p
		}
	}
	shared, other := 0, 0
	for path, x := range a.answers {
		y, ok := b.answers[path]
		switch {
		case !ok:
			continue
		case x.label != y.label:
			other++
		case x.right && y.right:
			p.Both++
		case x.right:
			p.OnlyA++
		case y.right:
			p.OnlyB++
		default:
			p.Neither++
		}
		shared++
	}
	if shared < len(a.answers) || shared < len(b.answers) || other > 0 {
		p = ComparedPair{A: a.Run, B: b.Run, Why: fmt.Sprintf("they were judged on different pictures: %d and %d, %d of them the same", len(a.answers), len(b.answers), shared-other)}
		if a.Part != b.Part {
			p.Why = fmt.Sprintf("one was judged on %s, the other on %s pictures", a.Part, b.Part)
		}
		return p
	}
	p.Comparable, p.N, p.P = true, shared, eval.McNemar(p.OnlyA, p.OnlyB)
	return p
}

// Difference is how much more accurate B is than A.
func (p *ComparedPair) Difference() float64 { return float64(p.OnlyB-p.OnlyA) / float64(max(p.N, 1)) }

// Verdict says in words whether the difference is more than chance.
func (p *ComparedPair) Verdict() string {
	if !p.Comparable {
		return fmt.Sprintf("%s and %s are not comparable: %s", p.A, p.B, p.Why)
	}
	better, more, worse, fewer := p.B, p.OnlyB, p.A, p.OnlyA
	if more < fewer {
		better, more, worse, fewer = worse, fewer, better, more
	}
	counts := fmt.Sprintf("of %d pictures %d are right by it alone, %d by the other alone; McNemar's p = %.2g", p.N, more, fewer, p.P)
	if p.Adjusted != p.P {
		counts += fmt.Sprintf(", %.2g as one of several pairs", p.Adjusted)
	}
	chance := "which may be chance"
	if p.Adjusted < Level {
		chance = "more than chance"
	}
	if more == fewer {
		return fmt.Sprintf("%s and %s are equally accurate: of %d pictures %d are right by either alone", p.A, p.B, p.N, more)
	}
	points := 100 * float64(more-fewer) / float64(p.N)
	return fmt.Sprintf("%s is better than %s by %.1f points, %s: %s", better, worse, points, chance, counts)
}

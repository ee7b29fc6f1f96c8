// Command choose chooses the settings of the recipe auto, on training pictures alone.
//
//	go run ./bench/choose            # the runs that are missing, then the table in docs/training.md
//	go run ./bench/choose -table     # the table only
//
// The pictures are hotdog's 1,000 training pictures; its test pictures are not in the folder that is
// read. A deal is a seed, by which graft train --folds deals them into three folds, classes evenly and
// copies of a picture together. Each fold in turn is the outer one: a run learns from the other two as a
// user's would, its own validation pictures taken from these, and what counts is the outer fold's accuracy
// at the epoch that the recipe itself keeps. Two deals of three folds make six runs a candidate.
//
// The criterion: the mean accuracy over the six outer folds. A candidate replaces the recipe as it
// was (before.toml) only if its mean is at least 0.5 points better and it is not worse in either deal. Of those
// that do the best mean wins; a tie goes to the one that is cheaper to train.
//
// The candidates: before.toml; each change alone; then, of the changes whose mean alone was at least
// before.toml's, all together, and where these are at most four, all but each. Crops of at least a fifth and a
// half of a picture were left out for want of time, before a result of either.
//
// It knows graft's command line and its --json, nothing inside.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"graft/bench/journal"
)

// before is auto as it was when the choice was made.
//
//go:embed before.toml
var before string

const (
	folds  = 3
	margin = 0.005 // a mean must be better by
	exact  = 2e-6  // --json rounds accuracies to six digits
)

var deals = []uint64{0, 1}

// changes are tried one at a time, then together.
var changes = []change{
	{Name: "last epoch", Edits: []string{`choose = "loss"`, `choose = "last"`, "patience = 3", "patience = 0"}},
	{Name: "no label smoothing", Edits: []string{"label-smoothing = 0.1", "label-smoothing = 0"}},
	{Name: "rate 0.006", Edits: []string{"\nlr = 0.004", "\nlr = 0.006"}},
	{Name: "8 epochs", Edits: []string{"\nepochs = 5 ", "\nepochs = 8 "}, Cost: 3},
	{Name: "output layer 40 epochs", Edits: []string{"\nepochs = 20", "\nepochs = 40"}, Cost: 1},
	{Name: "no moving average", Edits: []string{"\nema = 0.99", "\nema = 0"}},
}

// A change is one of the recipe's text: what stands in it once, and what instead, in turn.
type change struct {
	Name  string
	Edits []string
	Cost  int // to train, in epochs of the whole network more
}

// A candidate is a set of changes; none is the recipe before.
type candidate []change

// name joins the changes' names: it is what rows know a candidate by.
func (c candidate) name() string {
	if len(c) == 0 {
		return "before"
	}
	var names []string
	for _, ch := range c {
		names = append(names, ch.Name)
	}
	return strings.Join(names, ", ")
}

func (c candidate) cost() (sum int) {
	for _, ch := range c {
		sum += ch.Cost
	}
	return sum
}

// recipe is the candidate's file.
func (c candidate) recipe() (string, error) {
	text := before
	for _, ch := range c {
		for i := 0; i < len(ch.Edits); i += 2 {
			if n := strings.Count(text, ch.Edits[i]); n != 1 {
				return "", fmt.Errorf("%s: %q stands %d times in the recipe, must be once", ch.Name, ch.Edits[i], n)
			}
			text = strings.Replace(text, ch.Edits[i], ch.Edits[i+1], 1)
		}
	}
	return text, nil
}

// A row is a cross-validation of a candidate over a deal.
type row struct {
	Candidate  string    `json:"candidate"`
	Deal       uint64    `json:"deal"`
	Accuracies []float64 `json:"accuracies"` // of the outer folds
	Seconds    float64   `json:"seconds"`    // of training and judging, on one thread
	Device     string    `json:"device"`
	Date       string    `json:"date"`
}

type settings struct {
	graft, out, doc, data string
	jobs                  int
	table                 bool
}

func main() {
	log.SetFlags(0)
	var s settings
	flag.StringVar(&s.graft, "graft", "bin/graft", "the program")
	flag.StringVar(&s.out, "out", "bench/choose/rows.jsonl", "rows; those that are there are not measured again")
	flag.StringVar(&s.doc, "doc", "docs/training.md", "where the table goes")
	flag.StringVar(&s.data, "data", "../shared/data/hotdog/train", "the training pictures, a folder a class")
	flag.IntVar(&s.jobs, "jobs", 2, "candidates at once, each on one thread")
	flag.BoolVar(&s.table, "table", false, "write the table only")
	flag.Parse()
	if err := run(s); err != nil {
		log.Fatal("choose: ", err)
	}
}

func run(s settings) error {
	rows, err := journal.Read[row](s.out)
	if err != nil {
		return err
	}
	list := first()
	if err := measure(s, list, &rows); err != nil {
		return err
	}
	if complete(rows, list) {
		list = append(list, second(rows)...)
		if err := measure(s, list, &rows); err != nil {
			return err
		}
	}
	if complete(rows, list) {
		log.Printf("chosen: %s", choose(rows, list).name())
	}
	return write(s.doc, table(rows, list))
}

// first are the recipe before and each change alone.
func first() []candidate {
	list := []candidate{nil}
	for _, ch := range changes {
		list = append(list, candidate{ch})
	}
	return list
}

// measure makes the runs that are missing, a deal after the other.
func measure(s settings, list []candidate, rows *[]row) error {
	if s.table {
		return nil
	}
	type run struct {
		c    candidate
		deal uint64
	}
	var missing []run
	for _, deal := range deals {
		for _, c := range list {
			if _, ok := of(*rows, c, deal); !ok {
				missing = append(missing, run{c, deal})
			}
		}
	}
	return journal.Add(s.out, rows, missing, s.jobs, func(x run) (row, error) {
		r, err := validate(s, x.c, x.deal)
		if err == nil {
			log.Printf("deal %d, %s: %.4f", r.Deal, r.Candidate, mean(r.Accuracies))
		}
		return r, err
	})
}

// validate trains a candidate on each fold of a deal.
func validate(s settings, c candidate, deal uint64) (row, error) {
	recipe, err := c.recipe()
	if err != nil {
		return row{}, err
	}
	dir, err := os.MkdirTemp("", "choose")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(dir)
	file, runs := filepath.Join(dir, "candidate.toml"), filepath.Join(dir, "runs")
	if err := os.WriteFile(file, []byte(recipe), 0o644); err != nil {
		return row{}, err
	}
	args := []string{"train", s.data, "--model", "squeezenet1_1", "--recipe", file, "--folds", strconv.Itoa(folds),
		"--seed", strconv.FormatUint(deal, 10), "--threads", "1", "--out", runs, "--json"}
	cmd := exec.Command(s.graft, args...)
	var notes bytes.Buffer
	cmd.Stderr = &notes
	out, err := cmd.Output()
	if err != nil {
		return row{}, fmt.Errorf("%s %s: %w\n%s", s.graft, strings.Join(args, " "), err, notes.String())
	}
	r := row{Candidate: c.name(), Deal: deal, Date: time.Now().UTC().Format(time.DateOnly)}
	for line := range bytes.Lines(out) {
		var e struct {
			Event      string
			Accuracies []float64
			Seconds    float64
		}
		if json.Unmarshal(line, &e) == nil && e.Event == "folds" {
			r.Accuracies, r.Seconds = e.Accuracies, e.Seconds
		}
	}
	if len(r.Accuracies) != folds {
		return row{}, fmt.Errorf("%s: %d folds have a result, must be %d", r.Candidate, len(r.Accuracies), folds)
	}
	r.Device, err = journal.Device(filepath.Join(runs, "fold-1"))
	return r, err
}

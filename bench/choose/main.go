// Command choose chooses the settings of the recipe auto, on training pictures alone.
//
//	go run ./bench/choose            # the runs that are missing, then the tables in docs/training.md
//	go run ./bench/choose -table     # the tables only
//
// The pictures are hotdog's 1,000 training pictures; its test pictures are not in the folder that is
// read. A deal is a seed, by which graft train --folds deals them into three folds, classes evenly and
// copies of a picture together. Each fold in turn is the outer one: a run learns from the other two as a
// user's would, its own validation pictures taken from these, and what counts is the outer fold's accuracy
// at the epoch that the recipe itself keeps. So a candidate has three runs a deal.
//
// The criterion: the mean accuracy over all outer folds of a round. A candidate replaces the recipe as it
// was before the round only if its mean is at least 0.5 points better and it is worse in no deal (first
// round, two deals) or in at most one (the later rounds). Of those that do the best mean wins; a tie
// goes to the one that is cheaper to train.
//
// The candidates of a round: the recipe before; each change alone; then, of the changes whose mean alone was at
// least that of before, all together, and where these are at most four, all but each. Of several that change the
// same setting the best goes along, between equals the cheaper.
//
// The first round began with before.toml and had deals 0 and 1. Crops of at least a fifth and a half of a
// picture were left out for want of time, before a result of either. The second begins with the first's winner,
// 8 epochs, and was to have deals 2 to 5, which had no part in making it that: its changes are a higher rate, more epochs,
// crops of at least a fifth and a half, layer decay on either side, mixup, and smaller batches.
// Where time runs out before the changes together are through, these are left out whole; where it runs out before
// each change alone is, the deals that are not through, and of two deals a candidate may be worse in none.
// So it went: deal 5 was not through in time, and is left out.
//
// The third begins where the second did, since that replaced nothing, and has deals 5 to 7, of which no result was
// seen: its changes are ImageNet's rows for classes of the same name, whole pictures squashed instead of cropped, colour jitter, half as many pictures
// held out, and the higher rate again, which the second round found better in every deal but by less than the margin. Where time
// runs out, what the second round said holds.
//
// The fourth was set when the third's changes alone were through: .006 was better than .004 by .0043 and, in the two rounds before,
// by .0033 and .0080. It asks over deals 8 to 10 what a higher rate yet does. It begins with what the third round leaves, which is the
// recipe before unless the third's changes together win; then it falls away.
//
// The fifth tries what graft could not do before: to learn from pictures of 192 pixels and to judge and be used at 224 (train-size),
// which saves a quarter of the time of an epoch of the whole network: with as many epochs, and with as many as the time allows. Six folds of another dealing of the training
// pictures had given .867 for the former beside .861, and .855 for 160 pixels, which therefore are no candidate. A candidate that is cheaper to train than the recipe before
// replaces it where its mean is no worse, and it is worse in at most one deal; said before the round's first run.
//
// It knows graft's command line and its --json, nothing inside.
package main

import (
	"bytes"
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

// A row is a cross-validation of a candidate over a deal.
type row struct {
	Round      int       `json:"round,omitempty"` // index in rounds
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
	flag.StringVar(&s.doc, "doc", "docs/training.md", "where the tables go")
	flag.StringVar(&s.data, "data", "../shared/data/hotdog/train", "the training pictures, a folder a class")
	flag.IntVar(&s.jobs, "jobs", 2, "candidates at once, each on one thread")
	flag.BoolVar(&s.table, "table", false, "write the tables only")
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
	for _, r := range rounds {
		list := r.alone()
		if err := measure(s, r, list, &rows); err != nil {
			return err
		}
		if r.complete(rows, list) {
			list = append(list, r.together(rows)...)
			if err := measure(s, r, list, &rows); err != nil {
				return err
			}
		}
		if r.complete(rows, list) {
			log.Printf("round %d, chosen: %s", r.Index+1, r.choose(rows, list).name())
		}
		if err := write(s.doc, r, r.table(rows, list)); err != nil {
			return err
		}
	}
	return nil
}

// measure makes the runs that are missing, a deal after the other.
func measure(s settings, r round, list []candidate, rows *[]row) error {
	if s.table {
		return nil
	}
	type run struct {
		c    candidate
		deal uint64
	}
	var missing []run
	for _, deal := range r.Deals {
		for _, c := range list {
			if _, ok := r.of(*rows, c, deal); !ok {
				missing = append(missing, run{c, deal})
			}
		}
	}
	return journal.Add(s.out, rows, missing, s.jobs, func(x run) (row, error) {
		row, err := validate(s, r, x.c, x.deal)
		if err == nil {
			log.Printf("deal %d, %s: %.4f", row.Deal, row.Candidate, mean(row.Accuracies))
		}
		return row, err
	})
}

// validate trains a candidate on each fold of a deal.
func validate(s settings, of round, c candidate, deal uint64) (row, error) {
	recipe, err := of.recipe(c)
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
	r := row{Round: of.Index, Candidate: c.name(), Deal: deal, Date: time.Now().UTC().Format(time.DateOnly)}
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

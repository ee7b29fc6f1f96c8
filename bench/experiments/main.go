// Command experiments measures the recipes: a row a run in a file of JSON lines, which a later
// call goes on with, and docs/results.md with the tables of what is there.
//
//	make experiments                      # what is missing, then the tables
//	go run ./bench/experiments -jobs 2    # two runs at once, of one thread each: the same bits
//	go run ./bench/experiments -time      # seed 0 of each recipe alone, for the time to .85
//	go run ./bench/experiments -table     # the tables only
//
// It knows graft's command line and its --json, nothing inside.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"graft/bench/journal"
)

// An experiment is a way to train; each of its seeds is a run.
type experiment struct {
	Set, Name, Leaks string
	Args             []string
	Seeds            int
}

// A row is a run that was made.
type row struct {
	Set     string  `json:"set"`
	Name    string  `json:"name"`
	Leaks   string  `json:"leaks,omitempty"`
	Seed    int     `json:"seed"`
	TestAcc float64 `json:"test_acc"` // of the epoch that validation pictures chose, without them of the last
	Best    float64 `json:"best"`     // of the epoch that graft kept: without validation pictures the test pictures chose it
	Chosen  bool    `json:"chosen"`   // there were validation pictures
	Epochs  int     `json:"epochs"`   // that were trained
	Timed   bool    `json:"timed,omitempty"`
	Seconds float64 `json:"seconds,omitempty"` // of the whole command, where timed
	To85    float64 `json:"to85,omitempty"`    // until the test accuracy first was .85, where timed; 0 is never
	Device  string  `json:"device"`
	Date    string  `json:"date"`
}

// plan is what is to be measured, what matters most first.
func plan(seeds int) []experiment {
	recipes := []experiment{
		{Name: "auto"}, {Name: "plain", Args: []string{"--recipe", "plain"}},
		{Name: "auto, output layer only", Args: []string{"--freeze", "all"}}, {Name: "fast", Args: []string{"--recipe", "fast"}},
		{Name: "auto, re-used rows", Args: []string{"--reuse-head", "auto"}}, {Name: "d2l", Args: []string{"--recipe", "d2l"}},
		{Name: "from scratch, 10 epochs", Args: []string{"--weights", "none", "--epochs", "10"}},
	}
	var list []experiment
	add := func(set, leaks string, of ...experiment) {
		for _, e := range of {
			e.Set, e.Leaks, e.Seeds = set, leaks, seeds
			if leaks != "" {
				e.Args = append([]string{"--leaks", leaks}, e.Args...)
			}
			list = append(list, e)
		}
	}
	still := []string{"--recipe", "plain", "--freeze", "all", "--epochs", "1", "--lr", "1e-12"} // changes nothing that is seen
	add("hotdog", "keep", recipes[:2]...)
	add("clothing", "", recipes[:3]...)
	add("start", "", experiment{Name: "re-used rows", Args: append(still, "--reuse-head", "auto")}, experiment{Name: "Xavier", Args: still})
	add("hotdog", "drop", recipes[:2]...)
	add("hotdog", "keep", recipes[2:]...)
	add("hotdog", "drop", recipes[2:]...)
	return list
}

type settings struct {
	graft, out, doc, hotdog string
	seeds, jobs             int
	only                    *regexp.Regexp
	timed, table            bool
}

func main() {
	log.SetFlags(0)
	var s settings
	only := ""
	flag.StringVar(&s.graft, "graft", "bin/graft", "the program")
	flag.StringVar(&s.out, "out", "bench/experiments/rows.jsonl", "rows; those that are there are not measured again")
	flag.StringVar(&s.doc, "doc", "docs/results.md", "where the tables go")
	flag.StringVar(&s.hotdog, "hotdog", "../shared/data/hotdog", "hotdog: a folder, or the built-in name")
	flag.StringVar(&only, "only", "", "experiments whose SET/LEAKS/NAME matches")
	flag.IntVar(&s.seeds, "seeds", 5, "runs of each")
	flag.IntVar(&s.jobs, "jobs", 1, "runs at once, of one thread each where more than 1")
	flag.BoolVar(&s.timed, "time", false, "seed 0 of hotdog's recipes, one at a time on all threads, for the time to .85: nothing else should run")
	flag.BoolVar(&s.table, "table", false, "write the tables only")
	flag.Parse()
	var err error
	if s.only, err = regexp.Compile(only); err == nil {
		err = run(s)
	}
	if err != nil {
		log.Fatal("experiments: ", err)
	}
}

func run(s settings) error {
	rows, err := journal.Read[row](s.out)
	if err != nil {
		return err
	}
	if !s.table {
		if err := measure(s, &rows); err != nil {
			return err
		}
	}
	return os.WriteFile(s.doc, tables(rows, plan(s.seeds)), 0o644)
}

// measure makes the runs that are missing. A timed run counts as a run; one of more threads
// has the same bits.
func measure(s settings, rows *[]row) error {
	type run struct {
		e    experiment
		seed int
	}
	var missing []run
	for _, e := range plan(s.seeds) {
		for seed := range e.Seeds {
			if s.timed && (seed > 0 || e.Set != "hotdog" || e.Leaks != "keep") || !s.only.MatchString(e.Set+"/"+e.Leaks+"/"+e.Name) || known(*rows, e, seed, s.timed) {
				continue
			}
			missing = append(missing, run{e, seed})
		}
	}
	return journal.Add(s.out, rows, missing, s.jobs, func(x run) (row, error) {
		r, err := one(s, x.e, x.seed)
		if err == nil {
			log.Printf("%s %s %s, seed %d: %.3f", r.Set, r.Leaks, r.Name, r.Seed, r.TestAcc)
		}
		return r, err
	})
}

func known(rows []row, e experiment, seed int, timed bool) bool {
	for _, r := range rows {
		if r.Set == e.Set && r.Leaks == e.Leaks && r.Name == e.Name && r.Seed == seed && (r.Timed || !timed) {
			return true
		}
	}
	return false
}

// one makes a run and reads what it prints.
func one(s settings, e experiment, seed int) (row, error) {
	dir, err := os.MkdirTemp("", "experiment")
	if err != nil {
		return row{}, err
	}
	defer os.RemoveAll(dir)
	data := s.hotdog
	args := []string{"train"}
	if e.Set == "clothing" {
		args, data = append(args, "--limit", "60"), "clothing"
	}
	args = append(args, data, "--model", "squeezenet1_1", "--seed", strconv.Itoa(seed), "--out", dir, "--force", "--json")
	threads := 0
	if s.jobs > 1 {
		threads = 1
	}
	args = append(append(args, "--threads", strconv.Itoa(threads)), e.Args...)
	c := exec.Command(s.graft, args...)
	var notes bytes.Buffer
	c.Stderr = &notes
	out, err := c.StdoutPipe()
	if err != nil {
		return row{}, err
	}
	r := row{Set: e.Set, Name: e.Name, Leaks: e.Leaks, Seed: seed, Timed: s.timed, Date: time.Now().UTC().Format(time.DateOnly)}
	started := time.Now()
	if err := c.Start(); err != nil {
		return row{}, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		r.hear(lines.Bytes(), time.Since(started))
	}
	if err := errors.Join(lines.Err(), c.Wait()); err != nil {
		return row{}, fmt.Errorf("%s %s: %w\n%s", s.graft, strings.Join(args, " "), err, notes.String())
	}
	if r.Timed {
		r.Seconds = time.Since(started).Seconds()
	} else {
		r.To85 = 0
	}
	r.Device, err = journal.Device(dir)
	return r, err
}

// hear takes a line of --json that came after so long.
func (r *row) hear(line []byte, after time.Duration) {
	var e struct {
		Event       string   `json:"event"`
		TestAcc     float64  `json:"test_acc"`
		ValAcc      *float64 `json:"val_acc"`
		BestTestAcc float64  `json:"best_test_acc"`
	}
	if json.Unmarshal(line, &e) != nil {
		return
	}
	switch e.Event {
	case "epoch":
		r.Epochs++
		r.Chosen = e.ValAcc != nil
		if e.TestAcc >= 0.85 && r.To85 == 0 {
			r.To85 = after.Seconds()
		}
	case "done":
		r.TestAcc, r.Best = e.TestAcc, e.BestTestAcc
		if r.Chosen {
			r.TestAcc = r.Best
		}
	}
}

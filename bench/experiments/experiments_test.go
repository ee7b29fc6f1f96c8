package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graft/bench/journal"
)

func TestRowHearsARun(t *testing.T) {
	var r row
	for i, line := range []string{`{"event":"epoch","epoch":1,"test_acc":0.8}`, `{"event":"epoch","epoch":2,"test_acc":0.85}`, `{"event":"epoch","epoch":3,"test_acc":0.9}`,
		`no json`, `{"event":"done","best_epoch":2,"best_test_acc":0.95,"test_acc":0.9}`} {
		r.hear([]byte(line), time.Duration(i+1)*time.Second)
	}
	if r.To85 != 2 || r.Epochs != 3 || r.TestAcc != 0.9 || r.Best != 0.95 {
		t.Errorf("without validation pictures the last epoch counts: %+v", r)
	}
	r = row{}
	r.hear([]byte(`{"event":"epoch","epoch":1,"test_acc":0.8,"val_acc":0.7}`), time.Second)
	r.hear([]byte(`{"event":"done","best_test_acc":0.95,"test_acc":0.9}`), time.Second)
	if r.TestAcc != 0.95 {
		t.Errorf("with validation pictures the epoch counts that they chose: %+v", r)
	}
}

func TestRowsThatAreThereAreKnown(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.jsonl")
	if rows, err := journal.Read[row](path); err != nil || len(rows) > 0 {
		t.Fatal(rows, err)
	}
	text := `{"set":"hotdog","name":"auto","leaks":"keep","seed":1,"test_acc":0.9}` + "\n" + `{"set":"hotdog","name":"au`
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	rows, err := journal.Read[row](path)
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	e := plan(5)[0]
	if !known(rows, e, 1, false) || known(rows, e, 2, false) || known(rows, e, 1, true) {
		t.Errorf("of %+v, seed 1 is there and was not timed", e)
	}
}

func TestTables(t *testing.T) {
	var rows []row
	for seed, acc := range []float64{0.9, 0.91, 0.93, 0.89, 0.92} {
		rows = append(rows, row{Set: "hotdog", Name: "auto", Leaks: "keep", Seed: seed, TestAcc: acc, Date: "2026-01-02", Device: "a processor"})
	}
	rows[0].Timed, rows[0].Seconds, rows[0].To85 = true, 20, 3.25
	text := string(tables(rows, plan(5)))
	for _, want := range []string{"| auto | .910 | .862 to .942 | .900 .910 .930 .890 .920 | 3.2 | 20.0 |\n", "| plain | not measured | | | | |\n", "Measured 2026-01-02 on a processor."} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

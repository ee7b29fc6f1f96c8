package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rows has a candidate's two deals, of equal folds.
func rows(name string, first, second float64) []row {
	return []row{{Candidate: name, Deal: deals[0], Accuracies: []float64{first, first, first}}, {Candidate: name, Deal: deals[1], Accuracies: []float64{second, second, second}}}
}

func named(name string) candidate {
	for _, ch := range changes {
		if ch.Name == name {
			return candidate{ch}
		}
	}
	return nil
}

func TestRecipesOfCandidates(t *testing.T) {
	for _, c := range first() {
		text, err := c.recipe()
		if err != nil || (text == before) != (len(c) == 0) {
			t.Errorf("%s: %v\n%s", c.name(), err, text)
		}
	}
	if _, err := (candidate{changes[0], changes[0]}).recipe(); err == nil {
		t.Error("a change was made twice")
	}
}

func TestCriterion(t *testing.T) {
	measured := func(name string, first, second float64) []row {
		return append(rows("before", .86, .86), rows(name, first, second)...)
	}
	for _, c := range []struct {
		first, second float64
		want          string
	}{
		{.865, .865, "8 epochs"}, {.88, .8599, "before"}, {.864, .865, "before"}, {.87, .86, "8 epochs"}, {.8, .8, "before"},
	} {
		if got := choose(measured("8 epochs", c.first, c.second), []candidate{nil, named("8 epochs")}).name(); got != c.want {
			t.Errorf("%+v: chose %s", c, got)
		}
	}
	tie := append(measured("8 epochs", .87, .87), rows("rate 0.006", .87, .87)...)
	if got := choose(tie, []candidate{nil, named("8 epochs"), named("rate 0.006")}).name(); got != "rate 0.006" {
		t.Errorf("of equals, chose %s, which is dearer", got)
	}
}

func TestSecondRound(t *testing.T) {
	all := rows("before", .86, .86)
	for _, ch := range changes {
		switch ch.Name {
		case "rate 0.006":
			all = append(all, rows(ch.Name, .86, .86)...)
		case "8 epochs", "last epoch":
			all = append(all, rows(ch.Name, .87, .86)...)
		default:
			all = append(all, rows(ch.Name, .87, .84)...)
		}
	}
	var names []string
	for _, c := range second(all) {
		names = append(names, c.name())
	}
	want := "last epoch, rate 0.006, 8 epochs; rate 0.006, 8 epochs; last epoch, 8 epochs; last epoch, rate 0.006"
	if got := strings.Join(names, "; "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestTableHasItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "training.md")
	if err := os.WriteFile(path, []byte("before\n"+begin+"old\n"+end+"behind\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := append(rows("before", .86, .861), rows("8 epochs", .87, .87)...)
	if err := write(path, table(all, []candidate{nil, named("8 epochs")})); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	for _, want := range []string{"before\n" + begin, "| before | .860 .860 .860 | .861 .861 .861 | .8605 |\n", "| **8 epochs** |", end + "behind\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

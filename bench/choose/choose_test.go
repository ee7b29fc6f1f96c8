package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// measured has a candidate's deals, each of equal folds.
func measured(r round, name string, deals ...float64) (rows []row) {
	for i, a := range deals {
		rows = append(rows, row{Round: r.Index, Candidate: name, Deal: r.Deals[i], Accuracies: []float64{a, a, a}})
	}
	return rows
}

// equal has a candidate's deals, all alike.
func equal(r round, name string, mean float64) []row {
	return measured(r, name, slices.Repeat([]float64{mean}, len(r.Deals))...)
}

func named(r round, name string) candidate {
	for _, ch := range r.Changes {
		if ch.Name == name {
			return candidate{ch}
		}
	}
	return nil
}

func TestRecipesOfCandidates(t *testing.T) {
	for _, r := range rounds {
		was, _ := r.recipe(nil)
		for _, c := range r.alone() {
			text, err := r.recipe(c)
			if err != nil || (text == was) != (len(c) == 0) {
				t.Errorf("%s: %v\n%s", c.name(), err, text)
			}
		}
		if _, err := r.recipe(candidate{r.Changes[0], r.Changes[0]}); err == nil {
			t.Error("a change was made twice")
		}
	}
}

func TestCriterion(t *testing.T) {
	for _, c := range []struct {
		round int
		deals []float64
		want  string
	}{
		{0, []float64{.865, .865}, "rate 0.006"}, {0, []float64{.88, .8599}, "before"}, {0, []float64{.864, .865}, "before"},
		{0, []float64{.87, .86}, "rate 0.006"}, {0, []float64{.8, .8}, "before"},
		{1, []float64{.89, .8599, .86}, "rate 0.006"}, {1, []float64{.89, .8599, .8599}, "before"},
		{4, []float64{.86, .8601, .8599}, "learns from 192 pixels"}, {4, []float64{.86, .86, .8599}, "before"}, {4, []float64{.87, .8599, .8599}, "before"},
	} {
		r, other := rounds[c.round], "rate 0.006"
		if c.round == 4 { // cheaper than before
			other = "learns from 192 pixels"
		}
		rows := append(equal(r, "before", .86), measured(r, other, c.deals...)...)
		if got := r.choose(rows, []candidate{nil, named(r, other)}).name(); got != c.want {
			t.Errorf("%+v: chose %s", c, got)
		}
	}
	r := rounds[0]
	tie := slices.Concat(measured(r, "before", .86, .86), measured(r, "8 epochs", .87, .87), measured(r, "rate 0.006", .87, .87))
	if got := r.choose(tie, []candidate{nil, named(r, "8 epochs"), named(r, "rate 0.006")}).name(); got != "rate 0.006" {
		t.Errorf("of equals, chose %s, which is dearer", got)
	}
}

func TestTogether(t *testing.T) {
	for _, c := range []struct {
		round int
		means map[string]float64 // all others are worse than before
		want  string
	}{
		{0, map[string]float64{"rate 0.006": .86, "8 epochs": .87, "last epoch": .87},
			"last epoch, rate 0.006, 8 epochs; rate 0.006, 8 epochs; last epoch, 8 epochs; last epoch, rate 0.006"},
		{0, map[string]float64{"8 epochs": .87}, ""},
		{1, map[string]float64{"crops from .2": .861, "crops from .5": .862, "batch 16": .86}, "crops from .5, batch 16"},
		{1, map[string]float64{"crops from .2": .861, "crops from .5": .861, "batch 16": .86}, "crops from .2, batch 16"},
	} {
		r := rounds[c.round]
		all := equal(r, "before", .86)
		for _, ch := range r.Changes {
			mean, ok := c.means[ch.Name]
			if !ok {
				mean = .85
			}
			all = append(all, equal(r, ch.Name, mean)...)
		}
		var names []string
		for _, c := range r.together(all) {
			names = append(names, c.name())
		}
		if got := strings.Join(names, "; "); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestTableHasItsPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "training.md")
	r := rounds[0]
	begin, end := r.marks()
	if err := os.WriteFile(path, []byte("before\n"+begin+"old\n"+end+"behind\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	all := append(measured(r, "before", .86, .861), measured(r, "8 epochs", .87, .87)...)
	if err := write(path, r, r.table(all, []candidate{nil, named(r, "8 epochs")})); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	for _, want := range []string{"before\n" + begin, "| before | .860 .860 .860 | .861 .861 .861 | .8605 |\n", "| **8 epochs** |", end + "behind\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("lacks %q:\n%s", want, text)
		}
	}
}

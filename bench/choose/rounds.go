package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// before is auto as it was before the first round.
//
//go:embed before.toml
var before string

const (
	folds  = 3
	margin = 0.005 // a mean must be better by
	exact  = 2e-6  // --json rounds accuracies to six digits
)

// A round holds changes of a recipe against that recipe.
type round struct {
	Index   int
	Deals   []uint64
	Worse   int       // deals in which the chosen one may be worse
	Before  candidate // what the rounds before made of before.toml
	Changes []change  // tried one at a time, then together
}

var eightEpochs = change{Name: "8 epochs", Edits: []string{"\nepochs = 5 ", "\nepochs = 8 "}, Cost: 3}

var rounds = []round{
	{Index: 0, Deals: []uint64{0, 1}, Changes: []change{
		{Name: "last epoch", Edits: []string{`choose = "loss"`, `choose = "last"`, "patience = 3", "patience = 0"}},
		{Name: "no label smoothing", Edits: []string{"label-smoothing = 0.1", "label-smoothing = 0"}},
		{Name: "rate 0.006", Edits: []string{"\nlr = 0.004", "\nlr = 0.006"}},
		eightEpochs,
		{Name: "output layer 40 epochs", Edits: []string{"\nepochs = 20", "\nepochs = 40"}, Cost: 1},
		{Name: "no moving average", Edits: []string{"\nema = 0.99", "\nema = 0"}},
	}},
	{Index: 1, Deals: []uint64{2, 3, 4}, Worse: 1, Before: candidate{eightEpochs}, Changes: []change{
		{Name: "rate 0.006", Edits: []string{"\nlr = 0.004", "\nlr = 0.006"}},
		{Name: "12 epochs", Edits: []string{"\nepochs = 8 ", "\nepochs = 12 "}, Cost: 4},
		{Name: "crops from .2", Edits: []string{"crop=0.35", "crop=0.2"}},
		{Name: "crops from .5", Edits: []string{"crop=0.35", "crop=0.5"}},
		{Name: "layer decay 0.7", Edits: []string{"layer-decay = 0.8", "layer-decay = 0.7"}},
		{Name: "layer decay 0.9", Edits: []string{"layer-decay = 0.8", "layer-decay = 0.9"}},
		{Name: "mixup 0.2", Edits: []string{"label-smoothing = 0.1", "label-smoothing = 0.1\nmixup = 0.2"}},
		{Name: "batch 16", Edits: []string{"batch = 32", "batch = 16"}, Cost: 1},
	}},
	{Index: 2, Deals: []uint64{5, 6, 7}, Worse: 1, Before: candidate{eightEpochs}, Changes: []change{
		{Name: "re-used rows", Edits: []string{"label-smoothing = 0.1\n\n", "label-smoothing = 0.1\nreuse-head = \"auto\"\n\n"}},
		{Name: "squashed whole", Edits: []string{"ema = 0.99\naugment", "ema = 0.99\ncrop = \"squash\"\naugment"}},
		{Name: "colour jitter 0.2", Edits: []string{"crop=0.35,flip\"", "crop=0.35,flip,jitter=0.2\""}},
		{Name: "a twentieth held out", Edits: []string{"validation = 0.1", "validation = 0.05"}},
		{Name: "rate 0.006", Edits: []string{"\nlr = 0.004", "\nlr = 0.006"}},
	}},
	{Index: 3, Deals: []uint64{8, 9, 10}, Worse: 1, Before: candidate{eightEpochs}, Changes: []change{
		{Name: "rate 0.006", Edits: []string{"\nlr = 0.004", "\nlr = 0.006"}},
		{Name: "rate 0.008", Edits: []string{"\nlr = 0.004", "\nlr = 0.008"}},
		{Name: "rate 0.012", Edits: []string{"\nlr = 0.004", "\nlr = 0.012"}},
	}},
	{Index: 4, Deals: []uint64{11, 12, 13}, Worse: 1, Before: candidate{eightEpochs}, Changes: []change{
		{Name: "learns from 192 pixels", Edits: []string{"# of the whole network\n", "\ntrain-size = 0.86\n"}, Cost: -2},
		{Name: "learns from 192 pixels, 11 epochs", Edits: []string{"# of the whole network\n", "\ntrain-size = 0.86\n", "\nepochs = 8 ", "\nepochs = 11 "}},
	}},
}

// A change is one of the recipe's text: what stands in it once, and what instead, in turn.
type change struct {
	Name  string
	Edits []string
	Cost  int // to train, in epochs of the whole network more; below 0 it is cheaper
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
func (r round) recipe(c candidate) (string, error) {
	text := before
	for _, ch := range slices.Concat(r.Before, c) {
		for i := 0; i < len(ch.Edits); i += 2 {
			if n := strings.Count(text, ch.Edits[i]); n != 1 {
				return "", fmt.Errorf("%s: %q stands %d times in the recipe, must be once", ch.Name, ch.Edits[i], n)
			}
			text = strings.Replace(text, ch.Edits[i], ch.Edits[i+1], 1)
		}
	}
	return text, nil
}

// alone are the recipe before and each change alone.
func (r round) alone() []candidate {
	list := []candidate{nil}
	for _, ch := range r.Changes {
		list = append(list, candidate{ch})
	}
	return list
}

// together are the changes together that alone were no worse than the recipe before, and all of them but
// each; what alone has is left out. Of those that edit the same text the best goes along.
func (r round) together(rows []row) []candidate {
	was, _ := r.score(rows, nil)
	var good candidate
	var means []float64
	for _, ch := range r.Changes {
		alone, _ := r.score(rows, candidate{ch})
		if alone < was-exact {
			continue
		}
		i := slices.IndexFunc(good, func(g change) bool { return g.Edits[0] == ch.Edits[0] })
		switch {
		case i < 0:
			good, means = append(good, ch), append(means, alone)
		case alone > means[i]+exact || alone > means[i]-exact && ch.Cost < good[i].Cost:
			good[i], means[i] = ch, alone
		}
	}
	if len(good) < 2 {
		return nil
	}
	list := []candidate{good}
	if len(good) == 2 || len(good) > 4 {
		return list
	}
	for i := range good {
		list = append(list, slices.Delete(slices.Clone(good), i, i+1))
	}
	return list
}

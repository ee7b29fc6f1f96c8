package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// of is a candidate's row of a deal.
func of(rows []row, c candidate, deal uint64) (row, bool) {
	i := slices.IndexFunc(rows, func(r row) bool { return r.Candidate == c.name() && r.Deal == deal })
	if i < 0 {
		return row{}, false
	}
	return rows[i], true
}

// complete reports whether every candidate was measured in every deal.
func complete(rows []row, list []candidate) bool {
	for _, c := range list {
		for _, deal := range deals {
			if _, ok := of(rows, c, deal); !ok {
				return false
			}
		}
	}
	return true
}

// score is a candidate's mean over all outer folds, and over those of each deal.
func score(rows []row, c candidate) (all float64, by []float64) {
	for _, deal := range deals {
		r, _ := of(rows, c, deal)
		by = append(by, mean(r.Accuracies))
	}
	return mean(by), by // the deals have equally many folds
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum / float64(len(v))
}

// second are the changes together that alone were no worse than the recipe before, and all of them but
// each; what was in the first round is left out.
func second(rows []row) []candidate {
	was, _ := score(rows, nil)
	var good candidate
	for _, ch := range changes {
		if alone, _ := score(rows, candidate{ch}); alone >= was-exact {
			good = append(good, ch)
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

// choose applies the criterion.
func choose(rows []row, list []candidate) candidate {
	var won candidate
	was, wasBy := score(rows, nil)
	best := was
	for _, c := range list {
		all, by := score(rows, c)
		worse := false
		for i := range by {
			worse = worse || by[i] < wasBy[i]-exact
		}
		if worse || all < was+margin-exact {
			continue
		}
		if all > best+exact || all > best-exact && c.cost() < won.cost() {
			won, best = c, all
		}
	}
	return won
}

// The table lies between these in the document.
const begin, end = "<!-- bench/choose -->\n", "<!-- /bench/choose -->\n"

// table is of what was measured.
func table(rows []row, list []candidate) string {
	var b strings.Builder
	b.WriteString("| candidate |")
	for _, deal := range deals {
		fmt.Fprintf(&b, " deal %d, folds |", deal+1)
	}
	b.WriteString(" mean |\n|---|" + strings.Repeat("---|", len(deals)+1) + "\n")
	won := "not yet chosen"
	if complete(rows, list) {
		won = choose(rows, list).name()
	}
	for _, c := range list {
		name := c.name()
		if name == won {
			name = "**" + name + "**"
		}
		fmt.Fprintf(&b, "| %s |", name)
		whole := true
		for _, deal := range deals {
			r, ok := of(rows, c, deal)
			whole = whole && ok
			if !ok {
				b.WriteString(" |")
				continue
			}
			for _, a := range r.Accuracies {
				b.WriteString(" " + short(a, 3))
			}
			b.WriteString(" |")
		}
		if !whole {
			b.WriteString(" |\n")
			continue
		}
		all, _ := score(rows, c)
		fmt.Fprintf(&b, " %s |\n", short(all, 4))
	}
	return b.String()
}

// short is an accuracy as .895.
func short(v float64, digits int) string {
	return strings.TrimPrefix(fmt.Sprintf("%.*f", digits, v), "0")
}

// write puts the table into its place in the document.
func write(path, table string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok := bytes.Cut(text, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return fmt.Errorf("%s has no place for the table, between %q and %q", path, begin, end)
	}
	return os.WriteFile(path, slices.Concat(head, []byte(begin+table+end), tail), 0o644)
}

package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
)

// of is a candidate's row of a deal.
func (r round) of(rows []row, c candidate, deal uint64) (row, bool) {
	i := slices.IndexFunc(rows, func(m row) bool { return m.Round == r.Index && m.Candidate == c.name() && m.Deal == deal })
	if i < 0 {
		return row{}, false
	}
	return rows[i], true
}

// complete reports whether every candidate was measured in every deal.
func (r round) complete(rows []row, list []candidate) bool {
	for _, c := range list {
		for _, deal := range r.Deals {
			if _, ok := r.of(rows, c, deal); !ok {
				return false
			}
		}
	}
	return true
}

// score is a candidate's mean over all outer folds, and over those of each deal.
func (r round) score(rows []row, c candidate) (all float64, by []float64) {
	for _, deal := range r.Deals {
		m, _ := r.of(rows, c, deal)
		by = append(by, mean(m.Accuracies))
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

// choose applies the criterion.
func (r round) choose(rows []row, list []candidate) candidate {
	var won candidate
	was, wasBy := r.score(rows, nil)
	best := was
	for _, c := range list {
		all, by := r.score(rows, c)
		worse := 0
		for i := range by {
			if by[i] < wasBy[i]-exact {
				worse++
			}
		}
		if worse > r.Worse || all < was+needed(c)-exact {
			continue
		}
		if all > best+exact || all > best-exact && c.cost() < won.cost() {
			won, best = c, all
		}
	}
	return won
}

// needed is what a candidate's mean must be better by: nothing where it is cheaper to train.
func needed(c candidate) float64 {
	if c.cost() < 0 {
		return 0
	}
	return margin
}

// marks are the lines of the document between which the round's table lies.
func (r round) marks() (begin, end string) {
	return fmt.Sprintf("<!-- bench/choose, round %d -->\n", r.Index+1), fmt.Sprintf("<!-- /bench/choose, round %d -->\n", r.Index+1)
}

// table is of what was measured.
func (r round) table(rows []row, list []candidate) string {
	var b strings.Builder
	b.WriteString("| candidate |")
	for _, deal := range r.Deals {
		fmt.Fprintf(&b, " deal %d, folds |", deal+1)
	}
	b.WriteString(" mean |\n|---|" + strings.Repeat("---|", len(r.Deals)+1) + "\n")
	won := "not yet chosen"
	if r.complete(rows, list) {
		won = r.choose(rows, list).name()
	}
	for _, c := range list {
		name := c.name()
		if name == won {
			name = "**" + name + "**"
		}
		fmt.Fprintf(&b, "| %s |", name)
		whole := true
		for _, deal := range r.Deals {
			m, ok := r.of(rows, c, deal)
			whole = whole && ok
			if !ok {
				b.WriteString(" |")
				continue
			}
			for _, a := range m.Accuracies {
				b.WriteString(" " + short(a, 3))
			}
			b.WriteString(" |")
		}
		if !whole {
			b.WriteString(" |\n")
			continue
		}
		all, _ := r.score(rows, c)
		fmt.Fprintf(&b, " %s |\n", short(all, 4))
	}
	return b.String()
}

// short is an accuracy as .895.
func short(v float64, digits int) string {
	return strings.TrimPrefix(fmt.Sprintf("%.*f", digits, v), "0")
}

// write puts the round's table into its place in the document.
func write(path string, r round, table string) error {
	begin, end := r.marks()
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

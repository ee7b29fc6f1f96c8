package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"graft"
)

// A format is how answers are printed: how many classes, and what was asked beside the label.
type format struct {
	topk  int
	trust graft.Trust
}

// rejects reports whether an answer may be unknown.
func (f *format) rejects() bool {
	return f.trust.Sure > 0 || f.trust.Threshold > 0 || f.trust.Accept > 0
}

func (f *format) text(w io.Writer) func(*graft.Answer) error {
	return func(a *graft.Answer) error {
		if a.Err != nil {
			_, e := fmt.Fprintf(w, "%s\terror: %v\n", a.Path, a.Err)
			return e
		}
		var top []string
		for _, l := range a.TopK[:f.topk] {
			top = append(top, fmt.Sprintf("%s %.3f", l.Label, l.Prob))
		}
		more := ""
		if f.rejects() {
			more = "\t" + a.Reason
		}
		if f.trust.Coverage > 0 {
			more += "\t{" + strings.Join(a.Set, ", ") + "}"
		}
		_, e := fmt.Fprintf(w, "%s\t%s\t%.3f\t%s%s\n", a.Path, a.Label, a.Prob, strings.Join(top, ", "), more)
		return e
	}
}

func (f *format) json(w io.Writer) func(*graft.Answer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return func(a *graft.Answer) error {
		if a.Err != nil {
			return e.Encode(struct {
				Path  string `json:"path"`
				Error string `json:"error"`
			}{a.Path, a.Err.Error()})
		}
		return e.Encode(struct {
			Path string `json:"path"`
			graft.Prediction
		}{a.Path, a.Top(f.topk)})
	}
}

// header names the columns of CSV.
func (f *format) header() []string {
	header := []string{"path", "label", "prob", "error"}
	for k := 2; k <= f.topk; k++ {
		header = append(header, fmt.Sprintf("label%d", k), fmt.Sprintf("prob%d", k))
	}
	if f.rejects() {
		header = append(header, "reason")
	}
	if f.trust.Accept > 0 {
		header = append(header, "ood")
	}
	if f.trust.Coverage > 0 {
		header = append(header, "set")
	}
	return header
}

func (f *format) csv(w io.Writer, header bool) (func(*graft.Answer) error, error) {
	c := csv.NewWriter(w)
	write := func(row []string) error {
		if err := c.Write(row); err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	}
	if header {
		if err := write(f.header()); err != nil {
			return nil, err
		}
	}
	return func(a *graft.Answer) error { return write(f.row(a)) }, nil
}

func (f *format) row(a *graft.Answer) []string {
	if a.Err != nil {
		row := make([]string, len(f.header()))
		row[0], row[3] = a.Path, a.Err.Error()
		return row
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	row := []string{a.Path, a.Label, number(a.Prob), ""}
	for _, l := range a.TopK[1:f.topk] {
		row = append(row, l.Label, number(l.Prob))
	}
	if f.rejects() {
		row = append(row, a.Reason)
	}
	if f.trust.Accept > 0 {
		row = append(row, number(a.OOD))
	}
	if f.trust.Coverage > 0 {
		row = append(row, strings.Join(a.Set, " | "))
	}
	return row
}

// A tally counts answers.
type tally struct {
	before, failed, unknown int
	labels                  map[string]int
	answered                int
}

func (t *tally) add(a *graft.Answer) {
	if a.Err != nil {
		t.failed++
		return
	}
	t.answered++
	if a.Unknown {
		t.unknown++
		return
	}
	t.labels[a.Label]++
}

// all are the pictures dealt with, an earlier call's included.
func (t *tally) all() int { return t.before + t.failed + t.answered }

// print says what became of the pictures.
func (t *tally) print(w io.Writer, file string) {
	fmt.Fprintf(w, "%d pictures in %s", t.all(), file)
	if t.before > 0 {
		fmt.Fprintf(w, ", %d of them from before", t.before)
	}
	fmt.Fprintln(w)
	for _, label := range slices.Sorted(maps.Keys(t.labels)) {
		fmt.Fprintf(w, "  %7d  %s\n", t.labels[label], label)
	}
	if t.unknown > 0 {
		fmt.Fprintf(w, "  %7d  unknown\n", t.unknown)
	}
	if t.failed > 0 {
		fmt.Fprintf(w, "  %7d  could not be read\n", t.failed)
	}
}

package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"graft"
)

// pictures are the test pictures of a set.
var pictures = map[string]int{"hotdog": 200, "start": 200, "clothing": 90}

// tables are docs/results.md.
func tables(rows []row, all []experiment) []byte {
	var b bytes.Buffer
	b.WriteString(`# Results

Written by ` + "`make experiments`" + ` (bench/experiments), which goes on with the runs that are missing in its rows.jsonl. SqueezeNet 1.1, test accuracy. No choice is
made on test pictures: of ` + "`auto`" + ` it is the epoch that a tenth of the training pictures chose, of the others, which hold none back, the last epoch. The interval is Wilson's,
95 %, of the median over the test pictures: what chance may move it by other pictures. The seeds beside it show what chance moves by other draws; where fewer than
five stand, the others are not measured yet. Time is of the whole command, on all threads, seed 0, ahead of anything else on the machine: until the test accuracy
first was .85, and to the end.
`)
	if len(rows) > 0 {
		fmt.Fprintf(&b, "\nMeasured %s on %s.\n", dates(rows), devices(rows))
	}
	section := func(title, text, set, leaks string) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", title, text)
		timed := set == "hotdog" && leaks == "keep"
		b.WriteString("| | median | 95 % interval | seeds |")
		if timed {
			b.WriteString(" s to .85 | s in all |")
		}
		b.WriteString("\n|---|---|---|---|" + strings.Repeat("---|", 2*of(timed)) + "\n")
		for _, e := range all {
			if e.Set == set && e.Leaks == leaks {
				b.WriteString(line(rows, e, timed))
			}
		}
	}
	section("Hotdog, leaked pictures kept", "1,000 training and 200 test pictures; 18 of the test pictures stand in training too, as the set is found. From scratch SqueezeNet learns nothing: the ReLU behind its\n"+
		"output layer is soon 0 for every picture, the loss ln 2 and its gradient none. torchvision's squeezenet1_1 does the same in PyTorch (200 of the pictures, the recipe's optimiser and rate, two seeds).", "hotdog", "keep")
	section("Hotdog, leaked pictures dropped", "`--leaks drop`: the 18 are left out of training.", "hotdog", "drop")
	section("Clothing, 60 pictures a class", "`clothing --limit 60`: 3 classes, 90 test pictures.", "clothing", "")
	section("Hotdog before the first step", "Test accuracy with the new output layer's rows taken from ImageNet's classes of the same name (`--reuse-head auto`), and at random.", "start", "")
	return b.Bytes()
}

func of(is bool) int {
	if is {
		return 1
	}
	return 0
}

// line is an experiment's in a table.
func line(rows []row, e experiment, timed bool) string {
	mine := map[int]row{}
	var time row
	for _, r := range rows {
		if r.Set == e.Set && r.Leaks == e.Leaks && r.Name == e.Name {
			if _, ok := mine[r.Seed]; !ok {
				mine[r.Seed] = r
			}
			if r.Timed {
				time = r
			}
		}
	}
	var accs []float64
	for seed := range e.Seeds {
		if r, ok := mine[seed]; ok {
			accs = append(accs, r.TestAcc)
		}
	}
	text := fmt.Sprintf("| %s | not measured | | |", e.Name)
	if len(accs) > 0 {
		median := median(accs)
		low, high := graft.Interval(median, pictures[e.Set])
		text = fmt.Sprintf("| %s | %s | %s to %s | %s |", e.Name, short(median), short(low), short(high), list(accs))
	}
	switch {
	case timed && time.Timed && time.To85 > 0:
		text += fmt.Sprintf(" %.1f | %.1f |", time.To85, time.Seconds)
	case timed && time.Timed:
		text += fmt.Sprintf(" never | %.1f |", time.Seconds)
	case timed:
		text += " | |"
	}
	return text + "\n"
}

// short is an accuracy as .895.
func short(v float64) string { return strings.TrimPrefix(fmt.Sprintf("%.3f", v), "0") }

func list(accs []float64) string {
	var words []string
	for _, a := range accs {
		words = append(words, short(a))
	}
	return strings.Join(words, " ")
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

func dates(rows []row) string {
	first := slices.MinFunc(rows, func(a, b row) int { return cmp.Compare(a.Date, b.Date) }).Date
	last := slices.MaxFunc(rows, func(a, b row) int { return cmp.Compare(a.Date, b.Date) }).Date
	if first == last {
		return first
	}
	return first + " to " + last
}

func devices(rows []row) string {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.Device) {
			names = append(names, r.Device)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "; ")
}

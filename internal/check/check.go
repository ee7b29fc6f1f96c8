// Package check says what is wrong with a dataset's pictures before anything is
// learnt from them: files, copies, leaks, odd pictures, the balance of classes, and,
// given a network's answers, labels that are likely wrong.
//
// It reads what opening the dataset found and writes reports, sheets and lists. It
// changes no picture and knows no network.
package check

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"graft/internal/dataset"
)

// A Report is everything found.
type Report struct {
	Data     string    `json:"data"`
	Pictures int       `json:"pictures"`
	Classes  []Class   `json:"classes"`
	Findings []Finding `json:"findings"`
	Labels   *Labels   `json:"labels,omitempty"` // where a network was asked

	sheets []sheet
}

// A Class is a label and how many pictures each part has of it.
type Class struct {
	Name  string `json:"name"`
	Train int    `json:"train"`
	Valid int    `json:"val"`
	Test  int    `json:"test"`
}

// A Finding is one kind of fault, and where it is.
type Finding struct {
	Kind   string  `json:"kind"`   // stable: see Kinds
	Text   string  `json:"text"`   // a sentence
	Groups []Group `json:"groups"` // copies together, anything else alone
}

// A Group is what one fault is about.
type Group struct {
	Pictures []Picture `json:"pictures"`
	Why      string    `json:"why,omitempty"`
	Advice   string    `json:"advice"` // remove, relabel, rename or look
}

// A Picture names a file.
type Picture struct {
	Path  string `json:"path"`
	Part  string `json:"part,omitempty"` // train, valid or test
	Class string `json:"class,omitempty"`
}

// Of reads what opening d found; d was opened with Check.
func Of(d *dataset.Dataset) *Report {
	r := &Report{Data: d.Name, Pictures: len(d.Train) + len(d.Valid) + len(d.Test)}
	train, valid, test := d.Counts(dataset.Train), d.Counts(dataset.Valid), d.Counts(dataset.Test)
	for i, name := range d.Classes {
		r.Classes = append(r.Classes, Class{name, train[i], valid[i], test[i]})
	}
	r.carryOver(d)
	r.copies(d)
	for _, t := range tests {
		r.odd(d, t)
	}
	r.balance(d)
	return r
}

// carryOver takes what was found before pictures were decoded, and those that could not be.
func (r *Report) carryOver(d *dataset.Dataset) {
	var unreadable Finding
	for _, f := range d.Findings {
		switch f.Kind {
		case "unreadable":
			g := Group{Why: f.Text, Advice: "remove"}
			for _, p := range f.Paths {
				g.Why = strings.TrimPrefix(strings.TrimPrefix(f.Text, p), " is left out: ")
				g.Pictures = append(g.Pictures, Picture{Path: p})
			}
			unreadable.Groups = append(unreadable.Groups, g)
		case "leak", "valid-in-test", "duplicate", "label-conflict", "near-leak", "near-valid-in-test", "near-duplicate", "near-label-conflict":
			// copies has them one by one
		default:
			to := Finding{Kind: f.Kind, Text: f.Text}
			for _, p := range f.Paths {
				to.Groups = append(to.Groups, Group{Pictures: []Picture{{Path: p}}, Advice: "look"})
			}
			r.Findings = append(r.Findings, to)
		}
	}
	if n := len(unreadable.Groups); n > 0 {
		unreadable.Kind, unreadable.Text = "unreadable", count(n, "file cannot be read", "files cannot be read")+": damaged, cut short, or no picture"
		r.Findings = append(r.Findings, unreadable)
	}
}

// kindsOfCopies are in order of weight; a set of copies may be of several kinds.
var kindsOfCopies = []struct {
	kind, text, advice string
	is                 func(*dataset.Copies) bool
}{
	{"label-conflict", "under two labels", "look", (*dataset.Copies).Conflict},
	{"leak", "both in training and in what it is judged by", "remove", (*dataset.Copies).Leak},
	{"valid-in-test", "both in validation and in test", "remove", (*dataset.Copies).Judged},
	{"duplicate", "more than once in the same part", "remove", (*dataset.Copies).Within},
}

func (r *Report) copies(d *dataset.Dataset) {
	for _, exact := range []bool{true, false} {
		for _, k := range kindsOfCopies {
			f, s := Finding{Kind: k.kind}, sheet{name: k.kind}
			how := "byte for byte"
			if !exact {
				f.Kind, s.name, how = "near-"+k.kind, "near-"+k.kind, "scaled or compressed again,"
			}
			for i := range d.Copies {
				c := &d.Copies[i]
				if c.Exact != exact || !k.is(c) {
					continue
				}
				g := Group{Advice: k.advice}
				var samples []dataset.Sample
				for _, p := range c.Places {
					g.Pictures = append(g.Pictures, Picture{p.Path, string(p.Part), d.Classes[p.Class]})
					samples = append(samples, p.Sample)
				}
				f.Groups = append(f.Groups, g)
				s.rows = append(s.rows, samples)
			}
			r.add(f, s, "picture stands "+how+" "+k.text, "pictures stand "+how+" "+k.text)
		}
	}
}

// add keeps a finding that has groups.
func (r *Report) add(f Finding, s sheet, one, many string) {
	if n := len(f.Groups); n > 0 {
		f.Text = count(n, one, many)
		r.Findings = append(r.Findings, f)
		s.title = f.Text
		s.groups = f.Groups
		r.sheets = append(r.sheets, s)
	}
}

// A test looks at one picture by itself.
type test struct {
	kind, one, many, advice string
	// fails says why, or "".
	fails func(s *dataset.Sample, l *dataset.Look) string
}

// Limits of the tests; docs/data.md says what they find in real pictures.
const (
	tinySide     = 64 // pixels: a network sees it enlarged three and a half times
	darkMean     = 20 // of 255
	flatContrast = 8  // standard deviation of brightness
	blurredMost  = 10 // standard deviation of the Laplacian where it is largest
	oddShape     = 3  // longer side over shorter
)

var tests = []test{
	{"tiny", "picture is tiny", "pictures are tiny", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(min(l.Width, l.Height) < tinySide, "%d x %d pixels", l.Width, l.Height)
	}},
	{"dark", "picture is very dark", "pictures are very dark", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(l.Mean < darkMean, "mean brightness %.0f of 255", l.Mean)
	}},
	{"flat", "picture is almost of one tone", "pictures are almost of one tone", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(l.Deviation < flatContrast && l.Mean >= darkMean, "brightness %.0f, deviation %.1f", l.Mean, l.Deviation)
	}},
	{"blurred", "picture is blurred", "pictures are blurred", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(l.Sharpness < blurredMost && l.Deviation >= flatContrast, "sharpness %.1f, below %d", l.Sharpness, blurredMost)
	}},
	{"odd-shape", "picture is more than three times as long as wide", "pictures are more than three times as long as wide", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(max(l.Width, l.Height) > oddShape*min(l.Width, l.Height), "%d x %d pixels: a crop sees a small part", l.Width, l.Height)
	}},
	{"wrong-extension", "file is named as another format than it has", "files are named as another format than they have", "rename", func(s *dataset.Sample, l *dataset.Look) string {
		ext := strings.ToLower(path.Ext(s.Path))
		is, known := endings[ext]
		return when(known && is != l.Format, "%s, named %s", l.Format, ext)
	}},
	{"rotated", "picture lies as its camera stored it and is turned upright by its EXIF tag", "pictures lie as their cameras stored them and are turned upright by their EXIF tag", "look", func(_ *dataset.Sample, l *dataset.Look) string {
		return when(l.Orientation != 1, "orientation %d; programs that ignore it see another picture", l.Orientation)
	}},
}

var endings = map[string]string{".jpg": "jpeg", ".jpeg": "jpeg", ".jpe": "jpeg", ".jfif": "jpeg", ".png": "png", ".gif": "gif", ".webp": "webp",
	".bmp": "bmp", ".dib": "bmp", ".tif": "tiff", ".tiff": "tiff"}

func when(is bool, format string, args ...any) string {
	if !is {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// odd collects the pictures that fail a test.
func (r *Report) odd(d *dataset.Dataset, t test) {
	f, s := Finding{Kind: t.kind}, sheet{name: t.kind}
	for _, part := range []dataset.Split{dataset.Train, dataset.Valid, dataset.Test} {
		samples := d.Samples(part)
		for i := range samples {
			x := &samples[i]
			l := d.Look(x)
			if l == nil {
				continue
			}
			if why := t.fails(x, l); why != "" {
				f.Groups = append(f.Groups, Group{[]Picture{{x.Path, string(part), d.Classes[x.Class]}}, why, t.advice})
				s.rows = append(s.rows, []dataset.Sample{*x})
			}
		}
	}
	r.add(f, s, t.one, t.many)
}

// Limits of the balance of training pictures.
const (
	mostImbalance = 5.0
	fewPictures   = 20
)

func (r *Report) balance(d *dataset.Dataset) {
	if len(d.Classes) == 0 || len(d.Train) == 0 {
		return
	}
	by := func(a, b Class) int { return cmp.Compare(a.Train, b.Train) }
	least, most := slices.MinFunc(r.Classes, by), slices.MaxFunc(r.Classes, by)
	if least.Train > 0 && float64(most.Train) > mostImbalance*float64(least.Train) {
		r.Findings = append(r.Findings, Finding{Kind: "imbalance", Text: fmt.Sprintf("the class %q has %d training pictures, %q only %d", most.Name, most.Train, least.Name, least.Train)})
	}
	var few []string
	for _, c := range r.Classes {
		if c.Train < fewPictures {
			few = append(few, fmt.Sprintf("%s %d", c.Name, c.Train))
		}
	}
	if len(few) > 0 {
		r.Findings = append(r.Findings, Finding{Kind: "few", Text: fmt.Sprintf("%s fewer than %d training pictures: %s", count(len(few), "class has", "classes have"), fewPictures, strings.Join(few[:min(len(few), 10)], ", "))})
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// Summary is one line for who did not ask: how much of what opening d does not say
// by itself; "" where there is nothing.
func Summary(d *dataset.Dataset) string {
	r := &Report{}
	for _, t := range tests {
		r.odd(d, t)
	}
	var parts []string
	for _, f := range r.Findings {
		parts = append(parts, fmt.Sprintf("%d %s", len(f.Groups), f.Kind))
	}
	return strings.Join(parts, ", ")
}

package report

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// Limits of what a report shows, which bound its size to a few megabytes.
const (
	matrixClasses = 20  // of the confusion matrix
	cellErrors    = 24  // pictures of a cell with wrong answers
	cellRight     = 8   // and with right ones
	allThumbs     = 240 // in all cells
	mostPairs     = 8
	mostCases     = 9 // worst, and least certain, pictures
	mostFindings  = 10

	thumbSide = 104 // pixels
	caseSide  = 176
)

// A document is what page.gohtml shows.
type document struct {
	Title, Model, Data, Started string
	Style                       template.CSS
	Headline                    string
	Sentences                   []string
	Advice                      []string
	Tiles                       []tile
	Part                        string // "test" or "validation"
	N                           int

	Loss, Accuracy template.HTML
	Epochs         []epochRow

	Matrix     *matrix
	NoPictures string
	Classes    []classRow
	Pairs      []pairRow
	Worst      []caseView
	Uncertain  []caseView
	NoExplain  string

	Reliability template.HTML
	Bins        []binRow
	Calibration string
	Thresholds  []thresholdRow
	Notes       []string

	Views    []viewRow
	Augment  string
	Findings []findingView
	Recipe   []term
	Full     string
	Machine  []term
	Stages   []stageRow
	Command  string
}

type (
	tile  struct{ Name, Value, Note string }
	term  struct{ Name, Value string }
	image struct {
		Src      template.URL
		Alt      string
		Caption  string
		FullPath string
	}
	matrix struct {
		Classes []string
		Rows    []matrixRow
		Of      int // classes in all
		Cells   []cellView
	}
	matrixRow struct {
		Class string
		Cells []matrixCell
		Total int
	}
	matrixCell struct {
		N     int
		Tint  string // of page.css
		ID    string // of the pictures; "" for none
		Label string
	}
	cellView struct {
		ID, Title string
		Note      string
		Pictures  []image
	}
	classRow struct {
		Name                  string
		Trained               string
		N                     int
		Recall, Precision, F1 figure
	}
	figure struct {
		Known            bool
		Value, Low, High float64
		Bar              template.HTML
	}
	pairRow struct {
		Label, Predicted string
		N, Of            int
		ID               string
	}
	caseView struct {
		Seen, Overlay    image
		Label, Predicted string
		Prob, LabelProb  float64
		Right            bool
		Path             string
	}
	thresholdRow struct {
		Asked     string
		Threshold string
		Answered  string
		Right     string
	}
	binRow struct {
		From, To       float64
		N              int
		Prob, Accuracy float64
	}
	epochRow struct {
		rundir.Epoch
		Val string
	}
	viewRow struct {
		Label    string
		Pictures []image
	}
	findingView struct {
		Kind, Text string
		Groups     []string
		More       int
	}
	stageRow struct {
		Name    string
		Seconds float64
		Share   int // per cent
	}
)

func newPage(in *Input) (*document, error) {
	c := in.Config
	classes := c.Data.Classes
	part, answers := answersOf(in.Answers, in.Calibration)
	for _, a := range in.Answers {
		if len(a.Logits) != len(classes) {
			return nil, fmt.Errorf("%s has answers of %d classes, the run has %d", rundir.PredictionsFile, len(a.Logits), len(classes))
		}
	}
	p := &document{Title: c.Data.Name + ", " + c.Model, Model: c.Model, Data: c.Data.Name, Started: c.Started.UTC().Format("2 January 2006, 15:04 UTC"),
		Style: template.CSS(style), Part: map[string]string{"test": "test", "val": "validation"}[part], N: len(answers), NoPictures: in.NoPictures, NoExplain: in.NoExplain,
		Augment: c.Settings.Augment}
	r := confusion(answers, len(classes))
	bins, ece := reliability(answers)
	p.words(in, part, r, ece)
	p.curves(in)
	if len(answers) > 0 {
		p.matrix(in, r, answers)
		p.perClass(in, r)
		for _, x := range confused(r, mostPairs) {
			p.Pairs = append(p.Pairs, pairRow{classes[x.label], classes[x.predicted], x.n, x.of, p.cellID(x.label, x.predicted)})
		}
		bad := worst(answers, mostCases)
		p.Worst = p.cases(in, bad)
		p.Uncertain = p.cases(in, leastCertain(answers, bad, mostCases))
		p.Reliability = reliabilityChart(bins)
		for i, b := range bins {
			if b.n > 0 {
				p.Bins = append(p.Bins, binRow{float64(i) / 10, float64(i+1) / 10, b.n, b.prob, b.accuracy})
			}
		}
		p.Calibration = calibrationWords(bins, ece)
		p.trust(in, ece)
	}
	p.input(in)
	p.how(in)
	return p, nil
}

func (p *document) curves(in *Input) {
	nan := math.NaN()
	loss := []series{{name: "training", class: "train"}, {name: "validation", class: "val"}, {name: "test", class: "test"}}
	acc := []series{{name: "training", class: "train"}, {name: "validation", class: "val"}, {name: "test", class: "test"}}
	best, onVal := 0, false
	for _, e := range in.Epochs {
		vl, va := nan, nan
		row := epochRow{Epoch: e}
		if e.ValLoss != nil && e.ValAcc != nil {
			vl, va, onVal = *e.ValLoss, *e.ValAcc, true
			row.Val = percent(va)
		}
		for i, v := range []float64{e.Loss, vl, e.TestLoss} {
			loss[i].values = append(loss[i].values, v)
		}
		for i, v := range []float64{e.TrainAcc, va, e.TestAcc} {
			acc[i].values = append(acc[i].values, v)
		}
		if e.Best {
			best = e.Epoch
		}
		p.Epochs = append(p.Epochs, row)
	}
	if !onVal && in.Config.Data.Test == 0 {
		loss[2].name, acc[2].name = "validation", "validation"
	}
	if len(in.Epochs) > 0 {
		p.Loss = curves("Loss over the epochs; the table below has the numbers", in.Epochs, best, loss, false)
		p.Accuracy = curves("Accuracy over the epochs; the table below has the numbers", in.Epochs, best, acc, true)
	}
}

func cellName(label, predicted int) string { return fmt.Sprintf("cell-%d-%d", label, predicted) }

// cellID is that of a cell's pictures, "" where none are shown.
func (p *document) cellID(label, predicted int) string {
	id := cellName(label, predicted)
	if p.Matrix != nil && slices.ContainsFunc(p.Matrix.Cells, func(c cellView) bool { return c.ID == id }) {
		return id
	}
	return ""
}

func (p *document) matrix(in *Input, r *eval.Result, answers []answer) {
	classes := in.Config.Data.Classes
	shown := mostWrong(r, matrixClasses)
	m := &matrix{Of: len(classes)}
	p.Matrix = m
	thumbs := allThumbs
	var lists [][]answer // by cell

	for _, diagonal := range []bool{false, true} { // what is wrong is of more interest
		for _, i := range shown {
			for _, j := range shown {
				if (i == j) == diagonal && in.Pictures != nil && r.Confusion[i][j] > 0 {
					if list := p.cell(classes, answers, i, j, thumbs); len(list) > 0 {
						lists, thumbs = append(lists, list), thumbs-len(list)
					}
				}
			}
		}
	}
	files := in.files(slices.Concat(lists...), thumbSide)
	for c, list := range lists {
		v := &m.Cells[c]
		for i, a := range list {
			if files[i] != nil {
				v.Pictures = append(v.Pictures, image{Src: dataURI(files[i]), Alt: fmt.Sprintf("%s, labelled %s", path.Base(a.path), classes[a.label]), Caption: probability(a.prob), FullPath: in.place(a.path)})
			}
		}
		files = files[len(list):]
	}
	for _, i := range shown {
		m.Classes = append(m.Classes, classes[i])
		row := matrixRow{Class: classes[i]}
		for _, n := range r.Confusion[i] {
			row.Total += n
		}
		for _, j := range shown {
			n := r.Confusion[i][j]
			c := matrixCell{N: n, ID: p.cellID(i, j)}
			if n > 0 {
				kind := "miss"
				if i == j {
					kind = "hit"
				}
				c.Tint = fmt.Sprintf("%s t%d", kind, min(5, 1+n*5/(row.Total+1)))
			}
			c.Label = fmt.Sprintf("%d of %d %s answered %s", n, row.Total, classes[i], classes[j])
			row.Cells = append(row.Cells, c)
		}
		m.Rows = append(m.Rows, row)
	}
}

// files are the pictures of answers, nil for those that are not to be had.
func (in *Input) files(of []answer, side int) [][]byte {
	if in.Pictures == nil {
		return make([][]byte, len(of))
	}
	var paths []string
	for _, a := range of {
		paths = append(paths, a.path)
	}
	return in.Pictures(paths, side)
}

// cell adds that of a label with an answer, and returns the answers to show in it, the surest first.
func (p *document) cell(classes []string, answers []answer, label, predicted, left int) []answer {
	var list []answer
	for _, a := range answers {
		if a.label == label && a.predicted == predicted {
			list = append(list, a)
		}
	}
	all := len(list)
	slices.SortStableFunc(list, func(a, b answer) int {
		switch {
		case a.prob > b.prob:
			return -1
		case a.prob < b.prob:
			return 1
		}
		return 0
	})
	most := cellErrors
	if label == predicted {
		most = cellRight
		slices.Reverse(list) // of the right ones, those that were close
	}
	list = list[:min(len(list), most, left)]
	if len(list) == 0 {
		return nil
	}
	v := cellView{ID: cellName(label, predicted), Title: fmt.Sprintf("%s, answered %s", classes[label], classes[predicted])}
	if len(list) < all {
		order := "the surest"
		if label == predicted {
			order = "the least sure"
		}
		v.Note = fmt.Sprintf("%d of %d pictures, %s first.", len(list), all, order)
	}
	p.Matrix.Cells = append(p.Matrix.Cells, v)
	return list
}

func dataURI(jpeg []byte) template.URL {
	return template.URL("data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(jpeg))
}

func (p *document) perClass(in *Input, r *eval.Result) {
	for k, c := range r.Classes(in.Config.Data.Classes) {
		row := classRow{Name: c.Name, N: c.Support, F1: figure{Known: !c.Undefined, Value: c.F1}}
		if in.TrainCounts != nil {
			row.Trained = fmt.Sprint(in.TrainCounts[k])
		}
		predicted := 0
		for j := range r.Confusion {
			predicted += r.Confusion[j][k]
		}
		row.Recall, row.Precision = measured(c.Recall, c.Support), measured(c.Precision, predicted)
		p.Classes = append(p.Classes, row)
	}
}

// measured is a share of n pictures with its interval, drawn as a bar.
func measured(v float64, n int) figure {
	if n == 0 {
		return figure{}
	}
	f := figure{Known: true, Value: v}
	f.Low, f.High = eval.Interval(v, n)
	f.Bar = template.HTML(fmt.Sprintf(`<svg class="interval" viewBox="0 0 100 12" aria-hidden="true"><path class="track" d="M0 6H100"/><path class="range" d="M%.1f 6H%.1f"/><circle cx="%.1f" cy="6" r="4"/></svg>`,
		100*f.Low, 100*f.High, max(4, min(96, 100*v))))
	return f
}

func (p *document) cases(in *Input, list []answer) []caseView {
	classes := in.Config.Data.Classes
	var views []caseView
	var files [][]byte
	if in.Explain == nil {
		files = in.files(list, caseSide)
	}
	for i, a := range list {
		v := caseView{Label: classes[a.label], Predicted: classes[a.predicted], Prob: a.prob, LabelProb: a.labelProb, Right: a.right(), Path: in.place(a.path)}
		alt := fmt.Sprintf("%s, labelled %s", path.Base(a.path), v.Label)
		if in.Explain != nil {
			if seen, overlay, err := in.Explain(a.path, a.predicted, caseSide); err == nil {
				v.Seen = image{Src: dataURI(seen), Alt: alt}
				v.Overlay = image{Src: dataURI(overlay), Alt: "where the network finds " + v.Predicted}
			}
		} else if files[i] != nil {
			v.Seen = image{Src: dataURI(files[i]), Alt: alt}
		}
		views = append(views, v)
	}
	return views
}

// input is what the network saw and what was noticed about it.
func (p *document) input(in *Input) {
	for _, v := range in.Views {
		row := viewRow{Label: v.Label}
		for i, b := range v.Pictures {
			alt := fmt.Sprintf("%s in epoch %d", v.Label, i)
			if i == 0 {
				alt = v.Label + " as in evaluation"
			}
			row.Pictures = append(row.Pictures, image{Src: dataURI(b), Alt: alt})
		}
		p.Views = append(p.Views, row)
	}
	if p.Augment == "" {
		p.Augment = "the default"
	}
	for _, f := range in.Findings {
		v := findingView{Kind: f.Kind, Text: f.Text, Groups: f.Groups}
		if n := len(v.Groups) - mostFindings; n > 0 {
			v.Groups, v.More = v.Groups[:mostFindings], n
		}
		p.Findings = append(p.Findings, v)
	}
}

// how is what it takes to do it again.
func (p *document) how(in *Input) {
	c := in.Config
	s := c.Settings
	add := func(list *[]term, name, format string, args ...any) {
		if v := fmt.Sprintf(format, args...); v != "" {
			*list = append(*list, term{name, v})
		}
	}
	weights := c.Weights.Name
	if weights == "" {
		weights = c.Weights.Source
	}
	if c.Weights.Asked == "none" {
		weights = "none, from random initialisation"
	}
	add(&p.Recipe, "Recipe", "%s", s.Recipe)
	add(&p.Recipe, "Began with", "%s", weights)
	add(&p.Recipe, "Pictures", "%d training, %d validation, %d test", c.Data.Train, c.Data.Val, c.Data.Test)
	add(&p.Recipe, "What it sees", "squares of %d pixels%s", s.Size, map[string]string{"pad": ", pictures padded", "squash": ", pictures squashed"}[s.Crop])
	for _, ph := range c.Full.Phases {
		what := ph.Freeze + " frozen"
		if ph.Freeze == "" {
			what = "nothing frozen"
		}
		epochs := ph.Epochs
		if epochs == 0 {
			epochs = s.Epochs
		}
		add(&p.Recipe, "Phase", "%s: %d epochs, %s", ph.Name, epochs, what)
	}
	add(&p.Recipe, "Epochs", "%d", s.Epochs)
	add(&p.Recipe, "Batch", "%d", s.Batch)
	add(&p.Recipe, "Learning rate", "%g, output layer %g", s.LR, s.LR*s.HeadLRX)
	add(&p.Recipe, "Seed", "%d", s.Seed)
	add(&p.Recipe, "Frozen", "%s", s.Freeze)
	add(&p.Recipe, "Data fingerprint", "%.16s", c.Data.Fingerprint)
	if full, err := json.MarshalIndent(c.Full, "", "  "); err == nil {
		p.Full = string(full)
	}
	add(&p.Machine, "Processor", "%s", c.Machine.CPU)
	add(&p.Machine, "Ran on", "%s", c.Machine.Device)
	add(&p.Machine, "System", "%s/%s, %s, graft %s", c.Machine.OS, c.Machine.Arch, c.Machine.Go, c.Graft)
	if in.ImgPerS > 0 {
		add(&p.Machine, "Training speed", "%.0f pictures a second", in.ImgPerS)
	}
	if in.Took > 0 {
		add(&p.Machine, "Training took", "%s", duration(in.Took))
	}
	total := 0.0
	for _, st := range in.Stages {
		total += st.Seconds
	}
	for _, st := range in.Stages {
		p.Stages = append(p.Stages, stageRow{st.Name, st.Seconds, int(math.Round(100 * st.Seconds / max(total, 1e-9)))})
	}
	p.Command = "graft resume is not needed: this run was made from Go"
	if len(c.Command) > 0 {
		p.Command = shell(c.Command)
	}
}

// shell quotes a command for a POSIX shell.
func shell(args []string) string {
	quoted := []string{path.Base(args[0])}
	for _, a := range args[1:] {
		if a == "" || strings.ContainsFunc(a, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=,:+%@", r))
		}) {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted = append(quoted, a)
	}
	return strings.Join(quoted, " ")
}

func duration(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1f seconds", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// percent is a share with the digits that matter.
func percent(v float64) string {
	if v == 1 || v == 0 {
		return fmt.Sprintf("%.0f\u00a0%%", 100*v)
	}
	return fmt.Sprintf("%.1f\u00a0%%", 100*v)
}

// probability never claims to be certain.
func probability(v float64) string {
	switch {
	case v >= 0.9995:
		return "> 99.9\u00a0%"
	case v < 0.0005:
		return "< 0.1\u00a0%"
	}
	return fmt.Sprintf("%.1f\u00a0%%", 100*v)
}

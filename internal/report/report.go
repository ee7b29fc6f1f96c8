// Package report draws the report of a training run: one HTML file that opens without a
// network and holds everything, pictures too.
//
// It derives every figure from what a run keeps and puts it into words, tables and drawings. It
// knows neither engines nor where pictures lie: it asks for those it shows.
package report

import (
	_ "embed"
	"html/template"
	"io"
	"strings"
	"time"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// An Input is what a report is made of.
type Input struct {
	Run     string // its directory
	Config  *rundir.Config
	Epochs  []rundir.Epoch
	Answers []rundir.Prediction // of the best model on the held-out pictures
	Took    time.Duration       // training and judging
	Stages  []rundir.Stage      // where the time went; nil where it is not known
	ImgPerS float64
	Stopped bool // the run was interrupted
	// TrainCounts are the training pictures of each class; nil where it is not known.
	TrainCounts []int
	Before      *Before // the run before this one on the same data; nil where there is none
	Findings    []Finding
	Views       []View // of training pictures, as the network sees them; may be none
	// Calibration is the model's: probabilities are calibrated by it. Nil where it has none.
	Calibration *eval.Calibration
	Strangers   bool // the model knows how unlike the training pictures a picture is

	// Pictures are what the network sees of held-out pictures, as JPEG, so many pixels wide, nil for one
	// that is gone; nil where none are to be had. NoPictures says why.
	Pictures   func(paths []string, side int) [][]byte
	NoPictures string
	// Explain is a picture and where in it the network finds a class, both JPEG; nil where that is
	// not drawn. NoExplain says why.
	Explain   func(path string, class, side int) (seen, overlay []byte, err error)
	NoExplain string
}

// place is a picture's path within the data.
func (in *Input) place(path string) string {
	return strings.TrimPrefix(path, strings.TrimSuffix(in.Config.Data.Location, "/")+"/")
}

// A Before is a run to compare with.
type Before struct {
	Run      string
	Accuracy float64
	Verdict  string // a sentence
}

// A Finding is something that was noticed about the data.
type Finding struct {
	Kind, Text string
	Groups     []string // what it is about, a line each
}

// A View is a training picture as evaluation sees it, then as training's epochs do, JPEG.
type View struct {
	Label    string
	Pictures [][]byte
}

var (
	//go:embed page.gohtml
	pageText string
	//go:embed page.css
	style string

	page = template.Must(template.New("page").Funcs(template.FuncMap{"percent": percent, "probability": probability}).Parse(pageText))
)

// Write draws the report.
func Write(w io.Writer, in *Input) error {
	p, err := newPage(in)
	if err != nil {
		return err
	}
	return page.Execute(w, p)
}

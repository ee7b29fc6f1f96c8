package graft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"graft/internal/check"
	"graft/internal/dataset"
	"graft/internal/report"
	"graft/internal/rundir"
	"graft/internal/transform"
)

// A ReportConfig says of which run to draw the report again.
type ReportConfig struct {
	Run    string      // its directory
	Data   string      // where its pictures lie now; "" where they lay
	Events func(Event) // Checking, Fetching, Warning; may be nil
}

// Report draws report.html of a run, as training does at its end, and returns its path. Where the
// pictures are gone it is drawn without them, and says so.
func Report(ctx context.Context, c ReportConfig) (string, error) {
	events := c.Events
	if events == nil {
		events = func(Event) {}
	}
	if _, err := rundir.ReadConfig(c.Run); err != nil {
		return "", fmt.Errorf("%s is no run: %w", c.Run, err)
	}
	w := &reporter{run: c.Run, events: events}
	s, err := reopened(ctx, c.Run, c.Data, func(e Event) {
		if _, is := e.(Finding); !is { // they are in the report
			events(e)
		}
	})
	switch {
	case err == nil:
		w.session, w.data = s, s.data
		s.views = func() ([]report.View, error) { return s.makeViews(ctx) }
		if w.data.Fingerprint != "" && !w.same() {
			events(Warning{fmt.Sprintf("the pictures have changed since %s was trained: those that are gone are not shown", c.Run)})
		}
	case ctx.Err() != nil:
		return "", ctx.Err()
	case c.Data != "":
		return "", err
	default:
		w.missing = fmt.Sprintf("The pictures are not where they were (%v), so none are shown: graft report RUN --data DIR says where they lie now.", err)
		events(Warning{err.Error() + ": the report has no pictures; --data says where they lie now"})
	}
	return rundir.ReportPath(c.Run), w.write(ctx)
}

// same reports whether the pictures are those that the run was trained on.
func (w *reporter) same() bool {
	c, err := rundir.ReadConfig(w.run)
	return err == nil && c.Data.Fingerprint == w.data.Fingerprint
}

// report is what training ends with.
func (s *session) report(ctx context.Context, run *Run) error {
	w := &reporter{run: s.dir.Path, events: s.c.Events, session: s, data: s.data, took: run.Took, speed: run.ImagesPerSec, stopped: run.Interrupted, stages: s.clock.rounded()}
	switch {
	case run.Interrupted:
		w.unexplained = "The run was interrupted and ended soon: graft report RUN draws where the network looked."
	case s.c.Memory > 0:
		w.unexplained = "The run was to stay within a cap on memory: graft report RUN draws where the network looked."
	}
	return w.write(ctx)
}

// A reporter gathers what a report shows.
type reporter struct {
	run     string
	events  func(Event)
	session *session         // nil where the pictures are gone
	data    *dataset.Dataset // likewise
	missing string           // why

	took        time.Duration
	speed       float64
	stopped     bool
	stages      []rundir.Stage
	unexplained string // why Grad-CAM is left out; "" draws it

	samples map[string]*dataset.Sample // by place in the data
	config  *rundir.Config
}

func (w *reporter) write(ctx context.Context) error {
	in, end, err := w.input(ctx)
	if err != nil {
		return err
	}
	defer end()
	return rundir.WriteReport(w.run, func(to io.Writer) error { return report.Write(to, in) })
}

// input gathers everything; end gives back what drawing needed.
func (w *reporter) input(ctx context.Context) (in *report.Input, end func(), err error) {
	end = func() {}
	if w.config, err = rundir.ReadConfig(w.run); err != nil {
		return nil, end, err
	}
	in = &report.Input{Run: w.run, Config: w.config, Took: w.took, ImgPerS: w.speed, Stopped: w.stopped, Stages: w.stages, NoPictures: w.missing, NoExplain: w.unexplained}
	epochs, done, err := rundir.ReadMetrics(w.run)
	if err != nil {
		return nil, end, err
	}
	in.Epochs = epochs
	if done != nil && w.took == 0 {
		in.Took, in.ImgPerS, in.Stages, in.Stopped = time.Duration(done.Seconds*float64(time.Second)), done.ImagesPerSec, done.Stages, done.Interrupted || done.Failed
	}
	if in.Answers, err = rundir.ReadPredictions(w.run); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, end, err
	}
	in.Before = w.before()
	if m, err := rundir.ReadModel(w.run); err == nil {
		in.Calibration, in.Strangers = m.Calibration, m.Neighbours != nil
	}
	if w.data == nil {
		for _, text := range w.config.Data.Findings {
			in.Findings = append(in.Findings, report.Finding{Kind: "note", Text: text})
		}
		in.NoExplain = w.missing
		return in, end, nil
	}
	w.findings(in)
	in.TrainCounts = w.data.Counts(dataset.Train)
	if in.Views, err = w.session.views(); err != nil {
		return nil, end, err
	}
	w.samples = map[string]*dataset.Sample{}
	for _, part := range []dataset.Split{dataset.Train, dataset.Valid, dataset.Test} { // a split may have moved a picture
		list := w.data.Samples(part)
		for i := range list {
			w.samples[within(list[i].Path, w.data.Location)] = &list[i]
		}
	}
	in.Pictures = func(paths []string, side int) [][]byte { return w.pictures(ctx, paths, side) }
	if w.unexplained != "" {
		return in, end, nil
	}
	c, err := OpenWith(w.run, OpenOptions{Threads: w.session.c.Threads, Precision: w.session.c.Precision})
	if err != nil {
		return nil, end, err
	}
	in.Explain = func(path string, class, side int) (seen, overlay []byte, err error) {
		return w.explain(ctx, c, path, class, side)
	}
	if len(in.Answers) == 0 {
		if in.Answers, err = w.ask(ctx, c); err != nil {
			c.Close()
			return nil, end, err
		}
	}
	return in, c.Close, nil
}

// within is a picture's place in its data, wherever that lies.
func within(path, location string) string {
	root := strings.TrimSuffix(filepath.ToSlash(filepath.Clean(location)), "/") + "/"
	return strings.TrimPrefix(filepath.ToSlash(path), root)
}

func (w *reporter) sample(path string) (*dataset.Sample, error) {
	s := w.samples[within(path, w.config.Data.Location)]
	if s == nil {
		return nil, fmt.Errorf("%s is not there any more", path)
	}
	return s, nil
}

func (w *reporter) read(path string) (*transform.Picture, error) {
	s, err := w.sample(path)
	if err != nil {
		return nil, err
	}
	data, err := s.Read()
	if err != nil {
		return nil, err
	}
	return dataset.Decode(data, dataset.DecodeOptions{MaxPixels: w.session.c.MaxPixels}.For(w.session.pre))
}

// pictures are what the network sees of held-out pictures, small.
func (w *reporter) pictures(ctx context.Context, paths []string, side int) [][]byte {
	pre := w.session.pre.WithSize(side)
	pre.DecodeShorter = pre.Resize // more pixels would not be seen
	files := make([][]byte, len(paths))
	var samples []dataset.Sample
	var places []int
	for i, path := range paths {
		if s, err := w.sample(path); err == nil {
			samples, places = append(samples, *s), append(places, i)
		}
	}
	for i, file := range w.session.thumbnails(ctx, samples, pre, reportQuality) {
		files[places[i]] = file
	}
	return files
}

func (w *reporter) explain(ctx context.Context, c *Classifier, path string, class, side int) (seen, overlay []byte, err error) {
	pic, err := w.read(path)
	if err != nil {
		return nil, nil, err
	}
	e, err := c.explain(ctx, pic, c.Classes[class])
	if err != nil {
		return nil, nil, err
	}
	if seen, err = smallJPEG(e.seen, side); err != nil {
		return nil, nil, err
	}
	overlay, err = smallJPEG(e.overlay, side)
	return seen, overlay, err
}

func smallJPEG(p *transform.Picture, side int) ([]byte, error) {
	if p.W != side {
		p = transform.Resize(p, side, side)
	}
	return asJPEG(p, reportQuality)
}

// ask puts the held-out pictures to the model of a run that kept no answers.
func (w *reporter) ask(ctx context.Context, c *Classifier) ([]rundir.Prediction, error) {
	part, samples := "test", w.data.Test
	if len(samples) == 0 {
		part, samples = "val", w.data.Valid
	}
	var list []rundir.Prediction
	l := dataset.NewLoader(samples, dataset.LoaderOptions{Batch: c.batch, Preprocess: c.pre, Workers: runtime.GOMAXPROCS(0),
		Warn: func(err error) { w.events(Warning{"left out: " + err.Error()}) }})
	n := len(c.Classes)
	logits := make([]float32, c.batch*n)
	for b, err := range l.Epoch(ctx, 0) {
		if err == nil {
			err = c.net.Infer(b.X, b.N, logits)
		}
		if err != nil {
			return nil, err
		}
		for i, at := range b.Index {
			list = append(list, rundir.Prediction{Path: samples[at].Path, Part: part, Class: samples[at].Class, Logits: append([]float32(nil), logits[i*n:(i+1)*n]...)})
		}
	}
	return list, nil
}

// findings are those of check.
func (w *reporter) findings(in *report.Input) {
	for _, f := range check.Of(w.data).Findings {
		v := report.Finding{Kind: f.Kind, Text: f.Text}
		for _, g := range f.Groups {
			var paths []string
			for _, p := range g.Pictures {
				paths = append(paths, within(p.Path, w.data.Location))
			}
			line := strings.Join(paths, " = ")
			if g.Why != "" {
				line += ": " + g.Why
			}
			v.Groups = append(v.Groups, line)
		}
		in.Findings = append(in.Findings, v)
	}
}

// How many training pictures the report shows as training saw them, how often each, and how large.
const (
	reportViews  = 4
	reportEpochs = 6
	viewSide     = 96

	reportQuality = 76 // of JPEG
)

// makeViews draws training pictures as training sees them.
func (s *session) makeViews(ctx context.Context) ([]report.View, error) {
	train := s.data.Train
	var samples []dataset.Sample
	n := min(reportViews, len(train))
	for i := range n {
		samples = append(samples, train[(2*i+1)*len(train)/(2*n)])
	}
	rows, err := dataset.Views(ctx, samples, reportEpochs, s.pre, s.augment, s.c.Seed, dataset.DecodeOptions{MaxPixels: s.c.MaxPixels})
	if err != nil {
		return nil, err
	}
	views := make([]report.View, len(rows))
	var group sync.WaitGroup
	for i, row := range rows {
		views[i] = report.View{Label: s.data.Classes[samples[i].Class], Pictures: make([][]byte, len(row))}
		group.Go(func() {
			for k, pic := range row {
				views[i].Pictures[k], _ = smallJPEG(pic, viewSide) // JPEG holds every picture of this size
			}
		})
	}
	group.Wait()
	return views, nil
}

// before is the run that was begun last before this one, on data of the same name, and lies beside it.
func (w *reporter) before() *report.Before {
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(filepath.Clean(w.run)), "*", rundir.ConfigFile))
	if err != nil {
		return nil
	}
	last, began := "", time.Time{}
	for _, file := range beside {
		dir := filepath.Dir(file)
		c, err := rundir.ReadConfig(dir)
		if err != nil || filepath.Clean(dir) == filepath.Clean(w.run) || c.Data.Name != w.config.Data.Name || !c.Started.Before(w.config.Started) || c.Started.Before(began) {
			continue
		}
		if _, err := rundir.Find(dir); err == nil {
			last, began = dir, c.Started
		}
	}
	if last == "" {
		return nil
	}
	a, err := readCompared(last)
	if err != nil {
		return nil
	}
	b, err := readCompared(w.run)
	if err != nil {
		return nil
	}
	p := pairOf(a, b)
	p.Adjusted = p.P
	return &report.Before{Run: last, Accuracy: a.Accuracy, Verdict: verdict(&p)}
}

// verdict compares this run, B, with the one before, A.
func verdict(p *ComparedPair) string {
	points := 100 * p.Difference()
	switch {
	case !p.Comparable:
		return "not to be compared, since " + p.Why
	case points == 0:
		return "as many are right"
	}
	direction := "better"
	if points < 0 {
		direction, points = "worse", -points
	}
	chance := "which may be chance"
	if p.P < Level {
		chance = "more than chance"
	}
	return fmt.Sprintf("this one is %.1f points %s, %s (McNemar's p = %.2g)", points, direction, chance, p.P)
}

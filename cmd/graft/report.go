package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"graft"

	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// A report prints a run's events: progress bars on a terminal, plain lines in a
// pipe, JSON lines on request.
type report struct {
	out    io.Writer // results
	err    io.Writer // what goes on
	json   bool
	bars   *mpb.Progress // nil without a terminal
	bar    *mpb.Bar
	what   string       // the bar's phase
	status atomic.Value // string behind the bar, which its own goroutine reads
	last   time.Time
}

// newReport prints for a command; end must be called before anything else is printed.
func newReport(c *cobra.Command, asJSON bool) (r *report, end func()) {
	r = &report{out: c.OutOrStdout(), err: os.Stderr, json: asJSON}
	if terminal() && !asJSON {
		r.bars = mpb.New(mpb.WithOutput(os.Stderr), mpb.WithWidth(40), mpb.WithRefreshRate(120*time.Millisecond))
	}
	return r, func() {
		if r.bars != nil {
			r.endBar()
			r.bars.Wait()
		}
	}
}

func (r *report) event(e graft.Event) {
	switch e := e.(type) {
	case graft.Checking:
		r.advance("checking pictures", int64(e.Done), int64(e.Total), "")
	case graft.Fetching:
		r.advance("fetching "+e.What, e.Done>>10, e.Total>>10, "")
	case graft.Keeping:
		r.advance("frozen part", int64(e.Done), int64(e.Total), "")
	case graft.Ranging:
		r.advance("rates", int64(e.Done), int64(e.Total), fmt.Sprintf("rate %.2g  loss %.3f", e.Rate, e.Loss))
	case graft.Phase:
		if !r.json {
			r.line("%s", phaseLine(e))
		}
	case graft.Progress:
		r.progress(e)
	case graft.Finding:
		r.line("note: %s%s", e.Text, examples(e.Paths))
	case graft.Warning:
		r.line("warning: %s", e.Text)
	case graft.Reused:
		r.line("%s", reusedLine(e))
	case graft.Stopped:
		r.line("stopped after epoch %d: %s", e.Epoch, e.Why)
	case graft.Resuming:
		r.line("resumed in epoch %d, after %d batches of it", e.Epoch, e.Batches)
	case graft.Extending:
		r.line("extended  by %d epochs after epoch %d; schedule %s anew, its rate begins at %g, output layer %g; the optimiser's state stays",
			e.Epochs, e.After, e.Schedule, e.Rate, e.HeadRate)
		r.line("")
	case graft.Fold:
		r.fold(e)
	case graft.FoldDone:
		r.line("fold %d of %d: test acc %.3f %s", e.Number, e.Of, e.Accuracy, interval(e.Accuracy, e.N))
		r.line("")
	case graft.Plan:
		r.plan(e)
	case graft.Epoch:
		r.epoch(e)
	}
}

// line prints a line beside the bars.
func (r *report) line(format string, args ...any) {
	if r.json {
		fmt.Fprintf(r.err, format+"\n", args...)
		return
	}
	r.endBar()
	fmt.Fprintf(r.outOfTheWay(), format+"\n", args...)
}

func (r *report) outOfTheWay() io.Writer {
	if r.bars != nil {
		return r.bars
	}
	return r.out
}

// examples are the first of many paths.
func examples(paths []string) string {
	const most = 3
	switch {
	case len(paths) < 2:
		return ""
	case len(paths) > most:
		return fmt.Sprintf(": %s and %d more", strings.Join(paths[:most], ", "), len(paths)-most)
	}
	return ": " + strings.Join(paths, ", ")
}

func (r *report) progress(p graft.Progress) {
	what := fmt.Sprintf("epoch %d/%d", p.Epoch, p.Epochs)
	status := fmt.Sprintf("%.1f img/s", p.ImagesPerSec)
	if p.Phase == "train" {
		status = fmt.Sprintf("%.1f img/s  loss %.3f  acc %.3f", p.ImagesPerSec, p.Loss, p.Accuracy)
	} else {
		what += " " + string(p.Phase)
	}
	r.advance(what, int64(p.Images), int64(p.TotalImages), status)
}

// advance moves the bar of a phase, or, without a terminal, says now and then how far it is.
func (r *report) advance(what string, done, total int64, status string) {
	switch {
	case r.json:
	case r.bars != nil:
		if r.what != what {
			r.endBar()
			r.what = what
			r.bar = r.bars.AddBar(max(total, 1), mpb.BarRemoveOnComplete(),
				mpb.PrependDecorators(decor.Name(what+" ", decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d")),
				mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { s, _ := r.status.Load().(string); return s }), decor.Name("  "), decor.OnComplete(decor.AverageETA(decor.ET_STYLE_GO), "")))
		}
		r.status.Store(status)
		r.bar.SetCurrent(done)
	case time.Since(r.last) > 20*time.Second || r.last.IsZero() && done == total:
		if !r.last.IsZero() {
			fmt.Fprintf(r.out, "%s: %d of %d  %s\n", what, done, total, status)
		}
		r.last = time.Now()
	}
}

func (r *report) endBar() {
	if r.bar != nil {
		r.bar.Abort(true)
		r.bar.Wait()
		r.bar, r.what = nil, ""
	}
}

// plan prints every setting, defaults included.
func (r *report) plan(p graft.Plan) {
	if r.json {
		return
	}
	data := fmt.Sprintf("%s: %d classes (%s); %d training", p.Data, len(p.Classes), list(p.Classes), p.Train)
	if p.Valid > 0 {
		data += fmt.Sprintf(", %d validation", p.Valid)
	}
	if p.Test > 0 {
		data += fmt.Sprintf(", %d test", p.Test)
	}
	weights := p.Weights
	if p.WeightsHash != "" {
		weights += ", SHA-256 " + p.WeightsHash[:12]
	}
	r.line("data      %s", data)
	r.line("          %s", p.ChosenOn)
	pixels := fmt.Sprintf("%d pixels", p.Size)
	if p.Learns != p.Size {
		pixels += fmt.Sprintf(" (%d in training)", p.Learns)
	}
	r.line("model     %s, %.1f M parameters, %s", p.Model, float64(p.Parameters)/1e6, pixels)
	if p.Crop != "" || p.Augment != "" {
		r.line("pictures  %s, augmented by %s", cmp.Or(p.Crop, "crop"), cmp.Or(p.Augment, "flip"))
	}
	r.line("weights   %s", weights)
	if p.Freeze != "" {
		r.line("frozen    %s: %.1f %% of the parameters learn", p.Freeze, 100*float64(p.Trainable)/float64(p.Parameters))
	}
	for i, text := range recipeLines(p.Recipe, p.Seed) {
		name := "recipe"
		if i > 0 {
			name = ""
		}
		r.line("%-9s %s", name, text)
	}
	r.line("device    %s, %d MB for the network", p.Device, p.MegabytesEngine)
	r.line("decoding  %s", p.Decode)
	if p.Memory > 0 {
		r.memory(p)
	}
	r.line("run       %s", p.Dir)
	r.line("")
}

func list(names []string) string {
	if len(names) > 6 {
		return strings.Join(names[:5], ", ") + fmt.Sprintf(", ... %d more", len(names)-5)
	}
	return strings.Join(names, ", ")
}

func phaseLine(p graft.Phase) string {
	kept := ""
	if p.Kept > 0 {
		kept = fmt.Sprintf(", on kept features of %d pictures", p.Kept)
	}
	return fmt.Sprintf("%s: %d epochs%s", p.Name, p.Epochs, kept)
}

func (r *report) epoch(e graft.Epoch) {
	if r.json {
		_ = json.NewEncoder(r.out).Encode(graft.EpochMetrics(e))
		return
	}
	val := ""
	if e.Val != nil {
		val = fmt.Sprintf(", val acc %.3f", e.Val.Accuracy)
	}
	best := ""
	if e.Best {
		best = "  (best so far)"
	}
	r.line("epoch %d: loss %.3f, train acc %.3f%s, test acc %.3f, %.1f img/s%s", e.Epoch, e.Loss, e.TrainAcc, val, e.Test.Accuracy, e.ImagesPerSec, best)
}

package report

import (
	"fmt"
	"slices"
	"strings"

	"graft/internal/eval"
)

// words are the summary: how good, how sure, on how many pictures, against chance and the run
// before, and what may be done next.
func (p *document) words(in *Input, part string, r *eval.Result, ece float64) {
	if r.N == 0 {
		p.Headline = "The answers of this run are not kept"
		p.Sentences = []string{"There is no predictions.jsonl in it, and its pictures could not be asked again: graft report RUN --data DIR does where they are at hand."}
		return
	}
	classes := in.Config.Data.Classes
	right := 0
	for i := range r.Confusion {
		right += r.Confusion[i][i]
	}
	low, high := eval.Interval(r.Accuracy, r.N)
	p.Headline = fmt.Sprintf("%s of the %s pictures are named right", percent(r.Accuracy), p.Part)
	p.say("That is %d of %d pictures it did not learn from. On ever more such pictures the share would settle between %s and %s, with 95 %% confidence.", right, r.N, percent(low), percent(high))
	most, share := commonest(r)
	better := "Guessing would do no worse."
	if low > share {
		better = "The model does clearly better."
	} else if r.Accuracy > share {
		better = "The model does better, though so few pictures leave room for chance."
	}
	p.say("Always answering the commonest class, %s, would be right in %s of the cases. %s", classes[most], percent(share), better)
	if b := in.Before; b != nil {
		p.say("The run before this one on these pictures, %s, reached %s: %s.", b.Run, percent(b.Accuracy), b.Verdict)
	}
	if in.Config.Data.ChosenOn == part {
		p.say("The best epoch was chosen on these same pictures, so the figure flatters a little.")
	}
	if in.Stopped {
		p.say("The run was interrupted; this is its best epoch so far.")
	}
	p.Tiles = []tile{
		{"Accuracy", percent(r.Accuracy), fmt.Sprintf("%s to %s", percent(low), percent(high))},
		{"By the commonest class", percent(share), classes[most]},
	}
	list := r.Classes(classes)
	worst := slices.MinFunc(list, func(a, b eval.Class) int {
		switch {
		case a.Support == 0 && b.Support > 0:
			return 1
		case b.Support == 0 && a.Support > 0:
			return -1
		case a.Recall < b.Recall:
			return -1
		case a.Recall > b.Recall:
			return 1
		}
		return 0
	})
	p.Tiles = append(p.Tiles, tile{"Class found least", percent(worst.Recall), worst.Name}, tile{"Calibration error", fmt.Sprintf("%.1f points", 100*ece), "how far probabilities are off"})
	if in.Took > 0 {
		note := ""
		if in.ImgPerS > 0 {
			note = fmt.Sprintf("%.0f pictures/s", in.ImgPerS)
		}
		p.Tiles = append(p.Tiles, tile{"Training took", duration(in.Took), note})
	}
	p.advise(in, r, worst)
}

func (p *document) say(format string, args ...any) {
	p.Sentences = append(p.Sentences, fmt.Sprintf(format, args...))
}

// commonest is the class with the most pictures, and its share.
func commonest(r *eval.Result) (class int, share float64) {
	most := -1
	for i, row := range r.Confusion {
		n := 0
		for _, v := range row {
			n += v
		}
		if n > most {
			class, most = i, n
		}
	}
	return class, float64(most) / float64(r.N)
}

// advise names what is likely to help, from what the run shows.
func (p *document) advise(in *Input, r *eval.Result, worst eval.Class) {
	add := func(format string, args ...any) { p.Advice = append(p.Advice, fmt.Sprintf(format, args...)) }
	for _, f := range in.Findings {
		if f.Kind == "leak" && in.Config.Data.Leaks != "drop" {
			add("%s, so the accuracy flatters: train again with --leaks drop.", strings.TrimSuffix(f.Text, "."))
			break
		}
	}
	if low, high := eval.Interval(r.Accuracy, r.N); high-low > 0.1 {
		add("With %d pictures the accuracy is only known to within %.0f points. More %s pictures would tell good from lucky.", r.N, 100*(high-low), p.Part)
	}
	if list := confused(r, 1); len(list) > 0 && list[0].n > 1 {
		x := list[0]
		classes := in.Config.Data.Classes
		add("%s is taken for %s most often (%d of %d): look at those pictures for wrong labels or views that training lacks.", classes[x.label], classes[x.predicted], x.n, x.of)
	}
	if low, _ := eval.Interval(r.Accuracy, r.N); worst.Support >= 5 && worst.Recall < low && len(r.Confusion) > 2 {
		add("%s is found in %d %% of its pictures only: more training pictures of it are likely to help most.", worst.Name, int(100*worst.Recall+0.5))
	}
	if n := len(in.Epochs); n > 1 && in.Epochs[n-1].Best && !in.Stopped {
		add("The last epoch was the best: graft extend %s --epochs %d goes on.", in.Run, n)
	}
}

// calibrationWords say how far a probability is to be taken at its word.
func calibrationWords(bins [10]bin, ece float64) string {
	top := bins[9]
	sure, n := 0.0, 0
	for _, b := range bins {
		sure += (b.prob - b.accuracy) * float64(b.n)
		n += b.n
	}
	direction := "in either direction"
	switch mean := sure / float64(max(n, 1)); {
	case mean > 0.7*ece:
		direction = "for the most part too high: it is surer than it is right"
	case mean < -0.7*ece:
		direction = "for the most part too low: it is right more often than it says"
	}
	text := fmt.Sprintf("On average the probabilities are %.1f points off, %s.", 100*ece, direction)
	if top.n > 0 {
		text += fmt.Sprintf(" Of the %d answers it gives at least 90 %% to, %s are right.", top.n, percent(top.accuracy))
	}
	return text
}

// trust says what the model's calibration did, and which answers may be left to it.
func (p *document) trust(in *Input, ece float64) {
	note := func(format string, args ...any) { p.Notes = append(p.Notes, fmt.Sprintf(format, args...)) }
	c := in.Calibration
	if c == nil {
		note("The model is not calibrated: it had no validation pictures to learn that on (train with --validation 0.1).")
		return
	}
	_, raw := answersOf(in.Answers, nil)
	_, before := reliability(raw)
	note("Probabilities are calibrated on %d validation pictures: logits are divided by %.2f. Without that they would be %.1f points off, with it %.1f.", c.Pictures, c.Temperature, 100*before, 100*ece)
	if t := c.Test; t != nil && t.SetSize > 0 {
		note("Sets of classes that are to hold the right one in %.0f %% of the cases hold it in %s of the test pictures, with %.2f classes on average.", 100*eval.UsualCoverage, percent(t.Covered), t.SetSize)
	}
	if in.Strangers {
		note("It also knows how unlike its training pictures a picture is, so it can answer unknown for strangers.")
	}
	for _, target := range []float64{0.9, 0.95, 0.99} {
		row := thresholdRow{Asked: fmt.Sprintf("%.0f %%", 100*target), Threshold: "none", Answered: "the validation pictures are too few to vouch for it"}
		if s, err := c.Sure(target); err == nil {
			row.Threshold, row.Answered, row.Right = probability(s.Threshold), percent(s.Coverage), percent(s.Precision)
		}
		p.Thresholds = append(p.Thresholds, row)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"graft"

	"github.com/spf13/cobra"
)

func newEval() *cobra.Command {
	var all, splitOfRun, asJSON, tta bool
	var threads int
	var precision string
	var memory byteSize
	var decode graft.Decoding
	c := &cobra.Command{
		Use:   "eval RUN|MODEL-FILE DATA",
		Short: "Measure a model: loss, accuracy, per class, confusion",
		Long: `Measures a model on labelled pictures. Where DATA has a test/ or val/ folder, on that; where it is a
folder of classes, on the pictures that the run held out of it, or with --all on every one.`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if all && splitOfRun {
				return usageError{fmt.Errorf("--all and --split-of-run exclude each other")}
			}
			r, end := newReport(c, asJSON)
			e, err := graft.Evaluate(c.Context(), graft.EvalConfig{Model: args[0], Data: args[1], All: all, TTA: tta, Threads: threads,
				Precision: graft.Precision(precision), Decode: decode, Memory: int64(memory), Events: r.event})
			end()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(evalJSON(e))
			}
			printEvaluation(c.OutOrStdout(), e)
			return nil
		},
	}
	c.Flags().BoolVar(&tta, "tta", false, "answer with the mean over each picture and its mirror image")
	c.Flags().BoolVar(&all, "all", false, "measure on every picture of DATA")
	c.Flags().BoolVar(&splitOfRun, "split-of-run", false, "measure on what the run held out (the default for a folder without a split)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	c.Flags().Var(&memory, "memory", "cap on what the model and its batches hold, as 500MB (default none)")
	c.Flags().IntVar(&threads, "threads", 0, "processors to use (default all)")
	precisionFlag(c.Flags(), &precision)
	decodeFlag(c.Flags(), &decode, "as the model was trained")
	return c
}

type evalClass struct {
	Name      string  `json:"name"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
	F1        float64 `json:"f1"`
	Support   int     `json:"support"`
}

type evalResult struct {
	Accuracy  float64     `json:"accuracy"`
	Loss      float64     `json:"loss"`
	N         int         `json:"n"`
	Part      string      `json:"part"`
	Classes   []evalClass `json:"classes"`
	Confusion [][]int     `json:"confusion"`
	Interval  [2]float64  `json:"interval"` // 95 %, Wilson's, of the accuracy

	Temperature float64  `json:"temperature,omitempty"` // of the model's calibration
	ECE         *float64 `json:"ece,omitempty"`         // expected calibration error with it
	ECERaw      *float64 `json:"ece_raw,omitempty"`     // and without
	Covered     *float64 `json:"covered,omitempty"`     // labels in the prediction sets of coverage .9
	SetSize     *float64 `json:"set_size,omitempty"`    // their mean size
}

func evalJSON(e *graft.Evaluation) evalResult {
	r := evalResult{Accuracy: e.Accuracy, Loss: e.Loss, N: e.N, Part: e.Part, Confusion: e.Confusion}
	r.Interval[0], r.Interval[1] = graft.Interval(e.Accuracy, e.N)
	if m := e.Reliability; m != nil {
		r.ECERaw = &m.ECERaw
		if e.Temperature > 0 {
			r.Temperature, r.ECE, r.Covered, r.SetSize = e.Temperature, &m.ECE, &m.Covered, &m.SetSize
		}
	}
	for _, c := range e.Classes {
		r.Classes = append(r.Classes, evalClass{c.Name, c.Precision, c.Recall, c.F1, c.Support})
	}
	return r
}

func printEvaluation(w io.Writer, e *graft.Evaluation) {
	fmt.Fprintf(w, "%d pictures (%s)\naccuracy %.3f %s, loss %.3f\n", e.N, e.Part, e.Accuracy, interval(e.Accuracy, e.N), e.Loss)
	printReliability(w, e)
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "class\tprecision\trecall\tF1\tpictures\t")
	undefined := false
	for _, c := range e.Classes {
		mark := ""
		if c.Undefined {
			mark, undefined = "*", true
		}
		fmt.Fprintf(t, "%s%s\t%.3f\t%.3f\t%.3f\t%d\t\n", c.Name, mark, c.Precision, c.Recall, c.F1, c.Support)
	}
	t.Flush()
	if undefined {
		fmt.Fprintln(w, "* never predicted, or without pictures: its figures have no meaning")
	}
	fmt.Fprintln(w, "\nconfusion (rows: what it is, columns: what was answered)")
	t = tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, c := range e.Classes {
		fmt.Fprintf(t, "%s\t", c.Name)
	}
	fmt.Fprintln(t)
	for i, row := range e.Confusion {
		fmt.Fprintf(t, "%s\t", e.Classes[i].Name)
		for _, n := range row {
			fmt.Fprintf(t, "%d\t", n)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
}

// printReliability says whether the probabilities are to be believed.
func printReliability(w io.Writer, e *graft.Evaluation) {
	m := e.Reliability
	switch {
	case m == nil:
	case e.Temperature == 0:
		fmt.Fprintf(w, "calibration error %.3f; not calibrated: the run had no validation pictures\n", m.ECERaw)
	default:
		fmt.Fprintf(w, "calibration error %.3f before, %.3f after (temperature %.2f); loss %.3f after\n", m.ECERaw, m.ECE, e.Temperature, m.Loss)
		fmt.Fprintf(w, "prediction sets of coverage 0.9 hold %.3f of the labels, %.2f classes each\n", m.Covered, m.SetSize)
	}
}

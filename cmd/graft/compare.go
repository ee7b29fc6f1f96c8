package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"graft"

	"github.com/spf13/cobra"
)

func newCompare() *cobra.Command {
	var asJSON bool
	var curves string
	c := &cobra.Command{
		Use:   "compare RUN RUN...",
		Short: "Runs beside each other, and whether they differ by more than chance",
		Long: `Prints what each run reached, draws their curves into one picture, and says of every two runs that were judged on the
same pictures whether the difference is more than chance: McNemar's exact test on the answers of their best epochs, with
Holm's correction where there are several pairs. What another seed would give is not in it: for that, compare runs of several seeds.`,
		Example: "  graft compare runs/photos-resnet18 runs/photos-resnet18-2",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			r, err := graft.Compare(args)
			if err != nil {
				return err
			}
			if curves != "" {
				if err := r.Draw(curves); err != nil {
					return err
				}
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(comparison(r, curves))
			}
			printComparison(c.OutOrStdout(), r)
			if curves != "" {
				fmt.Fprintf(c.OutOrStdout(), "\ncurves  %s\n", curves)
			}
			return nil
		},
	}
	c.Flags().StringVar(&curves, "curves", "compare.png", "picture of the curves to write; \"\" for none")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return c
}

// comparison is what --json prints.
func comparison(c *graft.Comparison, curves string) any {
	type pair struct {
		graft.ComparedPair
		Difference float64 `json:"difference"`
		Verdict    string  `json:"verdict"`
	}
	out := struct {
		Runs   []graft.ComparedRun `json:"runs"`
		Pairs  []pair              `json:"pairs"`
		Curves string              `json:"curves,omitempty"`
	}{c.Runs, nil, curves}
	for _, p := range c.Pairs {
		out.Pairs = append(out.Pairs, pair{p, p.Difference(), p.Verdict()})
	}
	return out
}

func printComparison(w io.Writer, c *graft.Comparison) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "run\tmodel\trecipe\tdata\tseed\tlearnt from\tbest epoch\taccuracy\t95 % interval\tpictures\ttime\timg/s")
	notes := map[string]bool{}
	for _, r := range c.Runs {
		took, mark, best := "", "", fmt.Sprintf("%d of %d", r.BestEpoch, r.Epochs)
		if r.Folds > 0 {
			best = fmt.Sprintf("%d folds", r.Folds)
		}
		if r.Seconds > 0 {
			took = (time.Duration(r.Seconds*10) * time.Second / 10).String()
		}
		if r.ChosenOn == r.Part {
			mark, notes["*"] = "*", true
		}
		if r.Interrupted {
			mark, notes["+"] = mark+"+", true
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%.3f%s\t%.3f to %.3f\t%d %s\t%s\t%.1f\n", r.Run, r.Model, r.Recipe, r.Data, r.Seed, r.Train,
			best, r.Accuracy, mark, r.Interval[0], r.Interval[1], r.N, r.Part, took, r.ImagesPerS)
	}
	t.Flush()
	if notes["*"] {
		fmt.Fprintln(w, "* on the pictures that chose the epoch: a little flattering")
	}
	if notes["+"] {
		fmt.Fprintln(w, "+ the run has not ended")
	}
	fmt.Fprintln(w)
	for i := range c.Pairs {
		fmt.Fprintln(w, c.Pairs[i].Verdict())
	}
}

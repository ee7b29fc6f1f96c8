package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"graft"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// notOfRates are flags of train that say nothing to lr-find.
var notOfRates = []string{"epochs", "lr", "out", "force", "checkpoint", "json", "schedule", "warmup", "step-epochs", "plateau-epochs", "gamma", "ema",
	"folds", "validation", "choose", "patience", "target-accuracy", "time", "unfreeze", "mix-end"}

func newLRFind() *cobra.Command {
	f := &trainFlags{}
	c := graft.RateConfig{}
	var plot string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "lr-find DATA",
		Short: "Find a learning rate: the loss while the rate grows",
		Long: `The range test of Smith (2017): one step a rate, each a little larger than the one before, until the loss
diverges. The rate to use lies in the longest fall of the smoothed loss (valley), as fastai suggests it.
The rest of the recipe holds: the output layer learns at the rate times --head-lr-x, the network as one but for
what --freeze names. No run is made or touched; the figure goes to --plot.`,
		Example: "  graft lr-find photos/ --model squeezenet1_1\n  graft lr-find photos/ --freeze all --recipe plain --batch 64",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.c.Data = args[0]
			if err := f.resolve(cmd.Flags()); err != nil {
				return err
			}
			c.Config = f.c
			r, end := newReport(cmd, asJSON)
			c.Events = r.event
			test, err := graft.FindRate(cmd.Context(), c)
			end()
			if err != nil {
				return err
			}
			if err := writeFigure(plot, test); err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(rateMetrics(test, plot))
			}
			printRates(cmd.OutOrStdout(), test, plot)
			return nil
		},
	}
	all := &cobra.Command{}
	f.add(all)
	all.Flags().VisitAll(func(g *pflag.Flag) {
		if !slices.Contains(notOfRates, g.Name) {
			cmd.Flags().AddFlag(g)
		}
	})
	p := cmd.Flags()
	p.Float64Var(&c.Low, "from-lr", 1e-6, "the first rate")
	p.Float64Var(&c.High, "to-lr", 10, "the last rate")
	p.IntVar(&c.Steps, "steps", 100, "rates to try, a step each")
	p.StringVar(&plot, "plot", "lr-find.png", "where the figure goes (\"\": nowhere)")
	p.BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return cmd
}

func writeFigure(path string, t *graft.RateTest) error {
	if path == "" {
		return nil
	}
	w, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("--plot: %w", err)
	}
	if err := t.Draw(w); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

func printRates(w io.Writer, t *graft.RateTest, plot string) {
	first, last := t.Points[0], t.Points[len(t.Points)-1]
	fmt.Fprintf(w, "%d rates from %.2g to %.2g, smoothed loss %.3f to %.3f", len(t.Points), first.Rate, last.Rate, first.Smooth, last.Smooth)
	if t.Diverged {
		fmt.Fprint(w, ", where it diverged")
	}
	fmt.Fprintf(w, "\nsteepest fall at %.2g\nto use: --lr %.2g", t.Steepest, t.Valley)
	if t.HeadLRX != 1 {
		fmt.Fprintf(w, " --head-lr-x %g (the output layer at %.2g)", t.HeadLRX, t.Valley*t.HeadLRX)
	}
	fmt.Fprintln(w)
	if plot != "" {
		fmt.Fprintf(w, "figure  %s\n", plot)
	}
}

// rateMetrics is a range test as --json has it.
func rateMetrics(t *graft.RateTest, plot string) any {
	type point struct {
		LR     float64 `json:"lr"`
		Loss   float64 `json:"loss"`
		Smooth float64 `json:"smooth"`
	}
	m := struct {
		Model    string  `json:"model"`
		LR       float64 `json:"lr"`
		HeadLRX  float64 `json:"head_lr_x"`
		Steepest float64 `json:"steepest"`
		Diverged bool    `json:"diverged"`
		Plot     string  `json:"plot,omitempty"`
		Points   []point `json:"points"`
	}{Model: t.Model, LR: t.Valley, HeadLRX: t.HeadLRX, Steepest: t.Steepest, Diverged: t.Diverged, Plot: plot}
	for _, p := range t.Points {
		m.Points = append(m.Points, point{p.Rate, p.Loss, p.Smooth})
	}
	return m
}

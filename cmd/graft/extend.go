package main

import (
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

func newExtend() *cobra.Command {
	f := &trainFlags{}
	var e graft.ExtendConfig
	c := &cobra.Command{
		Use:   "extend RUN --epochs N",
		Short: "Train a finished run for more epochs",
		Long: `Goes on with the last phase of a finished run's recipe, from its last weights, with the optimiser's state and the moving
average as they were. The schedule is planned anew over the added epochs, without warm-up: a cosine begins at the full rate
again (--lr for another one). All of them are trained; patience, target accuracy and time limit do not end them. The run's directory
goes on: metrics, curves, and the best model where no new one is better. graft resume goes on with an interrupted extension.`,
		Example: "  graft extend runs/photos-resnet18 --epochs 5",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if e.Epochs < 1 {
				return usageError{fmt.Errorf("--epochs is %d: how many to add, at least 1", e.Epochs)}
			}
			if c.Flags().Changed("lr") && !(e.LR > 0 && e.LR <= 1e6) {
				return usageError{fmt.Errorf("--lr is %g, must be above 0", e.LR)}
			}
			_, err := f.report(c, func(events func(graft.Event)) (*graft.Run, error) {
				e.Run, e.Events = args[0], events
				return graft.Extend(c.Context(), e)
			})
			return err
		},
	}
	c.Flags().IntVar(&e.Epochs, "epochs", 0, "epochs to add")
	c.Flags().Float64Var(&e.LR, "lr", 0, "learning rate of the body (default that of the recipe's last phase)")
	f.watch.flag(c.Flags())
	c.Flags().BoolVar(&f.json, "json", false, "one JSON object a line (see graft help json)")
	return c
}

package main

import (
	"graft"

	"github.com/spf13/cobra"
)

func newResume() *cobra.Command {
	f := &trainFlags{}
	c := &cobra.Command{
		Use:   "resume RUN",
		Short: "Go on with a run that was interrupted or killed",
		Long: `Goes on from the newest checkpoint of a run, within an epoch too. The model files become, bit for bit, what they
would have been without the interruption. A damaged checkpoint is refused, and the one before it used.`,
		Example: "  graft resume runs/photos-resnet18",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if graft.IsFolds(args[0]) {
				return f.crossValidate(c, func(events func(graft.Event)) (*graft.Folds, error) {
					return graft.ResumeFolds(c.Context(), graft.ResumeConfig{Run: args[0], Events: events})
				})
			}
			_, err := f.report(c, func(events func(graft.Event)) (*graft.Run, error) {
				return graft.Resume(c.Context(), graft.ResumeConfig{Run: args[0], Events: events})
			})
			return err
		},
	}
	f.watch.flag(c.Flags())
	c.Flags().BoolVar(&f.json, "json", false, "one JSON object a line (see graft help json)")
	return c
}

package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"graft/internal/curves"

	"github.com/spf13/cobra"
)

func newCurves() *cobra.Command {
	var tensorboard, csv string
	c := &cobra.Command{
		Use:   "curves RUN...",
		Short: "Write runs' curves for TensorBoard, or as CSV",
		Long: `Writes what metrics.jsonl and trace.jsonl have of runs, over or under way: loss and accuracy of training,
validation and test, rate and speed over the epochs; in TensorBoard also loss and rate along the steps.
Each run becomes a folder of --tensorboard DIR; writing it again replaces it. --csv is a file, or - for standard output.`,
		Example: "  graft curves runs/photos-resnet18 --csv curves.csv\n  graft curves runs/* --tensorboard tb && tensorboard --logdir tb",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if tensorboard == "" && csv == "" {
				return usageError{errors.New("say what to write: --tensorboard DIR, --csv FILE, or both")}
			}
			if csv != "" && len(args) > 1 {
				return usageError{errors.New("--csv has the curves of one run: name one")}
			}
			for _, run := range args {
				if err := writeCurves(c, run, tensorboard, csv); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&tensorboard, "tensorboard", "", "folder to write event files into, one folder a run")
	c.Flags().StringVar(&csv, "csv", "", "file to write a line an epoch into; - is standard output")
	return c
}

func writeCurves(c *cobra.Command, run, tensorboard, csv string) error {
	r, err := curves.Read(run)
	if err != nil {
		return err
	}
	if csv == "-" {
		err = r.CSV(c.OutOrStdout())
	} else if csv != "" {
		err = curves.WriteTo(csv, r.CSV)
	}
	if err != nil || tensorboard == "" {
		return err
	}
	at, err := filepath.Abs(run)
	if err != nil {
		return err
	}
	path := curves.EventFile(tensorboard, filepath.Base(at), r.Started)
	if err := curves.WriteTo(path, r.TensorBoard); err != nil {
		return err
	}
	if csv != "-" {
		fmt.Fprintln(c.OutOrStdout(), path)
	}
	return nil
}

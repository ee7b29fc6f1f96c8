package main

import (
	"encoding/json"
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

func newReportCommand() *cobra.Command {
	var config graft.ReportConfig
	var asJSON bool
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Draw report.html of a run again",
		Long: `Training ends with a report: how good the model is and how sure that is, its mistakes with what the network looked at,
the data, and how it was made; one file, report.html in the run, that opens in any browser without a network.
This draws it again, for runs of an older graft, or where pictures lie elsewhere now.`,
		Example: "  graft report runs/photos-resnet18\n  graft report runs/photos-resnet18 --data /mnt/photos",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			config.Run = args[0]
			r, end := newReport(c, asJSON)
			config.Events = r.event
			path, err := graft.Report(c.Context(), config)
			end()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(map[string]string{"report": path})
			}
			fmt.Fprintln(c.OutOrStdout(), path)
			return nil
		},
	}
	c.Flags().StringVar(&config.Data, "data", "", "where the pictures lie now (default where they lay)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return c
}

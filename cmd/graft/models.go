package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"

	"graft/internal/graph"
	"graft/internal/model"

	"github.com/spf13/cobra"
)

func newModels() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "models",
		Short: "List the networks that can be fine-tuned",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 8, 2, ' ', 0)
			if !asJSON {
				fmt.Fprintln(t, "name\tM parameters\tGFLOP\tpixels\ttop-1 %\tweights\torigin\tlicence\tat hand")
			}
			e := json.NewEncoder(c.OutOrStdout())
			for _, m := range model.All() {
				params, macs := graph.Counts(m.Build(m.Classes, m.Size))
				for i := range m.Weights {
					w := &m.Weights[i]
					if asJSON {
						if err := e.Encode(map[string]any{"model": m.Name, "parameters": params, "gflop": 2 * float64(macs) / 1e9, "size": m.Size,
							"top1": w.Top1, "weights": w.Tag, "origin": w.Origin, "licence": w.Licence, "cached": w.Cached(), "embedded": w.Embedded, "default": i == 0}); err != nil {
							return err
						}
						continue
					}
					at := "fetched at first use"
					switch {
					case w.Embedded:
						at = "inside the program"
					case w.Cached():
						at = "cached"
					}
					name := m.Name
					if i > 0 {
						name = ""
					}
					fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%d\t%.1f\t%s\t%s\t%s\t%s\n", name, float64(params)/1e6, 2*float64(macs)/1e9, m.Size, w.Top1, w.Tag, w.Origin, w.Licence, at)
				}
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

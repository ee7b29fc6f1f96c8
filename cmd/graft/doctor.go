package main

import (
	"encoding/json"
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

func newDoctor() *cobra.Command {
	var o graft.DoctorOptions
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at what graft needs of this machine, and say what to do",
		Long: `Looks at the processor's instruction sets and their speed, memory, the cache and its weights, disk space and the network.
The exit code is 1 if something is bad: commands would fail. A note is no failure.`,
		Example: "  graft doctor\n  graft doctor --offline --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			bad := 0
			w, e := c.OutOrStdout(), json.NewEncoder(c.OutOrStdout())
			e.SetEscapeHTML(false)
			for _, d := range graft.Doctor(c.Context(), o) {
				if d.Health == graft.Broken {
					bad++
				}
				if asJSON {
					if err := e.Encode(d); err != nil {
						return err
					}
					continue
				}
				fmt.Fprintf(w, "%-5s%-12s%s\n", d.Health, d.What, d.Found)
				if d.Advice != "" {
					fmt.Fprintf(w, "%-17s%s\n", "", d.Advice)
				}
			}
			if bad > 0 {
				return errSaid
			}
			return nil
		},
	}
	c.Flags().BoolVar(&o.Offline, "offline", false, "ask nothing of the network")
	c.Flags().StringVar(&o.Dir, "dir", "", "where runs will be written (default here)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line (see graft help json)")
	return c
}

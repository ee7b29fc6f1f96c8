package main

import (
	"encoding/json"
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

// withData adds --data to bench: what pictures cost before the network.
func withData(c *cobra.Command, b *graft.BenchConfig, asJSON *bool) *cobra.Command {
	var data string
	c.Flags().StringVar(&data, "data", "", "time reading, decoding and transforming the pictures of DATA, beside a training step")
	decodeFlag(c.Flags(), &b.Decode, "exact")
	run := c.RunE
	c.RunE = func(c *cobra.Command, args []string) error {
		if data == "" {
			return run(c, args)
		}
		if b.Batch < 1 || b.Threads < 0 || b.Seconds <= 0 {
			return usageError{fmt.Errorf("--batch, --threads and --seconds must be positive")}
		}
		r, err := graft.BenchData(c.Context(), *b, data)
		if err != nil {
			return err
		}
		w := c.OutOrStdout()
		if *asJSON {
			return json.NewEncoder(w).Encode(r)
		}
		fmt.Fprintf(w, "%s: %d pictures of %.0f kB, %.2f megapixels as decoded (%s)\n", r.Data, r.Pictures, r.KB, r.Megapixel, r.Decoding)
		total := r.Read + r.Decode + r.Transform + r.Normalise
		for _, s := range []struct {
			name string
			ms   float64
		}{{"read", r.Read}, {"decode", r.Decode}, {"transform", r.Transform}, {"normalise", r.Normalise}} {
			fmt.Fprintf(w, "%-10s %7.2f ms a picture  %3.0f %%\n", s.name, s.ms, 100*s.ms/total)
		}
		fmt.Fprintf(w, "loading    %7.1f img/s on %d threads, each picture decoded anew\n", r.Loading, r.Threads)
		fmt.Fprintf(w, "training   %7.1f img/s, %s\n", r.Training, r.Model)
		return nil
	}
	return c
}

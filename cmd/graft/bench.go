package main

import (
	"encoding/json"
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

func newBench() *cobra.Command {
	var b graft.BenchConfig
	var asJSON bool
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure training and inference, beside this machine's peak",
		Long: `Measures images a second, GFLOPS and the share of this machine's peak: that of fused multiply-adds
on registers, measured in the same run, between the others. A training step counts as three forward
passes less the first layer's input gradient, two operations a multiply-add. In bf16 the peak is
that of bf16.
GRAFT_CPU=avx512|avx2|neon|generic chooses the instruction set.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if b.Batch < 1 || b.Threads < 0 || b.Seconds <= 0 {
				return usageError{fmt.Errorf("--batch, --threads and --seconds must be positive")}
			}
			if b.Only != "" && b.Only != "train" && b.Only != "infer" {
				return usageError{fmt.Errorf("--only %s: there are train, infer", b.Only)}
			}
			r, err := graft.Bench(c.Context(), b)
			if err != nil {
				return err
			}
			w := c.OutOrStdout()
			if asJSON {
				return json.NewEncoder(w).Encode(r)
			}
			for _, p := range r.Peaks {
				fmt.Fprintf(w, "peak %-11s %7.1f GFLOPS on %d threads\n", p.ISA, p.GFLOPS, r.Threads)
			}
			fmt.Fprintf(w, "%s, batch %d, %s, %d threads\n", r.Model, r.Batch, r.ISA+" "+string(r.Precision), r.Threads)
			if b.Only != "infer" {
				fmt.Fprintf(w, "training   %7.1f img/s  %7.1f GFLOPS  %3.0f %% of peak\n", r.TrainImgS, r.TrainGFLOPS, 100*r.TrainRoof)
			}
			if b.Only != "train" {
				fmt.Fprintf(w, "inference  %7.1f img/s  %7.1f GFLOPS  %3.0f %% of peak\n", r.InferImgS, r.InferGFLOPS, 100*r.InferRoof)
			}
			return nil
		},
	}
	c.Flags().StringVar(&b.Model, "model", "resnet18", "network to measure")
	c.Flags().IntVar(&b.Batch, "batch", 32, "pictures a step")
	c.Flags().IntVar(&b.Threads, "threads", 0, "processors to use (default all)")
	precisionFlag(c.Flags(), (*string)(&b.Precision))
	c.Flags().Float64Var(&b.Seconds, "seconds", 4, "time for training and for inference each")
	c.Flags().StringVar(&b.Only, "only", "", "train or infer: one of the two")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return withData(withLayers(c, &b, &asJSON), &b, &asJSON)
}

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"graft"

	"github.com/spf13/cobra"
)

// layersFlags are what bench --layers takes beside bench's own flags.
type layersFlags struct {
	on, infer     bool
	sort, compare string
}

// withLayers gives bench its --layers mode.
func withLayers(c *cobra.Command, b *graft.BenchConfig, asJSON *bool) *cobra.Command {
	f := &layersFlags{}
	whole := c.RunE
	c.Use += " [MODEL]"
	c.Long += `

--layers times every layer of a step instead, a row for each of its passes: the kernel that ran it, GFLOPS (two
operations a multiply-add, however it is computed), its share of the nearer roof (this machine's peak, or its
memory's speed for what the layer reads and writes, both measured between the steps) and its share of the step.
Winograd does fewer operations than it is credited with, and what lies in the caches is faster than memory:
shares of a roof can pass 100 %. --compare reads the --json of an earlier run and adds its time over this one's.`
	c.Example = "  graft bench --model resnet18\n  graft bench resnet18 --layers --sort time\n  graft bench resnet18 --layers --json > before.json\n  graft bench resnet18 --layers --compare before.json"
	c.Args = cobra.MaximumNArgs(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			b.Model = args[0]
		}
		if !f.on {
			for _, name := range []string{"infer", "sort", "compare"} {
				if c.Flags().Changed(name) {
					return usageError{fmt.Errorf("--%s goes with --layers", name)}
				}
			}
			return whole(c, args)
		}
		return f.run(c, b, *asJSON)
	}
	p := c.Flags()
	p.BoolVar(&f.on, "layers", false, "a row a layer and pass")
	p.BoolVar(&f.infer, "infer", false, "with --layers: of inference instead of a training step")
	p.StringVar(&f.sort, "sort", "order", "with --layers: order (as they run), time, or roof (furthest below first)")
	p.StringVar(&f.compare, "compare", "", "with --layers: FILE with the --json of an earlier run")
	return c
}

func (f *layersFlags) run(c *cobra.Command, b *graft.BenchConfig, asJSON bool) error {
	if b.Batch < 1 || b.Threads < 0 || b.Seconds <= 0 {
		return usageError{fmt.Errorf("--batch, --threads and --seconds must be positive")}
	}
	if !slices.Contains([]string{"order", "time", "roof"}, f.sort) {
		return usageError{fmt.Errorf("--sort %s: there are order, time, roof", f.sort)}
	}
	r, err := graft.BenchLayers(c.Context(), *b, f.infer)
	if err != nil {
		return err
	}
	if f.compare != "" {
		if err := r.Compare(f.compare); err != nil {
			return err
		}
	}
	switch f.sort {
	case "time":
		slices.SortStableFunc(r.Layers, func(a, b graft.Layer) int { return cmp.Compare(b.MS, a.MS) })
	case "roof":
		slices.SortStableFunc(r.Layers, func(a, b graft.Layer) int { return cmp.Compare(a.Roof, b.Roof) })
	}
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(r)
	}
	return printLayers(c.OutOrStdout(), r)
}

func printLayers(w io.Writer, r *graft.LayersResult) error {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprint(t, "layer\tpass\tms\tstep %\tGFLOPS\tGB/s\troof %\tbound\t")
	if r.Ratio > 0 {
		fmt.Fprint(t, "was ms\tratio\t")
	}
	fmt.Fprintln(t, "kernel")
	for _, l := range r.Layers {
		gflops := "-"
		if l.GFLOPS > 0 {
			gflops = fmt.Sprintf("%.0f", l.GFLOPS)
		}
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%.1f\t%s\t%.1f\t%.0f\t%s\t", l.Layer, l.Pass, l.MS, 100*l.Share, gflops, l.GBS, 100*l.Roof, l.Bound)
		switch {
		case l.Ratio > 0:
			fmt.Fprintf(t, "%.3f\t%.2f\t", l.BeforeMS, l.Ratio)
		case r.Ratio > 0:
			fmt.Fprint(t, "-\t-\t")
		}
		fmt.Fprintln(t, l.Kernel)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s, %s, batch %d, %s, %d threads: %.1f ms a step, %.1f img/s (median of %d)\n", r.Model, r.Mode, r.Batch, r.ISA, r.Threads, r.StepMS, r.ImgS, r.Steps)
	_, err := fmt.Fprintf(w, "roofs: %.0f GFLOPS, %.1f GB/s\n", r.PeakGFLOPS, r.PeakGBS)
	if r.Ratio > 0 {
		_, err = fmt.Fprintf(w, "the step took %.2f times as long before, under roofs of %.0f GFLOPS, %.1f GB/s\n", r.Ratio, r.Before.PeakGFLOPS, r.Before.PeakGBS)
	}
	return err
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"graft"

	"github.com/spf13/cobra"
)

func newPlan() *cobra.Command {
	var p graft.PlanConfig
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "plan MODEL",
		Short: "Show the memory that training or prediction takes, tensor by tensor",
		Long: `Prints what a network holds: every tensor's bytes, the first and last step (task) that uses it, what is kept
for the backward pass, and the parts that a batch is split into under --memory. Tensors that are never
alive together share places in one arena. Nothing is recomputed in the backward pass. Nothing is allocated.`,
		Example: "  graft plan resnet18 --batch 64 --memory 500MB\n  graft plan resnet50 --infer --batch 1 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if p.Batch < 1 || p.Threads < 0 || p.Classes < 0 || p.Size < 0 {
				return usageError{fmt.Errorf("--batch must be at least 1; --classes, --image-size and --threads cannot be negative")}
			}
			p.Model = args[0]
			r, err := graft.PlanMemory(p)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(r)
			}
			return printPlan(c.OutOrStdout(), r, all)
		},
	}
	f := c.Flags()
	f.IntVar(&p.Batch, "batch", 32, "pictures a step")
	f.IntVar(&p.Classes, "classes", 0, "width of the output layer (default its weights')")
	f.IntVar(&p.Size, "image-size", 0, "side of the pictures in pixels (default the model's)")
	f.Var((*byteSize)(&p.Memory), "memory", "cap, as 2GB: show the parts that a batch goes in")
	precisionFlag(f, (*string)(&p.Precision))
	f.IntVar(&p.Threads, "threads", 0, "processors to use (default all); each has scratch memory")
	f.BoolVar(&p.Infer, "infer", false, "plan prediction instead of training")
	f.BoolVar(&all, "all", false, "list small tensors too, below a thousandth of the arena")
	f.BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return c
}

func printPlan(w io.Writer, r *graft.MemoryPlan, all bool) error {
	what := "training"
	if !r.Train {
		what = "prediction"
	}
	fmt.Fprintf(w, "%s, %d classes, %d pixels: %s in parts of %d, %d tasks\n\n", r.Model, r.Classes, r.Size, what, r.Part, r.Steps)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "tensor\tfor\tshape\tbytes\tfirst\tlast\tplace\t\t")
	hidden := 0
	for _, d := range r.Tensors {
		if !all && d.Bytes < r.Arena/1000 {
			hidden++
			continue
		}
		shape, kept := "", ""
		if d.Shape != nil {
			shape = fmt.Sprintf("%dx%dx%d", d.Shape[0], d.Shape[1], d.Shape[2])
		}
		if d.Kept {
			kept = "kept"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%d\t%s\t%s\t\n", d.Name, d.Node, shape, bytesText(int64(d.Bytes)), d.First, d.Last, bytesText(int64(d.Place)), kept)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if hidden > 0 {
		fmt.Fprintf(w, "and %d smaller ones (--all)\n", hidden)
	}
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name string, bytes int, note string) {
		if bytes > 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\n", name, bytesText(int64(bytes)), note)
		}
	}
	row("arena", r.Arena, fmt.Sprintf("shared by all tensors; the most alive at once is %s", bytesText(int64(r.Bound))))
	if r.Train {
		row("  kept", r.Kept, "of it, for the backward pass; nothing is recomputed")
	}
	row("weights", r.Weights, "")
	row("gradients", r.Gradients, "")
	row("momentum", r.Momentum, "")
	row("packed", r.Packed, "weights transposed for input gradients")
	row("scratch", r.Scratch, "of the threads")
	row("network", r.Total, "")
	row("loading", r.Loading, "batches being made, and a copy of the weights for the model file")
	row("in all", r.Total+r.Loading, "and decoded pictures, within what --memory leaves")
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Memory > 0 {
		if r.Parts == 1 {
			fmt.Fprintf(w, "\nunder %s the whole batch of %d fits\n", bytesText(r.Memory), r.Batch)
		} else {
			fmt.Fprintf(w, "\nunder %s a batch goes in %d parts of at most %d pictures, their gradients added up\n", bytesText(r.Memory), r.Parts, r.Part)
			if r.BatchNorm {
				fmt.Fprintln(w, "batch norm takes its statistics of each part")
			}
		}
	}
	return nil
}

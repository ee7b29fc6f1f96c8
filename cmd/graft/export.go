package main

import (
	"encoding/json"
	"fmt"
	"os"

	"graft"

	"github.com/spf13/cobra"
)

func newExport() *cobra.Command {
	var e graft.ExportConfig
	var to string
	var asJSON bool
	c := &cobra.Command{
		Use:   "export RUN|MODEL-FILE --out FILE",
		Short: "Write a model as ONNX, safetensors or PyTorch's pth, proved and with a model card",
		Long: "Writes the model in another format and proves the file: pictures go through it (ONNX by onnxruntime, where python3\nhas it, else by graft's own reader and plain loops) and through the model. " +
			"Below 99.5 % of the same answers or\nabove 1e-3 of probability (1e-2 from pixels) it fails and leaves nothing behind. README.md beside the file is\nits model card.",
		Example: "  graft export runs/photos-resnet18 --out model.onnx\n  graft export runs/photos-resnet18 --out model.onnx --with-preprocess     reads 8-bit pixels of any size\n  graft export best.safetensors --out model.pth --prove holiday/",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if e.Out == "" {
				return usageError{fmt.Errorf("say where to write with --out FILE")}
			}
			e.Model, e.To = args[0], graft.Format(to)
			e.Events = func(ev graft.Event) {
				if w, ok := ev.(graft.Warning); ok {
					fmt.Fprintln(os.Stderr, "note:", w.Text)
				}
			}
			x, err := graft.ExportModel(c.Context(), e)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(x)
			}
			p := x.Proof
			fmt.Fprintf(c.OutOrStdout(), "wrote     %s, %.1f MB\n", x.Path, float64(x.Bytes)/1e6)
			fmt.Fprintf(c.OutOrStdout(), "proved    by %s, on %d pictures (%s)\n", p.With, p.Pictures, p.From)
			fmt.Fprintf(c.OutOrStdout(), "          %d of %d answers are the model's, probabilities differ by at most %.1e (limit %.0e)\n", p.Agree, p.Pictures, p.Worst, p.Limit)
			card := "model card, intended use to be filled in"
			if x.Kept {
				card = "was there and is kept; --force writes a new model card"
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "card      %s (%s)\n", x.Card, card)
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&to, "to", "", "onnx, safetensors or pth (default: what FILE ends with)")
	f.StringVar(&e.Out, "out", "", "the file to write")
	f.BoolVar(&e.Preprocess, "with-preprocess", false, "onnx: read 8-bit pixels of any size; resize, crop and normalise inside")
	f.IntVar(&e.Opset, "opset", 0, "onnx: version of the operators, 20 to 28, for older programs (default 28)")
	f.StringVar(&e.Pictures, "prove", "", "folder of pictures to prove the file with (default: the run's test pictures)")
	f.StringVar(&e.Python, "python", "", "interpreter with onnxruntime to prove an ONNX file with; none for graft's own reader (default python3, if it has it)")
	f.IntVar(&e.Threads, "threads", 0, "processors to use (default all)")
	f.BoolVar(&e.Force, "force", false, "replace files that are there")
	f.BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return c
}

package main

import (
	"context"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"graft"
	"graft/internal/dataset"

	"github.com/spf13/cobra"
)

func newDemo() *cobra.Command {
	f := &trainFlags{}
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: offline, about a minute",
		Long: `Fine-tunes SqueezeNet 1.1, trained on ImageNet and inside the program, on 300 photographs of
clothing, inside the program too, and classifies a few it has not seen. The same as
graft train clothing --model squeezenet1_1 --batch 32, followed by predictions.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.demo(c) },
	}
	f.add(c)
	for name, value := range map[string]string{"model": "squeezenet1_1", "batch": "32"} {
		c.Flags().Lookup(name).DefValue = value
	}
	return c
}

// demo is train with its own defaults, then a few predictions.
func (f *trainFlags) demo(c *cobra.Command) error {
	f.c.Data = "clothing"
	for name, value := range map[string]string{"model": "squeezenet1_1", "batch": "32"} {
		if !c.Flags().Changed(name) {
			if err := c.Flags().Set(name, value); err != nil {
				return err
			}
		}
	}
	run, err := f.run(c)
	if err != nil || f.json {
		return err
	}
	out := c.OutOrStdout()
	ctx := c.Context()
	d, err := dataset.Open(ctx, f.c.Data, dataset.Options{})
	if err != nil {
		return err
	}
	sheet := filepath.Join(run.Dir, "examples.png")
	if err := writeSheet(d, 6, sheet); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nphotographs it has not seen:")
	if err := predictSome(ctx, run, d, 6, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nfiles:\n  examples     %s\n  curve        %s\n  best model   %s\n", sheet, filepath.Join(run.Dir, "curves.png"), filepath.Join(run.Dir, "best.safetensors"))
	fmt.Fprintf(out, "\nnext: graft predict %s PICTURE...   or your own: graft train FOLDER\n", run.Dir)
	return nil
}

// predictSome classifies n test pictures, evenly spread.
func predictSome(ctx context.Context, run *graft.Run, d *dataset.Dataset, n int, out interface{ Write([]byte) (int, error) }) error {
	model, err := graft.Open(run.Dir)
	if err != nil {
		return err
	}
	defer model.Close()
	for i := range n {
		s := &d.Test[(2*i+1)*len(d.Test)/(2*n)]
		data, err := s.Read()
		if err != nil {
			return err
		}
		p, err := model.PredictBytes(ctx, data)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Path, err)
		}
		mark := "right"
		if p.Label != d.Classes[s.Class] {
			mark = "wrong: it is " + d.Classes[s.Class]
		}
		fmt.Fprintf(out, "  %-58s %-8s %.3f  %s\n", s.Path, p.Label, p.Prob, mark)
	}
	return nil
}

// writeSheet draws a contact sheet into a file.
func writeSheet(d *dataset.Dataset, perClass int, path string) error {
	img, err := dataset.ContactSheet(d, perClass, dataset.DecodeOptions{})
	if err != nil {
		return err
	}
	return writePNG(img, path)
}

func writePNG(img image.Image, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(f, img); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

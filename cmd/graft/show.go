package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"graft/internal/dataset"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/transform"

	"github.com/spf13/cobra"
)

func newShow() *cobra.Command {
	var out string
	var asJSON bool
	var perClass, classes, size int
	var augment, crop, network string
	c := &cobra.Command{
		Use:     "show DATA|MODEL",
		Short:   "Show a dataset's pictures and counts, or a network's blocks",
		Example: "  graft show photos/ --out sheet.png\n  graft show photos/ --augment crop,flip,jitter,erase\n  graft show resnet50",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if m, err := model.Find(args[0]); err == nil {
				if classes == 0 {
					classes = m.Classes
				}
				return showModel(c.OutOrStdout(), m, classes, asJSON)
			}
			r, end := newReport(c, asJSON)
			d, err := dataset.Open(c.Context(), args[0], dataset.Options{Check: true, AllowBad: true, Evaluate: true,
				Progress:      func(done, total int) { r.advance("checking pictures", int64(done), int64(total), "") },
				FetchProgress: func(done, total int64) { r.advance("fetching", done>>10, total>>10, "") }})
			end()
			if err != nil {
				return fmt.Errorf("%w (no network is called %q either: see graft models)", err, args[0])
			}
			if out == "" {
				out = d.Name + "-sheet.png"
			}
			if f := c.Flags(); f.Changed("augment") || f.Changed("crop") || f.Changed("image-size") {
				err = writeViews(c.Context(), d, network, augment, crop, size, out)
			} else {
				err = writeSheet(d, perClass, out)
			}
			if err != nil {
				return err
			}
			return showData(c.OutOrStdout(), d, out, asJSON)
		},
	}
	c.Flags().StringVar(&out, "out", "", "contact sheet to write (default NAME-sheet.png)")
	c.Flags().StringVar(&augment, "augment", "", "draw what training sees of pictures, as graft train --augment has it")
	c.Flags().StringVar(&crop, "crop", "crop", "and how they become squares: crop, pad, squash")
	c.Flags().IntVar(&size, "image-size", 0, "and the squares' side (default the model's)")
	c.Flags().StringVar(&network, "model", "resnet18", "and the network that sees them")
	c.Flags().IntVar(&perClass, "per-class", 8, "pictures of each class on the sheet")
	c.Flags().IntVar(&classes, "classes", 0, "width of a network's output layer (default its weights')")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

// writeViews draws what a network sees of training pictures.
func writeViews(ctx context.Context, d *dataset.Dataset, network, augment, crop string, size int, out string) error {
	m, err := model.Find(network)
	if err != nil {
		return err
	}
	p := m.Preprocess()
	if size != 0 {
		if size < 32 || size > 1024 {
			return usageError{fmt.Errorf("--image-size is %d, must be between 32 and 1024", size)}
		}
		p = p.WithSize(size)
	}
	if p.Fit, err = transform.ParseFit(crop); err != nil {
		return usageError{err}
	}
	a, err := transform.ParseAugmentation(augment, p.Fit)
	if err != nil {
		return usageError{err}
	}
	title := fmt.Sprintf("%s as %s sees it: %s, augmented by %s", d.Name, m.Name, crop, cmp.Or(augment, "the default"))
	img, err := dataset.ViewSheet(ctx, d, title, p, a, dataset.DecodeOptions{})
	if err != nil {
		return err
	}
	return writePNG(img, out)
}

func showData(w io.Writer, d *dataset.Dataset, sheet string, asJSON bool) error {
	train, valid, test := d.Counts(dataset.Train), d.Counts(dataset.Valid), d.Counts(dataset.Test)
	if asJSON {
		type class struct {
			Name  string `json:"name"`
			Train int    `json:"train"`
			Val   int    `json:"val"`
			Test  int    `json:"test"`
		}
		v := struct {
			Name     string            `json:"name"`
			Classes  []class           `json:"classes"`
			Findings []dataset.Finding `json:"findings"`
			Sheet    string            `json:"sheet"`
		}{Name: d.Name, Findings: d.Findings, Sheet: sheet}
		for i, c := range d.Classes {
			v.Classes = append(v.Classes, class{c, train[i], valid[i], test[i]})
		}
		return json.NewEncoder(w).Encode(v)
	}
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "class\ttrain\tval\ttest\t")
	for i, c := range d.Classes {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", c, train[i], valid[i], test[i])
	}
	fmt.Fprintf(t, "all\t%d\t%d\t%d\t\n", len(d.Train), len(d.Valid), len(d.Test))
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range d.Findings {
		fmt.Fprintf(w, "note: %s%s\n", f.Text, examples(f.Paths))
	}
	_, err := fmt.Fprintf(w, "\nexamples: %s\n", sheet)
	return err
}

func showModel(w io.Writer, m *model.Model, classes int, asJSON bool) error {
	if classes < 2 {
		return usageError{fmt.Errorf("--classes is %d, must be at least 2", classes)}
	}
	g := m.Build(classes, m.Size)
	blocks := graph.Blocks(g)
	params, macs := graph.Counts(g)
	if asJSON {
		return json.NewEncoder(w).Encode(map[string]any{"model": m.Name, "parameters": params, "macs": macs, "blocks": blocks})
	}
	fmt.Fprintf(w, "%s (%s), %d pixels, %d classes\n\n", m.Name, m.Paper, m.Size, classes)
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "block\toutput\tparameters\tMFLOP\t")
	for _, b := range blocks {
		fmt.Fprintf(t, "%s\t%dx%dx%d\t%d\t%.1f\t\n", b.Name, b.Out.H, b.Out.W, b.Out.C, b.Params, 2*float64(b.MACs)/1e6)
	}
	fmt.Fprintf(t, "all\t\t%d\t%.1f\t\n", params, 2*float64(macs)/1e6)
	if err := t.Flush(); err != nil {
		return err
	}
	for _, x := range m.Weights {
		fmt.Fprintf(w, "\nweights %s: %s, %s, %.1f %% top-1", x.Tag, x.Origin, x.Licence, x.Top1)
	}
	_, err := fmt.Fprintf(w, "\nthe output layer is %s; a graft replaces it\n", g.Head)
	return err
}

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"graft"
	"graft/internal/dataset"

	"github.com/spf13/cobra"
)

// An explainer draws one picture after another.
type explainer struct {
	run, data, class, out string
	nearest, threads      int
	json                  bool
	w                     io.Writer
	model                 *graft.Classifier
	neighbours            *graft.Neighbours // nil where there are none
	failed                int
}

func newExplain() *cobra.Command {
	x := &explainer{}
	c := &cobra.Command{
		Use:   "explain RUN|MODEL-FILE PICTURE...",
		Short: "Draw where in pictures the network finds a class, and name the training pictures most like them",
		Long: `Writes a PNG a picture: what the network sees of it, and where it finds the class that it answers with
(or --class): Grad-CAM. Of a run it also names the training pictures whose features are closest (cosine); those are
computed the first time, kept in the run, and say what an answer may rest on: twins in the training set, a wrong label.`,
		Example: "  graft explain runs/photos-resnet18 new.jpg holiday/\n  graft explain runs/photos-resnet18 new.jpg --class cat --out why/",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			x.run, x.w = args[0], c.OutOrStdout()
			if x.nearest < 0 {
				return usageError{fmt.Errorf("--nearest is %d, cannot be negative", x.nearest)}
			}
			return x.all(c, args[1:])
		},
	}
	c.Flags().StringVar(&x.class, "class", "", "show where the network finds this class (default the one it answers with)")
	c.Flags().StringVar(&x.out, "out", "explained", "folder for the drawings")
	c.Flags().IntVar(&x.nearest, "nearest", 5, "how many training pictures to name (0: none)")
	c.Flags().StringVar(&x.data, "data", "", "where the training pictures lie now (default where they lay)")
	c.Flags().IntVar(&x.threads, "threads", 0, "processors to use (default all)")
	c.Flags().BoolVar(&x.json, "json", false, "one JSON object a line (see graft help json)")
	return c
}

func (x *explainer) all(c *cobra.Command, paths []string) (err error) {
	if x.model, err = graft.OpenWith(x.run, graft.OpenOptions{Threads: x.threads}); err != nil {
		return err
	}
	defer x.model.Close()
	if err := x.openNeighbours(c); err != nil {
		return err
	}
	if x.neighbours != nil {
		defer x.neighbours.Close()
	}
	if err := os.MkdirAll(x.out, 0o755); err != nil {
		return err
	}
	for _, path := range paths {
		for file, err := range dataset.Walk(path) {
			if err == nil {
				err = x.one(c.Context(), file)
			}
			if c.Context().Err() != nil {
				return c.Context().Err()
			}
			if err != nil {
				x.failed++
				fmt.Fprintf(os.Stderr, "graft: %s: %v\n", file, err)
			}
		}
	}
	if x.failed > 0 {
		fmt.Fprintf(os.Stderr, "graft: %d pictures were not explained\n", x.failed)
		return errSaid
	}
	return nil
}

// openNeighbours makes ready what names training pictures. Where they are gone, that is said, and the
// drawings are made all the same.
func (x *explainer) openNeighbours(c *cobra.Command) error {
	if info, err := os.Stat(x.run); x.nearest == 0 || err != nil || !info.IsDir() {
		return nil
	}
	r, end := newReport(c, x.json)
	defer end()
	n, err := graft.OpenNeighbours(c.Context(), x.model, x.run, x.data, r.event)
	if c.Context().Err() != nil {
		return c.Context().Err()
	}
	if err != nil {
		if x.data != "" {
			return err
		}
		fmt.Fprintf(os.Stderr, "graft: no training pictures are named: %v; --data says where they lie now\n", err)
		return nil
	}
	x.neighbours = n
	return nil
}

func (x *explainer) one(ctx context.Context, path string) error {
	e, err := x.model.ExplainFile(ctx, path, x.class)
	if err != nil {
		return err
	}
	var near []graft.Neighbour
	if x.neighbours != nil {
		if near, err = x.neighbours.Of(e, x.nearest); err != nil {
			return err
		}
	}
	card, err := e.Card()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, card); err != nil {
		return err
	}
	file, err := writeNew(x.out, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), b.Bytes())
	if err != nil {
		return err
	}
	p := e.Prediction
	if x.json {
		enc := json.NewEncoder(x.w)
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			Path      string            `json:"path"`
			Label     string            `json:"label"`
			Prob      float64           `json:"prob"`
			Class     string            `json:"class"`
			ClassProb float64           `json:"class_prob"`
			Image     string            `json:"image"`
			Width     int               `json:"width"`
			Height    int               `json:"height"`
			Heat      []float32         `json:"heat"`
			Nearest   []graft.Neighbour `json:"nearest,omitempty"`
		}{path, p.Label, p.Prob, e.Class, e.Prob, file, e.Width, e.Height, e.Heat, near})
	}
	fmt.Fprintf(x.w, "%s\t%s\t%.3f\t%s\n", path, p.Label, p.Prob, file)
	for _, n := range near {
		fmt.Fprintf(x.w, "    %.3f  %s  %s\n", n.Cosine, n.Label, n.Path)
	}
	return nil
}

// writeNew writes dir/name.png, numbered where that exists.
func writeNew(dir, name string, data []byte) (string, error) {
	for k := 1; ; k++ {
		number := ""
		if k > 1 {
			number = "-" + strconv.Itoa(k)
		}
		path := filepath.Join(dir, name+number+".png")
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(data)
		return path, cmp.Or(err, f.Close())
	}
}

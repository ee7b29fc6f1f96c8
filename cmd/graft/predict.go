package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"graft"
	"graft/internal/dataset"
	"graft/internal/weights"

	"github.com/spf13/cobra"
)

// A predictor answers for one picture after another.
type predictor struct {
	model  *graft.Classifier
	topk   int
	print  func(path string, p *graft.Prediction, err error) error
	stdin  io.Reader
	failed int
}

func newPredict() *cobra.Command {
	var asJSON, asCSV, tta bool
	var topk, threads int
	var tensors, precision string
	var memory byteSize
	var decode graft.Decoding
	c := &cobra.Command{
		Use:     "predict RUN|MODEL-FILE PATH...",
		Short:   "Say which class pictures are of, a line each",
		Long:    "Classifies pictures: files, folders (walked), or - for a picture on standard input.\nA file that cannot be read is named, the rest go on, and the exit code is 1.",
		Example: "  graft predict runs/photos-resnet18 new.jpg holiday/\n  graft predict best.safetensors --json - < picture.jpg",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON && asCSV {
				return usageError{fmt.Errorf("--json and --csv exclude each other")}
			}
			if topk < 1 {
				return usageError{fmt.Errorf("--top-k is %d, must be at least 1", topk)}
			}
			model, err := graft.OpenWith(args[0], graft.OpenOptions{TTA: tta, Threads: threads, Precision: graft.Precision(precision), Decode: decode, Memory: int64(memory)})
			if err != nil {
				return err
			}
			defer model.Close()
			if tensors != "" {
				return writeTensors(model, args[1:], tensors)
			}
			p := &predictor{model: model, topk: min(topk, len(model.Classes)), stdin: c.InOrStdin()}
			p.print = printText(c.OutOrStdout(), p.topk)
			if asJSON {
				p.print = printJSON(c.OutOrStdout(), p.topk)
			}
			if asCSV {
				if p.print, err = printCSV(c.OutOrStdout(), p.topk); err != nil {
					return err
				}
			}
			return p.all(c.Context(), args[1:])
		},
	}
	c.Flags().BoolVar(&tta, "tta", false, "answer with the mean over each picture and its mirror image")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line (see graft help json)")
	c.Flags().BoolVar(&asCSV, "csv", false, "comma-separated values with a header")
	c.Flags().IntVar(&topk, "top-k", 5, "how many classes to name")
	c.Flags().Var(&memory, "memory", "cap on what the model and its batches hold, as 500MB (default none)")
	c.Flags().IntVar(&threads, "threads", 0, "processors to use (default all)")
	precisionFlag(c.Flags(), &precision)
	decodeFlag(c.Flags(), &decode, "as the model was trained")
	c.Flags().StringVar(&tensors, "tensors", "", "write what the network reads and its logits to this safetensors file instead")
	return c
}

func (p *predictor) all(ctx context.Context, paths []string) error {
	for _, path := range paths {
		if path == "-" {
			data, err := io.ReadAll(p.stdin)
			if err := p.one(ctx, "-", data, err); err != nil {
				return err
			}
			continue
		}
		for file, err := range dataset.Walk(path) {
			var data []byte
			if err == nil {
				data, err = os.ReadFile(file)
			}
			if err := p.one(ctx, file, data, err); err != nil {
				return err
			}
		}
	}
	if p.failed > 0 {
		fmt.Fprintf(os.Stderr, "graft: %d pictures could not be read\n", p.failed)
		return errSaid
	}
	return nil
}

// one answers for a picture, or prints why not.
func (p *predictor) one(ctx context.Context, path string, data []byte, err error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var answer graft.Prediction
	if err == nil {
		answer, err = p.model.PredictBytes(ctx, data)
	}
	if err != nil {
		p.failed++
		return p.print(path, nil, err)
	}
	return p.print(path, &answer, nil)
}

func printText(w io.Writer, topk int) func(string, *graft.Prediction, error) error {
	return func(path string, p *graft.Prediction, err error) error {
		if err != nil {
			_, e := fmt.Fprintf(w, "%s\terror: %v\n", path, err)
			return e
		}
		var top []string
		for _, l := range p.TopK[:topk] {
			top = append(top, fmt.Sprintf("%s %.3f", l.Label, l.Prob))
		}
		_, e := fmt.Fprintf(w, "%s\t%s\t%.3f\t%s\n", path, p.Label, p.Prob, strings.Join(top, ", "))
		return e
	}
}

func printJSON(w io.Writer, topk int) func(string, *graft.Prediction, error) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return func(path string, p *graft.Prediction, err error) error {
		if err != nil {
			return e.Encode(struct {
				Path  string `json:"path"`
				Error string `json:"error"`
			}{path, err.Error()})
		}
		return e.Encode(struct {
			Path  string            `json:"path"`
			Label string            `json:"label"`
			Prob  float64           `json:"prob"`
			TopK  []graft.LabelProb `json:"topk"`
		}{path, p.Label, p.Prob, p.TopK[:topk]})
	}
}

func printCSV(w io.Writer, topk int) (func(string, *graft.Prediction, error) error, error) {
	c := csv.NewWriter(w)
	header := []string{"path", "label", "prob", "error"}
	for k := 2; k <= topk; k++ {
		header = append(header, fmt.Sprintf("label%d", k), fmt.Sprintf("prob%d", k))
	}
	write := func(row []string) error {
		if err := c.Write(row); err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	}
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
	return func(path string, p *graft.Prediction, err error) error {
		row := make([]string, len(header))
		row[0] = path
		if err != nil {
			row[3] = err.Error()
			return write(row)
		}
		row[1], row[2] = p.Label, number(p.Prob)
		for k, l := range p.TopK[1:topk] {
			row[4+2*k], row[5+2*k] = l.Label, number(l.Prob)
		}
		return write(row)
	}, write(header)
}

// writeTensors keeps inputs and logits for comparing with another program:
// "input" is N x 3 x H x W as PyTorch has it, "logits" N x classes.
func writeTensors(model *graft.Classifier, paths []string, to string) error {
	var pictures [][]byte
	for _, path := range paths {
		for file, err := range dataset.Walk(path) {
			if err != nil {
				return err
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			pictures = append(pictures, data)
		}
	}
	x, logits, err := model.Tensors(pictures)
	if err != nil {
		return err
	}
	n := len(pictures)
	if n == 0 {
		return fmt.Errorf("no pictures in %s", strings.Join(paths, ", "))
	}
	side := model.Size()
	planes := make([]float32, len(x))
	for i := range n {
		for px := range side * side {
			for c := range 3 {
				planes[(i*3+c)*side*side+px] = x[(i*side*side+px)*3+c]
			}
		}
	}
	var b bytes.Buffer
	err = weights.WriteSafetensors(&b, []weights.Tensor{
		{Name: "input", Shape: []int{n, 3, side, side}, Data: planes},
		{Name: "logits", Shape: []int{n, len(model.Classes)}, Data: logits},
	}, nil)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b.Bytes(), 0o644)
}

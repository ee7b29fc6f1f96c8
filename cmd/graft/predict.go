package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"

	"graft"
	"graft/internal/dataset"
	"graft/internal/weights"

	"github.com/spf13/cobra"
)

// A predictor answers for one picture after another.
type predictor struct {
	model    *graft.Classifier
	print    func(a *graft.Answer) error
	links    *linker // nil without --sort-into
	answered resumed // that an earlier call has written
	stdin    io.Reader
	count    tally
}

// predictFlags are what predict was asked.
type predictFlags struct {
	json, csv, tta, resume bool
	topk, threads          int
	tensors, precision     string
	out, sortInto, linksAs string
	memory                 byteSize
	decode                 graft.Decoding
	trust                  graft.Trust
}

func newPredict() *cobra.Command {
	var f predictFlags
	c := &cobra.Command{
		Use:   "predict RUN|MODEL-FILE PATH...",
		Short: "Say which class pictures are of, a line each",
		Long: `Classifies pictures: files, folders (walked), or - for a picture on standard input.
A file that cannot be read is named, the rest go on, and the exit code is 1. Of any number of
pictures; with --out FILE a call that was killed goes on where it was with --resume.
Probabilities are calibrated, and an answer can be "unknown": see --sure and --unknown (docs/unknown.md).`,
		Example: `  graft predict runs/photos-resnet18 new.jpg holiday/
  graft predict runs/photos-resnet18 holiday/ --sure 0.95 --unknown    # else the label is "unknown"
  graft predict runs/photos-resnet18 archive/ --out answers.csv --sort-into sorted/
  graft predict best.safetensors --json - < picture.jpg`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usageError{err}
			}
			return f.run(c, args[0], args[1:])
		},
	}
	fs := c.Flags()
	fs.BoolVar(&f.tta, "tta", false, "answer with the mean over each picture and its mirror image")
	fs.BoolVar(&f.json, "json", false, "one JSON object a line (see graft help json)")
	fs.BoolVar(&f.csv, "csv", false, "comma-separated values with a header")
	fs.IntVar(&f.topk, "top-k", 5, "how many classes to name")
	fs.BoolVar(&f.trust.Raw, "raw", false, "probabilities as the network has them, not calibrated")
	fs.Float64Var(&f.trust.Sure, "sure", 0, "answer unknown where the model is not sure enough for this `precision`, as 0.95 (default off)")
	fs.Float64Var(&f.trust.Threshold, "threshold", 0, "answer unknown below this `probability` (default off)")
	fs.Float64Var(&f.trust.Accept, "unknown", 0, "answer unknown where a picture looks like none of the training pictures; the `share` of good pictures that is still accepted is 0.95 unless given, as --unknown=0.99 (default off)")
	fs.Lookup("unknown").NoOptDefVal = "0.95"
	fs.Float64Var(&f.trust.Coverage, "coverage", 0, "name a set of classes that holds the right one with this `share`, as 0.9 (default off)")
	fs.StringVar(&f.out, "out", "", "write the answers to this `file`, .csv or .jsonl, and a summary to standard output")
	fs.BoolVar(&f.resume, "resume", false, "with --out: go on with a file that is there, each picture once")
	fs.StringVar(&f.sortInto, "sort-into", "", "link each picture into a folder of its label in this `folder`; nothing is moved or replaced")
	fs.StringVar(&f.linksAs, "links", "symbolic", "what --sort-into makes: symbolic or hard links")
	fs.Var(&f.memory, "memory", "cap on what the model and its batches hold, as 500MB (default none)")
	fs.IntVar(&f.threads, "threads", 0, "processors to use (default all)")
	precisionFlag(fs, &f.precision)
	decodeFlag(fs, &f.decode, "as the model was trained")
	fs.StringVar(&f.tensors, "tensors", "", "write what the network reads and its logits to this safetensors file instead")
	return c
}

func (f *predictFlags) check() error {
	switch {
	case f.json && f.csv:
		return fmt.Errorf("--json and --csv exclude each other")
	case f.out != "" && (f.json || f.csv):
		return fmt.Errorf("--out writes CSV or JSON lines by the file's ending: leave --json and --csv out")
	case f.topk < 1:
		return fmt.Errorf("--top-k is %d, must be at least 1", f.topk)
	case f.resume && f.out == "":
		return fmt.Errorf("--resume goes on with the file that --out names")
	case f.linksAs != "symbolic" && f.linksAs != "hard":
		return fmt.Errorf("--links is %q, not symbolic or hard", f.linksAs)
	case f.out != "" && !isCSV(f.out) && !isJSONLines(f.out):
		return fmt.Errorf("--out %s: the ending says the form, .csv or .jsonl", f.out)
	}
	return nil
}

func (f *predictFlags) run(c *cobra.Command, from string, paths []string) (err error) {
	model, err := graft.OpenWith(from, graft.OpenOptions{TTA: f.tta, Threads: f.threads, Precision: graft.Precision(f.precision), Decode: f.decode,
		Memory: int64(f.memory), Trust: f.trust})
	if err != nil {
		return err
	}
	defer model.Close()
	if f.tensors != "" {
		return writeTensors(model, paths, f.tensors)
	}
	if s, ok := model.Selection(); ok {
		fmt.Fprintf(os.Stderr, "answers from probability %.3f on: %.0f %% of the validation pictures, %.3f of them right, at least %.3f of new ones\n",
			s.Threshold, 100*s.Coverage, s.Precision, s.Bound)
	}
	p := &predictor{model: model, stdin: c.InOrStdin(), count: tally{labels: map[string]int{}}}
	form := &format{topk: min(f.topk, len(model.Classes)), trust: f.trust}
	if f.sortInto != "" {
		if p.links, err = newLinker(f.sortInto, f.linksAs == "hard", paths); err != nil {
			return err
		}
	}
	out, begun := c.OutOrStdout(), false
	if f.out != "" {
		file, done, err := openAnswers(f.out, f.resume, form)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Sync(), file.Close()) }()
		at, _ := file.Seek(0, io.SeekCurrent)
		out, p.answered, begun = file, done, at > 0
	}
	switch {
	case f.json || isJSONLines(f.out):
		p.print = form.json(out)
	case f.csv || isCSV(f.out):
		if p.print, err = form.csv(out, !begun); err != nil {
			return err
		}
	default:
		p.print = form.text(out)
	}
	err = p.all(c, paths, f.out != "")
	if f.out != "" && (err == nil || errors.Is(err, errSaid)) {
		p.count.print(c.OutOrStdout(), f.out)
	}
	return err
}

// all answers for every picture, with a bar where a person watches.
func (p *predictor) all(c *cobra.Command, paths []string, bar bool) error {
	r, end := newReport(c, false)
	defer end()
	total := 0
	if bar = bar && terminal(); bar {
		for range sourcesOf(paths, p.stdin) {
			total++
		}
	}
	sources := func(yield func(graft.Source) bool) {
		for s := range sourcesOf(paths, p.stdin) {
			if p.answered.has(s.Path) {
				p.count.before++
				continue
			}
			if !yield(s) {
				return
			}
		}
	}
	for a, err := range p.model.PredictStream(c.Context(), sources) {
		if err != nil {
			return err
		}
		if p.links != nil && a.Err == nil {
			if err := p.links.add(a.Path, a.Label); err != nil {
				return err
			}
		}
		if err := p.print(&a); err != nil {
			return err
		}
		p.count.add(&a)
		if bar {
			r.advance("pictures", int64(p.count.all()), int64(total), fmt.Sprintf("%d unknown, %d unreadable", p.count.unknown, p.count.failed))
		}
	}
	if p.count.failed > 0 {
		fmt.Fprintf(os.Stderr, "graft: %d pictures could not be read\n", p.count.failed)
		return errSaid
	}
	return nil
}

// sourcesOf are the pictures that paths stand for, in the order of the walk.
func sourcesOf(paths []string, stdin io.Reader) iter.Seq[graft.Source] {
	return func(yield func(graft.Source) bool) {
		for _, path := range paths {
			if path == "-" {
				data, err := io.ReadAll(stdin)
				if !yield(graft.Source{Path: "-", Data: append([]byte{}, data...), Err: err}) {
					return
				}
				continue
			}
			for file, err := range dataset.Walk(path) {
				if !yield(graft.Source{Path: file, Err: err}) {
					return
				}
			}
		}
	}
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

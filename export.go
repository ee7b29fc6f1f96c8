package graft

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"graft/internal/onnx"
	"graft/internal/rundir"
	"graft/internal/weights"
)

// A Format is a kind of file that a model is exported to.
type Format string

// The formats.
const (
	ONNX        Format = "onnx"        // the network as a graph, for onnxruntime and others
	Safetensors Format = "safetensors" // a state dict with torchvision's (timm's) names
	PTH         Format = "pth"         // the same as torch.save writes it
)

// FormatOf is the format that a file's name ends with, or "".
func FormatOf(path string) Format {
	switch f := Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")); f {
	case ONNX, Safetensors, PTH:
		return f
	case "pt":
		return PTH
	}
	return ""
}

// An ExportConfig says which model becomes which file.
type ExportConfig struct {
	Model string // a run directory or a model file
	To    Format // "" is what Out's name ends with
	Out   string
	// Preprocess lets an ONNX file read 8-bit pixels of any size.
	Preprocess bool
	Opset      int // of ONNX's operators, 20 to 28; 0 is the newest
	// Pictures is a folder to prove the file with; "" takes the run's held-out pictures,
	// or where they cannot be reached the built-in photographs of clothing.
	// Unreadable ones are passed over.
	Pictures string
	// Python is an interpreter with onnxruntime that proves an ONNX file; "" is python3
	// if it has that, "none" graft's own reader and loops.
	Python  string
	Threads int
	Force   bool // replace files that are there
	Events  func(Event)
}

// An Export is what was written, and its proof.
type Export struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
	Card  string `json:"card"` // the model card beside it
	Kept  bool   `json:"kept"` // the card was there already
	Proof Proof  `json:"proof"`
}

// ExportModel writes a model in another format, proves that the file answers as the
// model does, and writes a model card beside it. A file that does not prove itself is
// not left behind.
func ExportModel(ctx context.Context, e ExportConfig) (*Export, error) {
	if e.Events == nil {
		e.Events = func(Event) {}
	}
	if err := e.check(); err != nil {
		return nil, err
	}
	c, err := OpenWith(e.Model, OpenOptions{Threads: e.Threads, Precision: FP32})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if same, err := sameFile(c.Path, e.Out); err != nil || same {
		return nil, errors.Join(err, fmt.Errorf("--out %s is the model itself", e.Out))
	}
	aside, err := os.CreateTemp(filepath.Dir(e.Out), "."+filepath.Base(e.Out)+".*.tmp")
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w", e.Out, err)
	}
	defer os.Remove(aside.Name()) // after the rename there is none
	defer aside.Close()
	if err := e.write(c, aside); err != nil {
		return nil, fmt.Errorf("%s was not written: %w", e.Out, err)
	}
	if err := errors.Join(aside.Chmod(0o644), aside.Sync(), aside.Close()); err != nil {
		return nil, fmt.Errorf("%s was not written: %w", e.Out, err)
	}
	x := &Export{Path: e.Out, Card: filepath.Join(filepath.Dir(e.Out), "README.md")}
	if info, err := os.Stat(aside.Name()); err == nil {
		x.Bytes = info.Size()
	}
	run := openRun(ctx, c)
	proof, err := e.prove(ctx, c, run, aside.Name())
	if err != nil {
		return nil, fmt.Errorf("%s was not written: %w", e.Out, err)
	}
	x.Proof = *proof
	if err := os.Rename(aside.Name(), e.Out); err != nil {
		return nil, err
	}
	if _, err := os.Stat(x.Card); err == nil && !e.Force {
		x.Kept = true
		return x, nil
	}
	return x, os.WriteFile(x.Card, c.card(e, run, x).Markdown(), 0o644)
}

func (e *ExportConfig) check() error {
	if e.To == "" {
		if e.To = FormatOf(e.Out); e.To == "" {
			return fmt.Errorf("--out %s does not end in .onnx, .safetensors or .pth: say which with --to", e.Out)
		}
	}
	if e.To != ONNX && e.To != Safetensors && e.To != PTH {
		return fmt.Errorf("no such format: %q (onnx, safetensors or pth)", string(e.To))
	}
	if e.To != ONNX && (e.Preprocess || e.Opset != 0) {
		return fmt.Errorf("a %s file holds weights, no computation: --with-preprocess and --opset are for onnx", e.To)
	}
	if e.Opset != 0 && (e.Opset < onnx.OldestOpset || e.Opset > onnx.Opset) {
		return fmt.Errorf("opset %d is not between %d and %d", e.Opset, onnx.OldestOpset, onnx.Opset)
	}
	info, err := os.Stat(e.Out)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("--out %s is a folder, not a file", e.Out)
	case !e.Force:
		return fmt.Errorf("--out %s exists: choose another name, or replace it with --force", e.Out)
	}
	return nil
}

func sameFile(a, b string) (bool, error) {
	x, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	y, err := os.Stat(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(x, y), err
}

// write writes the model of c, from its file.
func (e *ExportConfig) write(c *Classifier, w io.Writer) error {
	m, err := rundir.ReadModel(c.Path)
	if err != nil {
		return err
	}
	switch e.To {
	case Safetensors:
		return weights.WriteSafetensors(w, m.State.Tensors(), m.State.Metadata)
	case PTH:
		return weights.WritePTH(w, m.State.Tensors())
	}
	params, err := c.restore(m.State)
	if err != nil {
		return err
	}
	o := onnx.Options{Opset: e.Opset, Version: Version, Temperature: c.temperature(), Metadata: metadata(m)}
	if e.Preprocess {
		o.Preprocess = &c.pre
	}
	file, err := onnx.Build(c.graph, params, o)
	if err != nil {
		return err
	}
	return file.Write(w)
}

// metadata is what the model file says, for metadata_props.
func metadata(m *rundir.Model) []onnx.Entry {
	classes, _ := json.Marshal(m.Classes) // strings and numbers always have a form
	preprocess, _ := json.Marshal(m.Preprocess)
	return []onnx.Entry{
		{Key: "graft.model", Value: m.Name}, {Key: "graft.classes", Value: string(classes)},
		{Key: "graft.preprocess", Value: string(preprocess)}, {Key: "graft.data", Value: m.Data},
	}
}

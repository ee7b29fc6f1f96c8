package rundir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"graft/internal/eval"
	"graft/internal/graph"
	"graft/internal/transform"
	"graft/internal/weights"
)

// A Model is a model file: a trained network with all that is needed to use it
// on a picture.
type Model struct {
	Name       string   // architecture, as in package model
	Classes    []string // by output
	Preprocess transform.Preprocess
	Data       string // fingerprint of the training data
	Version    string // of the graft that wrote it

	Calibration *eval.Calibration // nil where no validation pictures were there to fit it on
	Neighbours  *eval.Neighbours  // nil likewise, and until training is over

	// For writing.
	Graph  *graph.Graph
	Params [][]float32 // in the graph's order
	Steps  int         // updates that batch normalisation has seen

	// After reading.
	State *weights.StateDict
}

// The keys of a model file's metadata.
const (
	keyFormat     = "graft.format"
	keyVersion    = "graft.version"
	keyModel      = "graft.model"
	keyClasses    = "graft.classes"
	keyPreprocess = "graft.preprocess"
	keyData       = "graft.data"

	keyCalibration = "graft.calibration"
	keyNeighbours  = "graft.neighbours"
)

// WriteModel writes a model file: safetensors with torchvision's names,
// batch normalisation's step counters included, so that PyTorch loads it
// strictly.
func WriteModel(path string, m *Model) error {
	tensors, err := tensors(m)
	if err != nil {
		return fmt.Errorf("%s was not written: %w", path, err)
	}
	classes, err := json.Marshal(m.Classes)
	if err != nil {
		return err
	}
	preprocess, err := json.Marshal(m.Preprocess)
	if err != nil {
		return err
	}
	meta := map[string]string{
		keyFormat: strconv.Itoa(Format), keyVersion: m.Version, keyModel: m.Name, keyData: m.Data,
		keyClasses: string(classes), keyPreprocess: string(preprocess),
		"format": "pt", // safetensors' own mark for PyTorch's conventions
	}
	if m.Calibration != nil {
		text, err := json.Marshal(m.Calibration)
		if err != nil {
			return err
		}
		meta[keyCalibration] = string(text)
	}
	return writeFile(path, func(w io.Writer) error { return weights.WriteSafetensors(w, tensors, meta) })
}

// WriteNeighbours adds to the best model what training pictures look like to it.
func (d *Dir) WriteNeighbours(n *eval.Neighbours) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	state, err := weights.Open(d.file(BestFile))
	if err != nil {
		return err
	}
	meta := maps.Clone(state.Metadata)
	meta[keyNeighbours] = string(text)
	return writeFile(d.file(BestFile), func(w io.Writer) error { return weights.WriteSafetensors(w, state.Tensors(), meta) })
}

// tensors lists the parameters, and a counter behind each running variance.
// A parameter that is no number is refused: the file would be of no use.
func tensors(m *Model) ([]weights.Tensor, error) {
	var list []weights.Tensor
	for i, p := range m.Graph.Params {
		for _, v := range m.Params[i] {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, fmt.Errorf("parameter %s holds %v", p.Name, v)
			}
		}
		list = append(list, weights.Tensor{Name: p.Name, Shape: p.Shape, Data: m.Params[i]})
		if module, ok := strings.CutSuffix(p.Name, ".running_var"); ok && p.Role == graph.RunningVar {
			list = append(list, weights.Tensor{Name: module + ".num_batches_tracked", DType: weights.I64, Data: []float32{float32(m.Steps)}})
		}
	}
	return list, nil
}

// Find returns the model file that a path stands for: a run's best model (its
// last where no epoch was finished), or the file itself.
func Find(path string) (string, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("no run or model file: %w", err)
	}
	if !fi.IsDir() {
		return path, nil
	}
	if _, err := readConfig(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s is no run directory: it has no %s", path, ConfigFile)
		}
		return "", err
	}
	for _, name := range []string{BestFile, LastFile} {
		f := filepath.Join(path, name)
		if _, err := os.Stat(f); err == nil {
			return f, nil
		}
	}
	return "", fmt.Errorf("%s has no model: the run ended before its first epoch did", path)
}

// ReadModel reads the model file of a run, or a model file.
func ReadModel(path string) (*Model, error) {
	path, err := Find(path)
	if err != nil {
		return nil, err
	}
	state, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	meta := state.Metadata
	format, err := strconv.Atoi(meta[keyFormat])
	switch {
	case meta[keyModel] == "":
		return nil, fmt.Errorf("%s is a file of weights, not a model of graft's: it does not say which network and classes it has; fine-tune it with graft train --weights %s", path, path)
	case err != nil || format < 1:
		return nil, fmt.Errorf("%s: %s is %q, not a number", path, keyFormat, meta[keyFormat])
	case format > Format:
		return nil, &NewerError{path, meta[keyFormat], meta[keyVersion]}
	}
	m := &Model{Name: meta[keyModel], Version: meta[keyVersion], Data: meta[keyData], State: state}
	if err := json.Unmarshal([]byte(meta[keyClasses]), &m.Classes); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, keyClasses, err)
	}
	if len(m.Classes) < 2 {
		return nil, fmt.Errorf("%s: %s lists %d classes, a classifier has at least 2", path, keyClasses, len(m.Classes))
	}
	if err := json.Unmarshal([]byte(meta[keyPreprocess]), &m.Preprocess); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, keyPreprocess, err)
	}
	return m, m.readTrust(path, meta)
}

// readTrust reads what says how far the model's answers are to be trusted.
func (m *Model) readTrust(path string, meta map[string]string) error {
	if text := meta[keyCalibration]; text != "" {
		err := json.Unmarshal([]byte(text), &m.Calibration)
		if err == nil {
			err = m.Calibration.Check()
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, keyCalibration, err)
		}
	}
	if text := meta[keyNeighbours]; text != "" {
		err := json.Unmarshal([]byte(text), &m.Neighbours)
		if err == nil {
			err = m.Neighbours.Check()
		}
		if err != nil {
			return fmt.Errorf("%s: %s: %w", path, keyNeighbours, err)
		}
	}
	return nil
}

// ReadConfig reads the config of a run directory.
func ReadConfig(dir string) (*Config, error) { return readConfig(dir) }

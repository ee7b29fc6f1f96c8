package rundir

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"graft/internal/engine"
	"graft/internal/graph"
	"graft/internal/train"
	"graft/internal/weights"
)

// CheckpointDir holds the newest two checkpoints: NUMBER.safetensors, and its
// SHA-256 in NUMBER.sha256 as sha256sum writes it. A checkpoint without its sum, or with
// another, was not finished or is damaged.
const CheckpointDir = "checkpoint"

const (
	keyPosition = "graft.position"
	kept        = 2
)

// slotNames are the prefixes of what the optimiser keeps.
var slotNames = map[engine.Slot]string{engine.Momentum: "momentum/", engine.Variance: "variance/", engine.Average: "average/"}

// WriteCheckpoint adds a checkpoint and removes those before the last two. g names the parameters.
func (d *Dir) WriteCheckpoint(g *graph.Graph, c *train.Checkpoint) error {
	dir := d.file(CheckpointDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	position, err := json.Marshal(c.Position)
	if err != nil {
		return fmt.Errorf("a checkpoint was not written: %w", err)
	}
	var tensors []weights.Tensor
	for i, p := range g.Params {
		tensors = append(tensors, weights.Tensor{Name: p.Name, Shape: p.Shape, Data: c.Params[i]})
	}
	for slot := range engine.SlotCount {
		for i, v := range c.Slots[slot] {
			if v != nil {
				tensors = append(tensors, weights.Tensor{Name: slotNames[slot] + g.Params[i].Name, Shape: g.Params[i].Shape, Data: v})
			}
		}
	}
	name := filepath.Join(dir, fmt.Sprintf("%08d", d.checkpoints+1))
	sum := sha256.New()
	err = writeFile(name+".safetensors", func(w io.Writer) error {
		return weights.WriteSafetensors(io.MultiWriter(w, sum), tensors, map[string]string{keyFormat: strconv.Itoa(Format), keyPosition: string(position)})
	})
	if err != nil {
		return err
	}
	err = writeFile(name+".sha256", func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%s  %s.safetensors\n", hex.EncodeToString(sum.Sum(nil)), filepath.Base(name))
		return err
	})
	if err != nil {
		return err
	}
	d.checkpoints++
	return trim(dir, d.checkpoints-kept)
}

// trim removes checkpoints up to a number, and what a stopped program left half written.
func trim(dir string, last int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		n, err := strconv.Atoi(strings.SplitN(e.Name(), ".", 2)[0])
		if err != nil || n > last && !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// ReadCheckpoint returns the newest checkpoint of a run that is whole. refused says which newer
// ones are not, and why.
func ReadCheckpoint(run string, g *graph.Graph) (c *train.Checkpoint, refused []string, err error) {
	dir := filepath.Join(run, CheckpointDir)
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(files)
	slices.Reverse(files)
	for _, f := range files {
		c, err := readCheckpoint(f, g)
		if err == nil {
			return c, refused, nil
		}
		refused = append(refused, fmt.Sprintf("%s: %v", f, err))
	}
	if len(refused) > 0 {
		return nil, refused, fmt.Errorf("%s has no checkpoint that is whole: %s", run, strings.Join(refused, "; "))
	}
	return nil, nil, fmt.Errorf("%s has no checkpoint to go on from: it ended before its first one, or was finished by an older graft", run)
}

func readCheckpoint(path string, g *graph.Graph) (*train.Checkpoint, error) {
	if err := checkSum(path); err != nil {
		return nil, err
	}
	state, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	c := &train.Checkpoint{Slots: map[engine.Slot][][]float32{}}
	if err := json.Unmarshal([]byte(state.Metadata[keyPosition]), &c.Position); err != nil {
		return nil, fmt.Errorf("%s: %w", keyPosition, err)
	}
	get := func(name string, p graph.Param) ([]float32, error) {
		t, ok := state.Get(name)
		if ok && !slices.Equal(t.Shape, p.Shape) {
			return nil, fmt.Errorf("%s is %v, the network's is %v", name, t.Shape, p.Shape)
		}
		return t.Data, nil
	}
	for _, p := range g.Params {
		v, err := get(p.Name, p)
		if err == nil && v == nil {
			err = fmt.Errorf("%s is missing", p.Name)
		}
		if err != nil {
			return nil, err
		}
		c.Params = append(c.Params, v)
	}
	for slot, prefix := range slotNames {
		for _, p := range g.Params {
			v, err := get(prefix+p.Name, p)
			if err != nil {
				return nil, err
			}
			c.Slots[slot] = append(c.Slots[slot], v)
		}
	}
	return c, nil
}

// checkSum holds a checkpoint against its SHA-256.
func checkSum(path string) error {
	line, err := os.ReadFile(strings.TrimSuffix(path, ".safetensors") + ".sha256")
	if err != nil {
		return errors.New("it was not finished: it has no checksum")
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if want, _, _ := strings.Cut(string(line), " "); want != hex.EncodeToString(sum.Sum(nil)) {
		return errors.New("it is damaged: its checksum differs")
	}
	return nil
}

// Reopen goes on writing a run of which so many epochs are finished: what its metrics have of
// later ones is dropped.
func Reopen(path string, finished int) (*Dir, error) {
	c, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path, Config: c}
	if err := errors.Join(d.EndLive(), d.reopenTrace(finished)); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(d.file(filepath.Join(CheckpointDir, "*.safetensors")))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(f), ".safetensors"))
		d.checkpoints = max(d.checkpoints, n)
	}
	text, err := os.ReadFile(d.file(MetricsFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e Epoch
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: %w", d.file(MetricsFile), err)
		}
		if e.Event == "epoch" && e.Epoch <= finished {
			d.epochs, d.metrics = append(d.epochs, e), append(d.metrics, slices.Clone(lines.Bytes()))
		}
	}
	return d, nil
}

// Finished reports whether a run ended by itself.
func Finished(path string) bool {
	_, d, err := ReadMetrics(path)
	return err == nil && d != nil && !d.Interrupted && !d.Failed
}

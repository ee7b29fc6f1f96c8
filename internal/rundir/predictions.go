package rundir

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// PredictionsFile has the best model's answers on the held-out pictures, a line each.
const PredictionsFile = "predictions.jsonl"

// A Prediction is what the best model said of a held-out picture when its epoch was judged.
type Prediction struct {
	Path   string    `json:"path"`   // as the dataset names the picture
	Part   string    `json:"part"`   // "val" or "test"
	Class  int       `json:"class"`  // its label's place in the classes
	Logits []float32 `json:"logits"` // a value a class, not calibrated
}

// WritePredictions replaces the answers that the run has.
func (d *Dir) WritePredictions(list []Prediction) error {
	return writeFile(d.file(PredictionsFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for i := range list {
			if err := e.Encode(&list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// ReadPredictions returns the answers of a run directory, validation's before test's. A run
// without any (made by an older graft, or with more held-out pictures than are kept) is
// an error that wraps os.ErrNotExist.
func ReadPredictions(run string) ([]Prediction, error) {
	path := filepath.Join(run, PredictionsFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s has no answers on held-out pictures: %w", run, err)
	}
	defer f.Close()
	var list []Prediction
	for d := json.NewDecoder(bufio.NewReader(f)); ; {
		var p Prediction
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err == nil {
			err = p.check(list)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, len(list)+1, err)
		}
		list = append(list, p)
	}
}

func (p *Prediction) check(before []Prediction) error {
	switch {
	case p.Part != "val" && p.Part != "test":
		return fmt.Errorf("part %q is neither val nor test", p.Part)
	case p.Class < 0 || p.Class >= len(p.Logits):
		return fmt.Errorf("class %d of %d logits", p.Class, len(p.Logits))
	case len(before) > 0 && len(before[0].Logits) != len(p.Logits):
		return fmt.Errorf("%d logits, the lines before have %d", len(p.Logits), len(before[0].Logits))
	}
	return nil
}

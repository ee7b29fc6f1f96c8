package rundir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
)

// An Epoch is a line of metrics.jsonl.
type Epoch struct {
	Event        string   `json:"event"` // "epoch"
	Epoch        int      `json:"epoch"`
	Loss         float64  `json:"loss"`
	TrainAcc     float64  `json:"train_acc"`
	TestAcc      float64  `json:"test_acc"`
	TestLoss     float64  `json:"test_loss"`
	ValAcc       *float64 `json:"val_acc,omitempty"`
	ValLoss      *float64 `json:"val_loss,omitempty"`
	LR           float64  `json:"lr"`
	ImagesPerSec float64  `json:"img_s"`
	Best         bool     `json:"best"`
	Seconds      float64  `json:"seconds,omitempty"` // that the run had taken
}

// A Done is the last line of metrics.jsonl.
type Done struct {
	Event        string   `json:"event"` // "done"
	Run          string   `json:"run"`
	BestEpoch    int      `json:"best_epoch"`
	BestTestAcc  float64  `json:"best_test_acc"`
	TestAcc      float64  `json:"test_acc"`
	TrainAcc     float64  `json:"train_acc"`
	Loss         float64  `json:"loss"`
	ImagesPerSec float64  `json:"img_s"`
	Seconds      float64  `json:"seconds"`          // of training and judging, earlier processes' included
	Stages       []Stage  `json:"stages,omitempty"` // of the last process, from its beginning on
	Interrupted  bool     `json:"interrupted,omitempty"`
	Failed       bool     `json:"failed,omitempty"`   // an error ended it
	HeadAcc      *float64 `json:"head_acc,omitempty"` // recipe fast: the output layer alone
}

// Round keeps six significant digits, so that lines are short and stable.
func Round(v float64) float64 {
	if math.Abs(v) < 1e-300 { // whose scale would be infinite
		return 0
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	scale := math.Pow(10, 5-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// ReadMetrics returns a run's epochs, and its end where it has one: nil else.
func ReadMetrics(run string) ([]Epoch, *Done, error) {
	path := filepath.Join(run, MetricsFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	var epochs []Epoch
	var end *Done
	for line := range bytes.Lines(text) {
		var e Epoch
		err := json.Unmarshal(line, &e)
		switch {
		case err != nil:
		case e.Event == "epoch":
			epochs, end = append(epochs, e), nil
		case e.Event == "done":
			end = new(Done)
			err = json.Unmarshal(line, end)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return epochs, end, nil
}

// A Stage is a part of a run and the time it took.
type Stage struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

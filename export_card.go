package graft

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"graft/internal/card"
	"graft/internal/dataset"
	"graft/internal/eval"
	"graft/internal/model"
	"graft/internal/rundir"
)

// card is the model card of an export. run is the run with its pictures, or nil.
func (c *Classifier) card(e ExportConfig, run *session, x *Export) *card.Card {
	preprocess, _ := json.Marshal(c.pre) // numbers and strings always have a form
	k := &card.Card{
		Name: c.Model, File: filepath.Base(e.Out), Format: string(e.To), Pixels: e.Preprocess, Network: c.Model, Library: "torchvision",
		Size: c.pre.Crop, Fingerprint: c.data, Preprocess: string(preprocess), Version: Version, Proof: x.Proof.String(),
	}
	if strings.Contains(c.Model, "lite0") {
		k.Library = "timm"
	}
	for _, name := range c.Classes {
		k.Classes = append(k.Classes, card.Class{Name: name})
	}
	dir := filepath.Dir(c.Path)
	config, err := rundir.ReadConfig(dir)
	if err != nil || config.Data.Fingerprint != c.data {
		return k
	}
	k.Name, k.Data = config.Data.Name+"-"+c.Model, config.Data.Name
	k.Origin = card.Weights{Name: config.Weights.Name, Source: config.Weights.Source, Licence: licence(config.Weights.Name)}
	if run != nil && len(run.data.Classes) == len(k.Classes) {
		train, val, test := run.data.Counts(dataset.Train), run.data.Counts(dataset.Valid), run.data.Counts(dataset.Test)
		for i := range k.Classes {
			k.Classes[i].Train, k.Classes[i].Val, k.Classes[i].Test = train[i], val[i], test[i]
		}
	}
	// The answers that a run keeps are the best model's.
	if answers, err := rundir.ReadPredictions(dir); err == nil && filepath.Base(c.Path) == rundir.BestFile {
		c.measure(k, answers)
		k.Chose = config.Data.ChosenOn != "none" && (config.Data.ChosenOn == "test") == (k.Part == "test")
	}
	if c.calibration != nil && c.calibration.Test != nil {
		k.Calibrate = &card.Calibration{Temperature: c.calibration.Temperature, Before: c.calibration.Test.ECERaw, After: c.calibration.Test.ECE}
	}
	return k
}

// measure adds what the model's answers on held-out pictures say: the test pictures', or else
// validation's.
func (c *Classifier) measure(k *card.Card, answers []rundir.Prediction) {
	k.Part = "validation"
	part := "val"
	for _, a := range answers {
		if a.Part == "test" {
			k.Part, part = "test", "test"
		}
	}
	n, right := make([]int, len(k.Classes)), make([]int, len(k.Classes))
	for _, a := range answers {
		if a.Part != part || a.Class >= len(n) {
			continue
		}
		n[a.Class]++
		if eval.Largest(a.Logits) == a.Class {
			right[a.Class]++
		}
	}
	all, hits := 0, 0
	for i := range n {
		all, hits = all+n[i], hits+right[i]
		k.Classes[i].Recall = figure(right[i], n[i])
	}
	k.Measured = figure(hits, all)
}

func figure(right, n int) *card.Figure {
	if n == 0 {
		return nil
	}
	share := float64(right) / float64(n)
	low, high := eval.Interval(share, n)
	return &card.Figure{Value: share, Low: low, High: high, N: n}
}

// licence is that of published weights, by the name a run gives them, or "".
func licence(name string) string {
	for _, m := range model.All() {
		for _, w := range m.Weights {
			if name == m.Name+"."+w.Tag {
				return w.Licence
			}
		}
	}
	return ""
}

func (p Proof) String() string {
	return fmt.Sprintf("The file was proved with %s on %d pictures (%s): %d of %d answers are the model's, probabilities differ by at most %.1e.",
		p.With, p.Pictures, p.From, p.Agree, p.Pictures, p.Worst)
}

// temperature is what divides the logits before they become probabilities, 0 where the model has none.
func (c *Classifier) temperature() float64 {
	if c.calibration == nil {
		return 0
	}
	return c.calibration.Temperature
}

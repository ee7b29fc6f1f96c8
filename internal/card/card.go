// Package card writes model cards: what a classifier is, what it was made of and
// how good it is, in the form of Hugging Face's model hub (a README.md that begins
// with YAML metadata), as Mitchell and others 2019 proposed them.
//
// It knows numbers and names that others found. It knows neither runs nor files.
package card

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"strings"
	"text/template"
)

// A Card is what is said about a model. What is not known is left at its zero
// value, and out of the card.
type Card struct {
	Name    string // of the model, for people
	File    string // the exported file's name
	Format  string // onnx, safetensors or pth
	Pixels  bool   // the ONNX file reads 8-bit pictures
	Network string
	Library string // torchvision or timm, whose names the weights have
	Size    int    // side of the square that the network reads
	Classes []Class
	Origin  Weights

	Data        string // name of the data
	Fingerprint string
	Preprocess  string // JSON
	Version     string // of graft

	Part      string // which pictures Measured is of
	Chose     bool   // they chose the best epoch
	Measured  *Figure
	Calibrate *Calibration
	Proof     string // a sentence
}

// Weights are what training began with.
type Weights struct{ Name, Source, Licence string }

// A Class is one, with its pictures.
type Class struct {
	Name             string
	Train, Val, Test int
	Recall           *Figure
}

// A Figure is a share of N pictures, with its 95 % interval.
type Figure struct {
	Value, Low, High float64
	N                int
}

// A Calibration says how far probabilities may be believed: the expected
// calibration error before and after the logits are divided by the temperature.
type Calibration struct{ Temperature, Before, After float64 }

//go:embed card.md
var text string

var card = template.Must(template.New("card").Funcs(template.FuncMap{
	"yaml": quoted, "cell": cell, "lower": strings.ToLower,
}).Parse(text))

// Markdown is the card as a file.
func (c *Card) Markdown() []byte {
	var b bytes.Buffer
	if err := card.Execute(&b, c); err != nil {
		panic(err) // the template is part of the program
	}
	return b.Bytes()
}

// Counted reports whether pictures of each class are known.
func (c *Card) Counted() bool {
	for _, k := range c.Classes {
		if k.Train+k.Val+k.Test > 0 {
			return true
		}
	}
	return false
}

// Labels is the classes' names as a JSON list, which is also Python.
func (c *Card) Labels() string {
	names := make([]string, len(c.Classes))
	for i, k := range c.Classes {
		names[i] = k.Name
	}
	return quoted(names)
}

// quoted is a value as JSON, which is YAML too.
func quoted(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // of strings and lists of them
	}
	return strings.TrimSpace(b.String())
}

// cell is text in a table of Markdown.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(s)
}

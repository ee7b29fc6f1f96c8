package graft

import (
	"context"
	"fmt"
	"image"
	"os"
	"slices"
	"strings"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/explain"
	"graft/internal/transform"
)

// An Explanation is where in a picture a classifier finds a class: Grad-CAM (Selvaraju and others
// 2017) at the last map of places of the network; of a Vision Transformer, at the tokens before the
// last attention.
type Explanation struct {
	Prediction Prediction
	Class      string  // that is explained
	Prob       float64 // the classifier's probability of it
	// Heat is how much each place of Seen speaks for Class: Height rows of Width values from 0
	// to 1, the largest 1, or all 0.
	Width, Height int
	Heat          []float32
	// Seen is what the network sees of the picture, a square; Overlay is Seen in grey, in colours
	// where Heat is large.
	Seen, Overlay image.Image

	seen, overlay *transform.Picture
}

// Explain shows where in a picture the classifier finds a class; "" is the one that it answers
// with. The network's lower part is compiled at the first call and kept until Close.
func (c *Classifier) Explain(ctx context.Context, img image.Image, class string) (*Explanation, error) {
	if img == nil || img.Bounds().Empty() {
		return nil, fmt.Errorf("the picture is empty")
	}
	return c.explain(ctx, dataset.FromImage(img), class)
}

// ExplainFile explains the picture in a file.
func (c *Classifier) ExplainFile(ctx context.Context, path, class string) (*Explanation, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return c.ExplainBytes(ctx, data, class)
}

// ExplainBytes explains the picture in a file's bytes.
func (c *Classifier) ExplainBytes(ctx context.Context, data []byte, class string) (*Explanation, error) {
	pic, err := dataset.Decode(data, dataset.DecodeOptions{}.For(c.pre))
	if err != nil {
		return nil, err
	}
	return c.explain(ctx, pic, class)
}

// A lens is what explaining needs beside the classifier's own network.
type lens struct {
	cut    *explain.Cut
	net    engine.Network // the lower part, a picture at a time
	params [][]float32    // that the upper part reads
	x, out []float32
}

func (c *Classifier) explain(ctx context.Context, pic *transform.Picture, class string) (*Explanation, error) {
	k := slices.Index(c.Classes, class)
	if class != "" && k < 0 {
		return nil, fmt.Errorf("the model knows no class %q; it has %s", class, strings.Join(c.Classes, ", "))
	}
	answers, err := c.predict(ctx, []*transform.Picture{pic})
	if err != nil {
		return nil, err
	}
	e := &Explanation{Prediction: answers[0], Class: class, seen: c.pre.Eval(pic)}
	if k < 0 { // the most probable class, also where the answer is that it is none of them
		e.Class = e.Prediction.TopK[0].Label
		k = slices.Index(c.Classes, e.Class)
	}
	for _, p := range e.Prediction.TopK {
		if p.Label == e.Class {
			e.Prob = p.Prob
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lens == nil {
		if c.lens, err = c.newLens(); err != nil {
			return nil, err
		}
	}
	l := c.lens
	c.pre.Normalize(l.x, e.seen)
	if err := l.net.Infer(l.x, 1, l.out); err != nil {
		return nil, err
	}
	maps, err := l.cut.Maps(l.params, l.out, []int{k})
	if err != nil {
		return nil, err
	}
	e.Width, e.Height, e.Heat = maps[0].W, maps[0].H, maps[0].Values
	e.overlay = explain.Overlay(e.seen, maps[0])
	e.Seen, e.Overlay = e.seen.Image(), e.overlay.Image()
	return e, nil
}

func (c *Classifier) newLens() (*lens, error) {
	cut, err := explain.Of(c.graph)
	if err != nil {
		return nil, err
	}
	net, err := c.engine.Compile(cut.Lower, engine.Config{Batch: 1})
	if err != nil {
		return nil, err
	}
	l := &lens{cut: cut, net: net, params: make([][]float32, len(c.graph.Params)), x: make([]float32, c.graph.Input().Len()), out: make([]float32, cut.Lower.Outputs())}
	values := func(i int) []float32 {
		v := make([]float32, c.graph.Params[i].Len())
		c.net.Read(i, v)
		return v
	}
	for _, n := range cut.Lower.Nodes {
		for _, i := range n.Params {
			net.Load(i, values(i))
		}
	}
	for _, n := range cut.Upper.Nodes {
		for _, i := range n.Params {
			l.params[i] = values(i)
		}
	}
	return l, nil
}

// Card draws Seen and Overlay side by side, the answer above: what graft explain writes.
func (e *Explanation) Card() (image.Image, error) {
	p := e.Prediction
	lines := []string{fmt.Sprintf("left what the network sees, right where it finds %s", e.Class)}
	if most := slices.Max(e.Heat); most == 0 {
		lines = []string{fmt.Sprintf("nothing in the picture speaks for %s", e.Class)}
	}
	if e.Class != p.Label {
		lines = append(lines, fmt.Sprintf("%s has a probability of %.3f", e.Class, e.Prob))
	}
	return dataset.Card(fmt.Sprintf("%s %.3f", p.Label, p.Prob), lines, e.seen, e.overlay)
}

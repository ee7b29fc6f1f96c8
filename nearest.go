package graft

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"graft/internal/dataset"
	"graft/internal/explain"
	"graft/internal/rundir"
	"graft/internal/transform"
)

// A Neighbour is a training picture like another.
type Neighbour struct {
	Path   string  `json:"path"` // as the run's dataset names it
	Label  string  `json:"label"`
	Cosine float64 `json:"cosine"` // of the features before the output layer; 1 is alike
}

// Neighbours finds the training pictures of a run that are most like others to its best model.
type Neighbours struct {
	kept *rundir.Features
	c    *Classifier
	body *body
	x    []float32
}

// OpenNeighbours makes ready to ask c, the classifier of a run directory. The features of the training
// pictures are computed at the first time and kept in the run; later the pictures need not be
// there. data is where they lie, "" where they lay in training. events hears of the progress.
func OpenNeighbours(ctx context.Context, c *Classifier, run, data string, events func(Event)) (*Neighbours, error) {
	if events == nil {
		events = func(Event) {}
	}
	sum, err := hashFile(c.Path)
	if err != nil {
		return nil, err
	}
	n := &Neighbours{c: c, x: make([]float32, batchSize*c.graph.Input().Len())}
	if n.body, err = newBody(c.engine, c.graph); err != nil {
		return nil, err
	}
	for i, p := range c.graph.Params {
		v := make([]float32, p.Len())
		c.net.Read(i, v)
		n.body.net.Load(i, v)
	}
	if n.kept, err = rundir.ReadFeatures(run); err == nil && n.kept.Of == sum {
		return n, nil
	}
	if err := n.compute(ctx, run, data, sum, events); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// compute makes the features of the training pictures and keeps them.
func (n *Neighbours) compute(ctx context.Context, run, data, sum string, events func(Event)) error {
	s, err := reopened(ctx, run, data, func(e Event) {
		if _, is := e.(Finding); !is { // training said them
			events(e)
		}
	})
	if err != nil {
		return err
	}
	l := dataset.NewLoader(s.data.Train, dataset.LoaderOptions{Batch: batchSize, Preprocess: n.c.pre, Cache: s.cache, Workers: s.c.Threads,
		Warn: func(err error) { events(Warning{"left out: " + err.Error()}) }})
	f := &rundir.Features{Of: sum}
	if f.Values, err = n.body.of(ctx, l, func(done, total int) { events(Keeping{done, total}) }); err != nil {
		return err
	}
	for _, p := range s.data.Train {
		f.Pictures = append(f.Pictures, rundir.FeaturePicture{Path: p.Path, Label: s.data.Classes[p.Class]})
	}
	n.kept = f
	if err := rundir.WriteFeatures(run, f); err != nil {
		events(Warning{fmt.Sprintf("the features of the training pictures are not kept: %v", err)})
	}
	return nil
}

// Of are the k training pictures most like an explained one, the most like first.
func (n *Neighbours) Of(e *Explanation, k int) ([]Neighbour, error) { return n.of(e.seen, k) }

func (n *Neighbours) of(seen *transform.Picture, k int) ([]Neighbour, error) {
	one := make([]float32, n.body.shape.C)
	n.c.pre.Normalize(n.x[:n.c.graph.Input().Len()], seen)
	if err := n.body.features(one, n.x, 1); err != nil {
		return nil, err
	}
	var list []Neighbour
	for _, x := range explain.Nearest(n.kept.Values, one, k) {
		p := n.kept.Pictures[x.Index]
		list = append(list, Neighbour{p.Path, p.Label, x.Cosine})
	}
	return list, nil
}

// Close gives the memory back; the classifier stays open.
func (n *Neighbours) Close() { n.body.net.Close() }

// hashFile is the SHA-256 of a file in hexadecimal.
func hashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

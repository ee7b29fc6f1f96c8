package graft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/onnx"
	"graft/internal/train"
	"graft/internal/transform"
	"graft/internal/weights"
)

// A Proof says how a file that was written answers, beside the model it was made of.
type Proof struct {
	With     string  `json:"with"`     // what ran the file
	Pictures int     `json:"pictures"` // that both answered
	From     string  `json:"from"`     // where those are from
	Agree    int     `json:"agree"`    // answers of the same class
	Worst    float64 `json:"worst"`    // the largest difference of a probability
	Limit    float64 `json:"limit"`    // of that
}

// What a proof must reach. Pixels are resized by another program, which rounds some of
// them to the next of 256 levels.
const (
	leastAgreement = 0.995
	mostFromFloat  = 1e-3
	mostFromPixels = 1e-2
)

// provedPictures is how many pictures a proof takes at most, of fast runners and of slow ones,
// which go by the multiplications of a picture.
const (
	provedPictures = 200
	slowPictures   = 16
	slowMACs       = 16e9
)

// A runner answers a picture from the file: logits and, from ONNX, probabilities.
type runner interface {
	// run takes what the network reads, NHWC, and the picture that was made of.
	run(x []float32, pic *transform.Picture) (logits, probs []float32, err error)
	name() string
	slow() bool
	close()
}

// prove runs the file at path on pictures, beside the model.
func (e *ExportConfig) prove(ctx context.Context, c *Classifier, run *session, path string) (*Proof, error) {
	r, err := e.runner(ctx, c, path)
	if err != nil {
		return nil, err
	}
	defer r.close()
	limit := provedPictures
	if r.slow() {
		_, macs := graph.Counts(c.graph)
		limit = min(max(int(slowMACs/float64(macs)), 2), slowPictures)
	}
	p := &Proof{With: r.name(), Limit: mostFromFloat}
	if e.Preprocess {
		p.Limit = mostFromPixels
	}
	list, from, err := e.specimens(ctx, run, limit)
	if err != nil {
		return nil, err
	}
	p.From = from
	for i, s := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var pic *transform.Picture
		data, err := s.read()
		if err == nil {
			pic, err = dataset.Decode(data, dataset.DecodeOptions{}.For(c.pre))
		}
		if err != nil {
			e.Events(Warning{fmt.Sprintf("not proved with %s: %v", s.path, err)})
			continue
		}
		if err := p.compare(c, r, pic); err != nil {
			return nil, fmt.Errorf("its proof: %s: %w", s.path, err)
		}
		e.Events(Checking{i + 1, len(list)})
	}
	return p, p.judge()
}

// compare takes one more picture.
func (p *Proof) compare(c *Classifier, r runner, pic *transform.Picture) error {
	x := make([]float32, c.graph.Input().Len())
	c.pre.Normalize(x, c.pre.Eval(pic))
	c.mu.Lock()
	want := make([]float32, c.graph.Outputs())
	err := c.net.Infer(x, 1, want)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	logits, probs, err := r.run(x, pic)
	if err != nil {
		return err
	}
	if probs == nil {
		probs = c.calibration.Probabilities(logits)
	}
	p.Pictures++
	if eval.Largest(logits) == eval.Largest(want) {
		p.Agree++
	}
	for k, v := range c.calibration.Probabilities(want) {
		d := math.Abs(float64(v) - float64(probs[k]))
		if !(d <= p.Worst) { // not-a-number counts
			p.Worst = d
		}
	}
	return nil
}

func (p *Proof) judge() error {
	switch {
	case p.Pictures == 0:
		return errors.New("no picture could be read to prove it with: name a folder with --prove")
	case float64(p.Agree) < leastAgreement*float64(p.Pictures) || !(p.Worst <= p.Limit):
		return fmt.Errorf("%s answers otherwise than the model: %d of %d pictures of the same class, probabilities up to %.2g apart (at least %.1f %% and at most %g are asked)",
			p.With, p.Agree, p.Pictures, p.Worst, 100*leastAgreement, p.Limit)
	}
	return nil
}

// runner is what runs the file.
func (e *ExportConfig) runner(ctx context.Context, c *Classifier, path string) (runner, error) {
	if e.To != ONNX {
		return newStateRunner(c, path)
	}
	if e.Python != "none" {
		r, err := newRuntime(ctx, e.Python, path, e.Preprocess, len(c.Classes))
		if err == nil || e.Python != "" {
			return r, err
		}
		if !errors.Is(err, errNoRuntime) {
			return nil, err
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m, err := onnx.Read(data)
	if err != nil {
		return nil, err
	}
	s, err := onnx.NewSession(m)
	return &loops{s, e.Preprocess}, err
}

// A specimen is a picture to prove with.
type specimen struct {
	path string
	read func() ([]byte, error)
}

// specimens are pictures spread over all there are, and where they are from.
func (e *ExportConfig) specimens(ctx context.Context, run *session, limit int) (list []specimen, from string, err error) {
	var samples []dataset.Sample
	switch {
	case e.Pictures != "":
		from = e.Pictures
		for file, err := range dataset.Walk(e.Pictures) {
			if err != nil {
				return nil, "", err
			}
			list = append(list, specimen{file, func() ([]byte, error) { return os.ReadFile(file) }})
		}
	case run != nil && len(run.data.Test) > 0:
		samples, from = run.data.Test, "the run's test pictures"
	case run != nil && len(run.data.Valid) > 0:
		samples, from = run.data.Valid, "the run's validation pictures"
	default:
		from = "the built-in photographs of clothing"
		d, err := dataset.Open(ctx, "clothing", dataset.Options{})
		if err != nil {
			return nil, "", err
		}
		samples = d.Test
	}
	for i := range samples {
		list = append(list, specimen{samples[i].Path, samples[i].Read})
	}
	if n := len(list); n > limit {
		for i := range limit {
			list[i] = list[i*n/limit]
		}
		list = list[:limit]
	}
	return list, from, nil
}

// openRun is the run that a model lies in with its pictures, or nil where they cannot be reached.
func openRun(ctx context.Context, c *Classifier) *session {
	s, err := reopened(ctx, filepath.Dir(c.Path), "", func(Event) {})
	if err != nil {
		return nil
	}
	return s
}

// loops runs an ONNX file as the package onnx reads it.
type loops struct {
	session *onnx.Session
	pixels  bool
}

func (l *loops) name() string { return "graft's own ONNX reader and loops" }
func (l *loops) slow() bool   { return true }
func (l *loops) close()       {}

func (l *loops) run(x []float32, pic *transform.Picture) (logits, probs []float32, err error) {
	out, err := l.session.Run(arrayOf(l.pixels, x, pic))
	return out["logits"].Floats, out["probabilities"].Floats, err
}

// arrayOf is the input of an ONNX file: the picture, or its planes of normalised numbers.
func arrayOf(pixels bool, x []float32, pic *transform.Picture) onnx.Array {
	if pixels {
		return onnx.Array{Dims: []int{1, pic.H, pic.W, 3}, Bytes: pic.Pix}
	}
	area := len(x) / 3
	side := int(math.Sqrt(float64(area)))
	a := onnx.Array{Dims: []int{1, 3, side, side}, Floats: make([]float32, len(x))}
	for i, v := range x {
		a.Floats[i%3*area+i/3] = v
	}
	return a
}

// A stateRunner is the network with the weights of a file of weights.
type stateRunner struct {
	net     engine.Network
	classes int
}

func newStateRunner(c *Classifier, path string) (runner, error) {
	state, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	values, err := c.restore(state)
	if err != nil {
		return nil, err
	}
	net, err := c.engine.Compile(c.graph, engine.Config{Batch: 1})
	if err != nil {
		return nil, err
	}
	train.Load(net, values)
	return &stateRunner{net, len(c.Classes)}, nil
}

func (s *stateRunner) name() string { return "the network with the weights read back" }
func (s *stateRunner) slow() bool   { return false }
func (s *stateRunner) close()       { s.net.Close() }

func (s *stateRunner) run(x []float32, _ *transform.Picture) (logits, probs []float32, err error) {
	logits = make([]float32, s.classes)
	return logits, nil, s.net.Infer(x, 1, logits)
}

// restore is the network's parameters from a state dict of it.
func (c *Classifier) restore(state *weights.StateDict) ([][]float32, error) {
	return model.Restore(c.graph, state)
}

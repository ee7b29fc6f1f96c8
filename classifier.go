package graft

import (
	"context"
	"fmt"
	"image"
	"os"
	"slices"
	"sync"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/eval"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/train"
	"graft/internal/transform"
)

// A Classifier answers which class a picture is of. It is safe for concurrent use.
type Classifier struct {
	Model   string   // the architecture
	Path    string   // of the model file
	Classes []string // in the order of the outputs

	pre    transform.Preprocess
	engine engine.Engine
	graph  *graph.Graph
	data   string // fingerprint of the training data

	calibration *eval.Calibration
	judge       *judge
	outputs     int // of the network: logits, and features where the judge asks

	batch int    // pictures that the engine takes at once
	undo  func() // of the memory limit

	mu  sync.Mutex
	net engine.Network
	x   []float32
	out []float32

	lens *lens // nil before the first explanation
}

// A Prediction is a classifier's answer for one picture. As JSON it is what graft predict
// and graft serve say.
type Prediction struct {
	Label string      `json:"label"` // Unknown where Trust asks for more than the picture gives
	Prob  float64     `json:"prob"`  // of the most probable class, calibrated where the model can (docs/unknown.md)
	TopK  []LabelProb `json:"topk"`  // all classes, the most probable first
	// Logits are what the network said, in the order of the classes.
	Logits []float32 `json:"-"`

	Unknown bool    `json:"unknown,omitempty"`
	Reason  string  `json:"reason,omitempty"` // Unsure or Unlike where it is Unknown
	OOD     float64 `json:"ood,omitempty"`    // with Trust.Accept: distance from the training pictures; above 1 is unlike
	// Set is, with Trust.Coverage, the classes of which one is right, as often as that says.
	Set []string `json:"set,omitempty"`
}

// Top is the prediction with its k most probable classes alone.
func (p Prediction) Top(k int) Prediction {
	p.TopK = p.TopK[:min(k, len(p.TopK))]
	return p
}

// A LabelProb is a class and its probability.
type LabelProb struct {
	Label string  `json:"label"`
	Prob  float64 `json:"prob"`
}

// Interval is the 95 % interval (Wilson's) of an accuracy measured on n pictures.
func Interval(accuracy float64, n int) (low, high float64) { return eval.Interval(accuracy, n) }

// batchSize is how many pictures the engine takes at once.
const batchSize = 32

// Open loads a classifier from a run directory (its best model) or a model file.
func Open(path string) (*Classifier, error) { return OpenWith(path, OpenOptions{}) }

// OpenOptions say how a classifier computes.
type OpenOptions struct {
	Threads   int       // 0 is one a processor
	Precision Precision // "" is Auto
	Decode    Decoding  // "" is as the model was trained
	// TTA answers with the mean of the probabilities of a picture and its mirror image,
	// in twice the time.
	TTA bool
	// Memory caps what the classifier holds, in bytes, 0 for no cap: fewer pictures go
	// through the network at once, with the same answers. Resident memory stays below
	// the cap plus 150 MB. Until Close, Go's memory limit is set accordingly.
	Memory int64
	// Trust says which answers count; the zero value takes every one, calibrated.
	Trust Trust
}

// OpenWith is Open with options.
func OpenWith(path string, o OpenOptions) (*Classifier, error) {
	file, err := rundir.Find(path)
	if err != nil {
		return nil, err
	}
	m, err := rundir.ReadModel(file)
	if err != nil {
		return nil, err
	}
	arch, err := model.Find(m.Name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := m.Preprocess.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := o.Decode.apply(&m.Preprocess); err != nil {
		return nil, err
	}
	c := &Classifier{Model: m.Name, Path: file, Classes: m.Classes, pre: m.Preprocess, data: m.Data, calibration: m.Calibration}
	if c.judge, err = newJudge(o.Trust, m, file); err != nil {
		return nil, err
	}
	c.graph = arch.Build(len(m.Classes), m.Preprocess.Crop)
	values, err := model.Restore(c.graph, m.State)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if c.engine, err = engineFor(c.graph, o.Threads, o.Precision); err != nil {
		return nil, err
	}
	c.batch = batchSize
	if o.Memory > 0 {
		l := &memoryLimit{engine: c.engine, cut: cut{learns: c.graph}, bytes: o.Memory, batch: batchSize, evaluated: 1}
		fitting, err := l.fit()
		if err != nil {
			return nil, err
		}
		c.batch = fitting.part
	}
	network := c.graph
	if c.judge.neighbours != nil {
		tapped, size, ok := graph.Tap(c.graph)
		if !ok || size != c.judge.neighbours.Features {
			return nil, fmt.Errorf("%s: the network has not the %d features that its training pictures have", file, c.judge.neighbours.Features)
		}
		network = tapped
	}
	c.outputs = network.Outputs()
	if c.net, err = c.engine.Compile(network, engine.Config{Batch: c.batch}); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	train.Load(c.net, values)
	if o.TTA {
		c.net = newMirrored(c.net, c.graph, c.batch, len(c.Classes), c.outputs)
	}
	c.x = make([]float32, c.batch*c.graph.Input().Len())
	c.out = make([]float32, c.batch*c.outputs)
	values, m = nil, nil
	c.undo = limitHeap(o.Memory, c.net.Bytes())
	return c, nil
}

// Close gives the classifier's memory and threads back.
func (c *Classifier) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.net.Close()
	if c.lens != nil {
		c.lens.net.Close()
	}
	c.undo()
}

// Device names the processor that answers.
func (c *Classifier) Device() string { return c.engine.Device() }

// Predict classifies pictures; the answers are in their order.
func (c *Classifier) Predict(ctx context.Context, images ...image.Image) ([]Prediction, error) {
	pics := make([]*transform.Picture, len(images))
	for i, img := range images {
		if img == nil || img.Bounds().Empty() {
			return nil, fmt.Errorf("picture %d is empty", i)
		}
		pics[i] = dataset.FromImage(img)
	}
	return c.predict(ctx, pics)
}

// PredictBytes classifies the picture in a file's bytes, upright by its
// orientation tag.
func (c *Classifier) PredictBytes(ctx context.Context, data []byte) (Prediction, error) {
	pic, err := dataset.Decode(data, dataset.DecodeOptions{}.For(c.pre))
	if err != nil {
		return Prediction{}, err
	}
	p, err := c.predict(ctx, []*transform.Picture{pic})
	if err != nil {
		return Prediction{}, err
	}
	return p[0], nil
}

// PredictFile classifies the picture in a file.
func (c *Classifier) PredictFile(ctx context.Context, path string) (Prediction, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Prediction{}, err
	}
	return c.PredictBytes(ctx, data)
}

func (c *Classifier) predict(ctx context.Context, pics []*transform.Picture) ([]Prediction, error) {
	inputs := make([]*Input, len(pics))
	for i, p := range pics {
		inputs[i] = &Input{pic: c.pre.Eval(p)}
	}
	return c.PredictInputs(ctx, inputs...)
}

// answer makes a row of the network's outputs a prediction.
func (c *Classifier) answer(row []float32) Prediction {
	logits := row[:len(c.Classes)]
	p := Prediction{Logits: slices.Clone(logits)}
	probs := c.judge.calibration.Probabilities(logits)
	for i, v := range probs {
		p.TopK = append(p.TopK, LabelProb{c.Classes[i], float64(v)})
	}
	slices.SortStableFunc(p.TopK, func(a, b LabelProb) int {
		switch {
		case a.Prob > b.Prob:
			return -1
		case a.Prob < b.Prob:
			return 1
		}
		return 0
	})
	p.Label, p.Prob = p.TopK[0].Label, p.TopK[0].Prob
	c.judge.judge(&p, probs, c.Classes, row[len(c.Classes):])
	return p
}

// Tensors infers pictures and returns the numbers that the network read, NHWC,
// and its logits: for comparing with other programs.
func (c *Classifier) Tensors(pictures [][]byte) (x, logits []float32, err error) {
	size := c.graph.Input().Len()
	x = make([]float32, len(pictures)*size)
	logits = make([]float32, len(pictures)*len(c.Classes))
	for i, data := range pictures {
		pic, err := dataset.Decode(data, dataset.DecodeOptions{}.For(c.pre))
		if err != nil {
			return nil, nil, err
		}
		c.pre.Normalize(x[i*size:(i+1)*size], c.pre.Eval(pic))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range pictures {
		if err := c.net.Infer(x[i*size:], 1, c.out); err != nil {
			return nil, nil, err
		}
		copy(logits[i*len(c.Classes):(i+1)*len(c.Classes)], c.out)
	}
	return x, logits, nil
}

// Size is the side of the square that the network reads.
func (c *Classifier) Size() int { return c.pre.Crop }

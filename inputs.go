package graft

import (
	"context"
	"fmt"

	"graft/internal/dataset"
	"graft/internal/transform"
)

// An Input is a picture made ready for a classifier's network. Making one needs no
// network, so that a server decodes many at once while another batch is computed.
type Input struct {
	pic *transform.Picture // cropped
	x   []float32          // or the normalised numbers themselves, NHWC
}

// Input decodes the picture in a file's bytes, upright by its orientation tag, and
// crops it as the model was trained. A picture of more than maxPixels, by its header,
// is refused before it is decoded; 0 is Pillow's limit.
func (c *Classifier) Input(data []byte, maxPixels int) (*Input, error) {
	o := dataset.DecodeOptions{MaxPixels: maxPixels}
	pic, err := dataset.Decode(data, o.For(c.pre))
	if err != nil {
		return nil, err
	}
	return &Input{pic: c.pre.Eval(pic)}, nil
}

// InputTensor takes the numbers that the network reads: 3 x Size x Size, normalised,
// as PyTorch has a picture.
func (c *Classifier) InputTensor(planes []float32) (*Input, error) {
	side := c.pre.Crop
	if len(planes) != 3*side*side {
		return nil, fmt.Errorf("%d numbers are no picture of 3x%dx%d", len(planes), side, side)
	}
	x := make([]float32, len(planes))
	for channel := range 3 {
		for i, v := range planes[channel*side*side:][:side*side] {
			x[3*i+channel] = v
		}
	}
	return &Input{x: x}, nil
}

// PredictInputs classifies pictures made ready by the same classifier; the answers are
// in their order, and those of each picture are the same in whatever company it comes.
func (c *Classifier) PredictInputs(ctx context.Context, inputs ...*Input) ([]Prediction, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answers := make([]Prediction, 0, len(inputs))
	size := c.graph.Input().Len()
	for len(inputs) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n := min(len(inputs), c.batch)
		for i, in := range inputs[:n] {
			if x := c.x[i*size : (i+1)*size]; in.x != nil {
				copy(x, in.x)
			} else {
				c.pre.Normalize(x, in.pic)
			}
		}
		if err := c.net.Infer(c.x, n, c.out); err != nil {
			return nil, err
		}
		for i := range n {
			answers = append(answers, c.answer(c.out[i*c.outputs:(i+1)*c.outputs]))
		}
		inputs = inputs[n:]
	}
	return answers, nil
}

package graft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"graft/internal/dataset"
	"graft/internal/model"
	"graft/internal/transform"
)

// A DataResult is what a picture costs on its way to the network and in it, in
// milliseconds of one processor but for the engine's, which are of all.
type DataResult struct {
	Data      string   `json:"data"`
	Model     string   `json:"model"`
	Decoding  Decoding `json:"decoding"`
	Pictures  int      `json:"pictures"`   // measured
	KB        float64  `json:"kb"`         // of a file, mean
	Megapixel float64  `json:"megapixels"` // as decoded, mean
	Threads   int      `json:"threads"`
	Read      float64  `json:"read_ms"`
	Decode    float64  `json:"decode_ms"`
	Transform float64  `json:"transform_ms"` // random crop, flip, resize
	Normalise float64  `json:"normalise_ms"`
	Engine    float64  `json:"engine_ms"`     // a training step
	Loading   float64  `json:"loading_img_s"` // all of the above but the engine, on all processors
	Training  float64  `json:"training_img_s"`
}

// benchPictures is the most pictures that BenchData measures.
const benchPictures = 256

// BenchData times the reading, decoding and transforming of a dataset's pictures
// one after another, beside a training step of the model.
func BenchData(ctx context.Context, c BenchConfig, data string) (*DataResult, error) {
	m, err := model.Find(c.Model)
	if err != nil {
		return nil, err
	}
	d, err := dataset.Open(ctx, data, dataset.Options{Evaluate: true})
	if err != nil {
		return nil, err
	}
	samples := d.Train
	if len(samples) == 0 {
		samples = d.Samples(dataset.Test)
	}
	if len(samples) > benchPictures { // spread over the classes, which follow one another
		all := samples
		samples = make([]dataset.Sample, benchPictures)
		for i := range samples {
			samples[i] = all[i*len(all)/benchPictures]
		}
	}
	r := &DataResult{Data: data, Model: m.Name}
	pre := m.Preprocess()
	if err := c.Decode.apply(&pre); err != nil {
		return nil, err
	}
	r.Decoding = decodingOf(pre)
	reading := dataset.DecodeOptions{}.For(pre)
	x := make([]float32, 3*pre.Crop*pre.Crop)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range samples {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		at := time.Now()
		lap := func(to *float64) {
			now := time.Now()
			*to += now.Sub(at).Seconds() * 1000
			at = now
		}
		bytes, err := samples[i].Read()
		if err != nil {
			continue
		}
		lap(&r.Read)
		var pic *transform.Picture
		if pic, err = dataset.Decode(bytes, reading); err != nil {
			continue
		}
		lap(&r.Decode)
		r.KB, r.Megapixel = r.KB+float64(len(bytes))/1024, r.Megapixel+float64(pic.W*pic.H)/1e6
		pic = pre.Augment(pic, random)
		lap(&r.Transform)
		pre.Normalize(x, pic)
		lap(&r.Normalise)
		r.Pictures++
	}
	if r.Pictures == 0 {
		return nil, fmt.Errorf("%s: none of %d pictures can be read", data, len(samples))
	}
	for _, v := range []*float64{&r.Read, &r.Decode, &r.Transform, &r.Normalise, &r.KB, &r.Megapixel} {
		*v /= float64(r.Pictures)
	}
	c.Only = "train"
	e, err := Bench(ctx, c)
	if err != nil {
		return nil, err
	}
	r.Threads, r.Training, r.Engine = e.Threads, e.TrainImgS, 1000/e.TrainImgS
	r.Loading = 1000 * float64(r.Threads) / (r.Read + r.Decode + r.Transform + r.Normalise)
	return r, nil
}

package graft

import (
	"bytes"
	"context"
	"image/jpeg"

	"graft/internal/dataset"
	"graft/internal/transform"
)

// thumbnailBatch is how many pictures are decoded while those before are encoded.
const thumbnailBatch = 4

// thumbnails are what a network with this preprocessing sees of samples, as JPEG files; nil in the
// place of those that cannot be read.
func (s *session) thumbnails(ctx context.Context, samples []dataset.Sample, pre transform.Preprocess, quality int) [][]byte {
	files := make([][]byte, len(samples))
	l := dataset.NewLoader(samples, dataset.LoaderOptions{Batch: thumbnailBatch, Preprocess: pre, Workers: s.c.Threads, Cache: s.cache,
		Decode: dataset.DecodeOptions{MaxPixels: s.c.MaxPixels}, Warn: func(error) {}})
	size := 3 * pre.Crop * pre.Crop
	for b, err := range l.Epoch(ctx, 0) {
		if err != nil {
			break
		}
		for i, at := range b.Index {
			files[at], _ = asJPEG(pre.Denormalize(b.X[i*size:(i+1)*size], pre.Crop), quality)
		}
	}
	return files
}

func asJPEG(p *transform.Picture, quality int) ([]byte, error) {
	var b bytes.Buffer
	err := jpeg.Encode(&b, p.Image(), &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

package dataset

import (
	"context"
	"fmt"
	"image"

	"graft/internal/transform"
)

// viewRows and views are how many pictures a sheet of views shows, and how often each.
const (
	viewRows = 10
	views    = 7
)

// ViewSheet draws what the network sees of training pictures, spread over all: first
// as evaluation sees it, then as the first epochs of training do.
func ViewSheet(ctx context.Context, d *Dataset, title string, p transform.Preprocess, a *transform.Augmentation, o DecodeOptions) (image.Image, error) {
	var samples []Sample
	n := min(viewRows, len(d.Train))
	for i := range n {
		samples = append(samples, d.Train[i*len(d.Train)/n])
	}
	rows := make([]SheetRow, n)
	shown, err := Views(ctx, samples, views, p, a, 0, o)
	if err != nil {
		return nil, err
	}
	for i, row := range shown {
		for k, pic := range row {
			caption := "evaluation"
			if k > 0 {
				caption = fmt.Sprintf("epoch %d", k)
			}
			rows[i].Cells = append(rows[i].Cells, SheetCell{Picture: pic, Captions: []string{caption, d.Classes[samples[i].Class]}})
		}
	}
	return Sheet(title, rows, o)
}

// viewBytes is what decoded pictures may take while views of them are made.
const viewBytes = 32 << 20

// Views are what the network sees of samples: as evaluation does, then as so many epochs of
// training do with a seed.
func Views(ctx context.Context, samples []Sample, epochs int, p transform.Preprocess, a *transform.Augmentation, seed uint64, o DecodeOptions) ([][]*transform.Picture, error) {
	rows := make([][]*transform.Picture, len(samples))
	add := func(l *Loader, epoch int) error {
		for b, err := range l.Epoch(ctx, epoch) {
			if err != nil {
				return err
			}
			for i, at := range b.Index {
				rows[at] = append(rows[at], p.Denormalize(b.X[i*l.size():(i+1)*l.size()], p.Crop))
			}
		}
		return nil
	}
	options := LoaderOptions{Batch: len(samples), Preprocess: p, Augmentation: a, Seed: seed, Cache: NewCache(viewBytes), Decode: o}
	if err := add(NewLoader(samples, options), 0); err != nil {
		return nil, err
	}
	options.Augment = true
	l := NewLoader(samples, options)
	for epoch := range epochs {
		if err := add(l, epoch); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

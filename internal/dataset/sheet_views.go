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
	add := func(l *Loader, epoch int, caption string) error {
		for b, err := range l.Epoch(ctx, epoch) {
			if err != nil {
				return err
			}
			for i, at := range b.Index {
				pic := p.Denormalize(b.X[i*l.size():(i+1)*l.size()], p.Crop)
				rows[at].Cells = append(rows[at].Cells, SheetCell{Picture: pic, Captions: []string{caption, d.Classes[samples[at].Class]}})
			}
		}
		return nil
	}
	options := LoaderOptions{Batch: n, Preprocess: p, Augmentation: a, Decode: o}
	if err := add(NewLoader(samples, options), 0, "evaluation"); err != nil {
		return nil, err
	}
	options.Augment = true
	l := NewLoader(samples, options)
	for epoch := range views {
		if err := add(l, epoch, fmt.Sprintf("epoch %d", epoch+1)); err != nil {
			return nil, err
		}
	}
	return Sheet(title, rows, o)
}

package graft

import (
	"cmp"
	"context"
	"fmt"

	"graft/internal/check"
	"graft/internal/dataset"
	"graft/internal/train"
	"graft/internal/transform"
)

// see settles what the network sees of a picture.
func (s *session) see() (err error) {
	c := &s.c
	if c.ImageSize != 0 {
		if c.ImageSize < 32 || c.ImageSize > 1024 {
			return fmt.Errorf("an image size of %d is not between 32 and 1024 pixels", c.ImageSize)
		}
		s.pre = s.pre.WithSize(c.ImageSize)
	}
	if crop := cmp.Or(s.recipe.Crop, c.Crop); crop != "" { // the recipe has the config's
		if s.pre.Fit, err = transform.ParseFit(crop); err != nil {
			return err
		}
	}
	s.augmented = cmp.Or(s.recipe.Augment, c.Augment)
	if c.Augment == "" {
		s.augmented = s.pre.Fit.Allows(s.augmented)
	}
	if s.augment, err = transform.ParseAugmentation(s.augmented, s.pre.Fit); err != nil {
		return err
	}
	return c.Decode.apply(&s.pre)
}

func (s *session) openData(ctx context.Context) (err error) {
	c := &s.c
	split := c.Split
	switch {
	case split == 0:
		split = 0.2
	case split < 0:
		split = 0
	}
	bytes := c.CacheBytes
	if bytes == 0 {
		bytes = dataset.DefaultCacheBytes
	}
	s.images = max(bytes, 0)
	if c.Memory > 0 {
		s.images = int(min(int64(s.images), c.Memory))
	}
	s.cache = dataset.NewCache(s.images)
	s.data, err = dataset.Open(ctx, c.Data, dataset.Options{
		ValidSplit: split, GroupBy: c.GroupBy, SplitFile: c.SplitFile, Limit: c.Limit, Folds: c.Folds, Fold: c.Fold, Seed: c.Seed, Leaks: c.Leaks, AllowBad: c.AllowBad, Check: true, Threads: c.Threads, Cache: s.cache,
		Glance:        s.images == 0 && s.recipe.Validation == 0, // validation pictures are drawn with their near copies
		Decode:        dataset.DecodeOptions{MaxPixels: c.MaxPixels}.For(s.pre),
		Progress:      func(done, total int) { c.Events(Checking{done, total}) },
		FetchProgress: func(done, total int64) { c.Events(Fetching{c.Data, done, total}) },
	})
	if err != nil {
		return err
	}
	for _, f := range s.data.Findings {
		c.Events(f)
	}
	if odd := check.Summary(s.data); odd != "" {
		c.Events(Finding{Kind: "odd", Text: odd + " (graft check " + c.Data + " names them)"})
	}
	if err := s.data.HoldValidation(s.recipe.Validation, c.Seed); err != nil {
		return err
	}
	if len(s.data.Valid)+len(s.data.Test) == 0 {
		return fmt.Errorf("%s: no picture is held out to choose the best epoch on: give --validation 0.1", c.Data)
	}
	return nil
}

func (s *session) source(samples []dataset.Sample, augment bool) train.Source {
	batch, ahead, pre := s.batch(), 0, s.pre
	if augment {
		pre = pre.WithSize(s.learns.Input().H)
	} else {
		batch = min(s.part, batchSize) // evaluation needs no large ones, and each holds memory
	}
	if s.c.Memory > 0 {
		ahead = aheadCapped
	}
	l := dataset.NewLoader(samples, dataset.LoaderOptions{
		Batch: batch, Preprocess: pre, Augment: augment, Augmentation: s.augment, Shuffle: augment, Balance: augment && s.recipe.Balanced, Seed: s.c.Seed, Workers: s.c.Threads, Ahead: ahead, Cache: s.cache,
		Decode: dataset.DecodeOptions{MaxPixels: s.c.MaxPixels},
		Warn:   func(err error) { s.c.Events(Warning{"left out: " + err.Error()}) },
	})
	return train.Source{Batches: l.EpochFrom, Images: len(samples)}
}

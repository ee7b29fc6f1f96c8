package graft

import (
	"context"

	"graft/internal/check"
	"graft/internal/dataset"
)

// A CheckConfig says which pictures to look at.
type CheckConfig struct {
	Data string
	// Run, a run directory or model file, asks its network which labels are likely wrong.
	Run       string
	EXIF      string      // apply (the default) or ignore the orientation tag
	MaxPixels int         // 0 is Pillow's limit, 89 million
	Threads   int         // 0 is as many as there are processors
	Sheets    string      // a folder for contact sheets; "" draws none
	Events    func(Event) // Checking, Fetching, Keeping; may be nil
}

// A CheckReport is everything found; see its fields and methods.
type CheckReport struct {
	*check.Report
	Sheets []string `json:"sheets,omitempty"` // files drawn
}

// Check opens every picture and says what is wrong: files that cannot be read,
// copies and leaks (of the same bytes, or scaled and compressed again), tiny, dark,
// blurred and odd pictures, wrong endings, the balance of the classes. It changes
// nothing.
func Check(ctx context.Context, c CheckConfig) (*CheckReport, error) {
	if c.Events == nil {
		c.Events = func(Event) {}
	}
	decode := dataset.DecodeOptions{MaxPixels: c.MaxPixels, IgnoreEXIF: c.EXIF == "ignore"}
	d, err := dataset.Open(ctx, c.Data, dataset.Options{
		Check: true, CheckAll: true, Evaluate: true, AllowBad: true, Threads: c.Threads, Decode: decode,
		Progress:      func(done, total int) { c.Events(Checking{done, total}) },
		FetchProgress: func(done, total int64) { c.Events(Fetching{c.Data, done, total}) },
	})
	if err != nil {
		return nil, err
	}
	r := &CheckReport{Report: check.Of(d)}
	if c.Run != "" {
		if err := c.labels(ctx, d, r.Report); err != nil {
			return nil, err
		}
	}
	if c.Sheets != "" {
		r.Sheets, err = r.WriteSheets(c.Sheets, decode)
	}
	return r, err
}

package check

import (
	"encoding/csv"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"

	"graft/internal/dataset"
)

// WriteText prints the report for people: a line a finding, with the first groups of each.
func (r *Report) WriteText(w io.Writer, most int) error {
	p := &printer{w: w}
	for _, f := range r.Findings {
		p.line("%s: %s", f.Kind, f.Text)
		for i, g := range f.Groups {
			if i == most {
				p.line("    and %d more", len(f.Groups)-most)
				break
			}
			text := ""
			for k, x := range g.Pictures {
				if k > 0 {
					text += "  =  "
				}
				text += x.Path
			}
			if g.Why != "" {
				text += "  (" + g.Why + ")"
			}
			p.line("    %s", text)
		}
	}
	if len(r.Findings) == 0 {
		p.line("nothing found")
	}
	if l := r.Labels; l != nil {
		p.line("labels: about %.0f of %d are wrong (%.1f %%), estimated by confident learning; the network agrees with %.1f %%", l.Estimate, l.Pictures, 100*l.Estimate/float64(max(l.Pictures, 1)), 100*l.Agreement)
	}
	return p.err
}

// A printer keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// WriteFixList writes a CSV line for every picture of every finding: what is wrong,
// what may be done, where it stands, and of copies the first one. Nothing reads it
// but people and their scripts.
func (r *Report) WriteFixList(w io.Writer) error {
	c := csv.NewWriter(w)
	_ = c.Write([]string{"path", "problem", "advice", "part", "class", "copy_of", "why"})
	for _, f := range r.Findings {
		for _, g := range f.Groups {
			keep := g.keep()
			for i, x := range g.Pictures {
				advice, of := g.Advice, ""
				if len(g.Pictures) > 1 {
					if i == keep && advice == "remove" {
						advice = "keep"
					}
					if i != keep {
						of = g.Pictures[keep].Path
					}
				}
				_ = c.Write([]string{x.Path, f.Kind, advice, x.Part, x.Class, of, g.Why})
			}
		}
	}
	c.Flush()
	return c.Error()
}

// keep is the copy that stays: of those that judge, else of all, the first. A test
// set is not changed for the sake of training.
func (g *Group) keep() int {
	for i, x := range g.Pictures {
		if x.Part == string(dataset.Test) || x.Part == string(dataset.Valid) {
			return i
		}
	}
	return 0
}

// A sheet is the pictures of a finding.
type sheet struct {
	name, title string
	rows        [][]dataset.Sample
	groups      []Group
}

// sheetMost is how many groups a contact sheet shows.
const sheetMost = 60

// WriteSheets draws a contact sheet for every finding about pictures, as
// DIR/KIND.png, and returns the paths.
func (r *Report) WriteSheets(dir string, o dataset.DecodeOptions) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	var paths []string
	for _, s := range r.sheets {
		var rows []dataset.SheetRow
		for i, samples := range s.rows[:min(len(s.rows), sheetMost)] {
			row := dataset.SheetRow{}
			for k, x := range samples {
				p := s.groups[i].Pictures[k]
				row.Cells = append(row.Cells, dataset.SheetCell{Sample: x, Captions: []string{p.Part + "/" + p.Class, filepath.Base(p.Path), s.groups[i].Why}})
			}
			rows = append(rows, row)
		}
		img, err := dataset.Sheet(s.title, rows, o)
		if err != nil {
			return paths, err
		}
		path := filepath.Join(dir, s.name+".png")
		f, err := os.Create(path)
		if err != nil {
			return paths, err
		}
		err = png.Encode(f, img)
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

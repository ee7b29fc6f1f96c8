package dataset

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A list names pictures in a file in place of folders:
//
//	.csv           a header with path and label, and split or a group's column if wanted
//	.jsonl .ndjson an object a line with the same names
//	.txt .lst      a path a line; its label is the folder it lies in, or stands behind a tab
//
// Paths are relative to the list's folder, or absolute.

// listEndings are those of lists.
var listEndings = []string{".csv", ".jsonl", ".ndjson", ".txt", ".lst"}

func isList(location string) bool {
	return slices.Contains(listEndings, strings.ToLower(filepath.Ext(location)))
}

// A listing is a line of a list.
type listing struct {
	line                      int
	path, label, split, group string
}

// A listSource is files relative to a folder, or absolute.
type listSource struct{ *folderSource }

func (l listSource) open(rel string) (io.ReadCloser, error) {
	if !filepath.IsAbs(rel) {
		return l.folderSource.open(rel)
	}
	file, err := os.Open(rel)
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// largestList is what a list may have, in bytes.
const largestList = 1 << 30

// openList makes a dataset of a list.
func openList(ctx context.Context, location string, o Options) (*Dataset, source, []entry, error) {
	if info, err := os.Stat(location); err == nil && info.Size() > largestList {
		return nil, nil, nil, fmt.Errorf("%s is larger than %d MB", location, largestList>>20)
	}
	data, err := os.ReadFile(location)
	if err != nil {
		return nil, nil, nil, err
	}
	var rows []listing
	switch strings.ToLower(filepath.Ext(location)) {
	case ".csv":
		rows, err = readCSV(data, o.GroupBy)
	case ".jsonl", ".ndjson":
		rows, err = readJSONLines(data, o.GroupBy)
	default:
		if o.GroupBy != "" {
			err = fmt.Errorf("a list of paths has no column %q: use CSV or JSON Lines", o.GroupBy)
		} else {
			rows, err = readPaths(data, location)
		}
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", location, err)
	}
	src := listSource{newFolderSource(filepath.Dir(location))}
	d, entries, err := arrangeList(ctx, src, rows, o)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", location, err)
	}
	return d, src, entries, nil
}

// columns are the names a list's columns may have.
var columns = map[string][]string{"path": {"path", "file", "filename", "image"}, "label": {"label", "class"}, "split": {"split", "part"}}

// column finds which name of a field a list uses; "" for none.
func column(names []string, field string) string {
	for _, want := range columns[field] {
		for _, name := range names {
			if strings.EqualFold(strings.TrimSpace(name), want) {
				return name
			}
		}
	}
	return ""
}

func needColumns(names []string, groupBy string) error {
	for _, field := range []string{"path", "label"} {
		if column(names, field) == "" {
			return fmt.Errorf("no column is called %s; there are %s", strings.Join(columns[field], " or "), strings.Join(names, ", "))
		}
	}
	if groupBy != "" && !slices.Contains(names, groupBy) {
		return fmt.Errorf("no column is called %q to group by; there are %s", groupBy, strings.Join(names, ", "))
	}
	return nil
}

// groupColumn is what groups: what was asked for, else a column called group.
func groupColumn(names []string, groupBy string) string {
	if groupBy == "" && slices.Contains(names, "group") {
		return "group"
	}
	return groupBy
}

func readCSV(data []byte, groupBy string) ([]listing, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.ReuseRecord = true
	first, err := r.Read()
	if err == io.EOF {
		return nil, errors.New("the list is empty")
	}
	if err != nil {
		return nil, err
	}
	header := slices.Clone(first)
	if err := needColumns(header, groupBy); err != nil {
		return nil, err
	}
	at := func(name string) int { return slices.Index(header, name) }
	p, l, s, g := at(column(header, "path")), at(column(header, "label")), at(column(header, "split")), at(groupColumn(header, groupBy))
	var rows []listing
	for {
		record, err := r.Read()
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := r.FieldPos(0)
		row := listing{line: line, path: record[p], label: record[l]}
		if s >= 0 {
			row.split = record[s]
		}
		if g >= 0 {
			row.group = record[g]
		}
		rows = append(rows, row)
	}
}

func readJSONLines(data []byte, groupBy string) ([]listing, error) {
	var rows []listing
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 16<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var fields map[string]any
		d := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		d.UseNumber() // a label of 7 is "7"
		if err := d.Decode(&fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		names := make([]string, 0, len(fields))
		for name := range fields {
			names = append(names, name)
		}
		slices.Sort(names)
		if err := needColumns(names, groupBy); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		text := func(name string) string {
			if v := fields[name]; v != nil {
				return fmt.Sprint(v)
			}
			return ""
		}
		rows = append(rows, listing{n, text(column(names, "path")), text(column(names, "label")), text(column(names, "split")), text(groupColumn(names, groupBy))})
	}
	return rows, lines.Err()
}

func readPaths(data []byte, location string) ([]listing, error) {
	var rows []listing
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		p, label, ok := strings.Cut(text, "\t")
		if !ok {
			full := p
			if !filepath.IsAbs(full) {
				full = filepath.Join(filepath.Dir(absolute(location)), filepath.FromSlash(p))
			}
			label = filepath.Base(filepath.Dir(full))
		}
		rows = append(rows, listing{line: n, path: p, label: label})
	}
	return rows, lines.Err()
}

// arrangeList sorts the lines into parts and classes.
func arrangeList(ctx context.Context, src listSource, rows []listing, o Options) (*Dataset, []entry, error) {
	d := &Dataset{groups: map[string]string{}}
	parts := map[Split]map[string][]entry{}
	seen := map[string]*listing{}
	var entries []entry
	var again []string
	kept := make([]listing, 0, len(rows))
	for i := range rows {
		row := &rows[i]
		row.label = strings.TrimSpace(row.label)
		if row.path = strings.TrimSpace(row.path); row.path == "" || row.label == "" {
			return nil, nil, fmt.Errorf("line %d has no path or no label", row.line)
		}
		row.path = path.Clean(filepath.ToSlash(row.path))
		if part := strings.ToLower(strings.TrimSpace(row.split)); part != "" && partNames[part] == "" {
			return nil, nil, fmt.Errorf("line %d: the split %q is none of train, val, test", row.line, row.split)
		}
		if before := seen[row.path]; before != nil {
			if before.label != row.label || before.split != row.split {
				return nil, nil, fmt.Errorf("line %d: %s stands on line %d already, as %s", row.line, row.path, before.line, strings.TrimSpace(before.label+" "+before.split))
			}
			again = append(again, row.path)
			continue
		}
		seen[row.path] = row
		kept = append(kept, *row)
	}
	entries = make([]entry, len(kept))
	err := inParallel(ctx, o.Threads, len(kept), func(i int) {
		entries[i].rel = kept[i].path
		full := kept[i].path
		if !filepath.IsAbs(full) {
			full = filepath.Join(src.root, filepath.FromSlash(full))
		}
		if info, err := os.Stat(full); err == nil { // what is missing is named when it is opened
			entries[i].size, entries[i].time = info.Size(), info.ModTime().UnixNano()
		}
	})
	if err != nil {
		return nil, nil, err
	}
	for i, row := range kept {
		part := Train
		if p := strings.ToLower(strings.TrimSpace(row.split)); p != "" {
			part = partNames[p]
		}
		if parts[part] == nil {
			parts[part] = map[string][]entry{}
		}
		parts[part][row.label] = append(parts[part][row.label], entries[i])
		if row.group != "" {
			d.groups[row.path] = row.group
		}
	}
	d.note("listed-twice", again, "listed twice: taken once")
	if err := d.findClasses(parts, o.Evaluate); err != nil {
		return nil, nil, err
	}
	d.fill(src, parts)
	for _, s := range [][]Sample{d.Train, d.Valid, d.Test} {
		for i := range s {
			if rel := strings.TrimPrefix(s[i].Path, src.prefix()); filepath.IsAbs(rel) {
				s[i].Path = rel
			}
		}
	}
	d.groupsOnBothSides()
	return d, entries, nil
}

// groupsOnBothSides names groups that the list's own split tears apart.
func (d *Dataset) groupsOnBothSides() {
	train := map[string]bool{}
	for i := range d.Train {
		if g := d.groups[d.Train[i].rel()]; g != "" {
			train[g] = true
		}
	}
	torn := map[string]bool{}
	for _, part := range [][]Sample{d.Valid, d.Test} {
		for i := range part {
			if g := d.groups[part[i].rel()]; train[g] {
				torn[g] = true
			}
		}
	}
	if len(torn) > 0 {
		var names []string
		for g := range torn {
			names = append(names, g)
		}
		slices.Sort(names)
		d.Findings = append(d.Findings, Finding{Kind: "group-split", Text: fmt.Sprintf("%s both in training and in what it is judged by: %s", count(len(names), "group stands", "groups stand"), strings.Join(names[:min(len(names), 5)], ", "))})
	}
}

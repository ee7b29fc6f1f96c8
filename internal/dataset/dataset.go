package dataset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Options say how a dataset is opened. The zero value keeps leaks, checks
// nothing and splits nothing off.
type Options struct {
	ValidSplit float64 // share held out of a folder that has no split of its own; 0 is none
	Seed       uint64  // of that split
	Leaks      string  // "keep" or "drop" training pictures that stand in test or validation too; "" is keep
	GroupBy    string  // a list's column of which equal values stay on one side of the split; "" is group, if there is one
	SplitFile  string  // a file to keep the split in: applied if it is there, else written; "" for none
	Folds      int     // parts of a cross-validation, of which the Fold-th (from 1) is the test part; 0 is none
	Fold       int
	Limit      int  // training pictures of a class to keep, drawn by Seed; 0 is all
	AllowBad   bool // accept classes of which more than a tenth is unreadable
	Check      bool // open every file, up to CheckLimit of them, and look for copies, up to CopyLimit
	CheckAll   bool // with Check: open every file, however many
	Glance     bool // with Check: decode no file that looks whole, unless more than notes depends on it; for who keeps no pictures
	Evaluate   bool // nothing is to be trained: test pictures alone, or one class, will do
	Decode     DecodeOptions
	Threads    int    // for checking; 0 is one a processor
	Cache      *Cache // gets the pictures that checking decodes; may be nil

	Progress      func(done, total int)   // of checking; may be nil
	FetchProgress func(done, total int64) // of a download, in bytes; may be nil
}

// CheckLimit is the number of files up to which every one is opened before use, and
// CopyLimit that up to which copies are looked for: beyond, even the first bytes of each
// would take longer than anyone waits for a start.
const (
	CheckLimit = 20_000
	CopyLimit  = 200_000
)

// A Sample is a picture and its class. Its size stays small: there may be a million.
type Sample struct {
	Path  string // what the user knows it by
	Class int    // index into Dataset.Classes
	Size  int64  // bytes
	src   source
}

// largestFile is what a picture's file may have; larger ones are not read into memory.
const largestFile = 512 << 20

// Read returns the file's bytes.
func (s *Sample) Read() ([]byte, error) {
	tooLarge := fmt.Errorf("the file is larger than %d MB", largestFile>>20)
	if s.Size > largestFile {
		return nil, tooLarge
	}
	r, err := s.src.open(s.rel())
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// A declared size is a promise; the limit holds whether it is kept or not.
	b := bytes.NewBuffer(make([]byte, 0, max(0, min(s.Size, 16<<20))+bytes.MinRead))
	if _, err := b.ReadFrom(io.LimitReader(r, largestFile+1)); err != nil {
		return nil, err
	}
	if b.Len() > largestFile {
		return nil, tooLarge
	}
	return b.Bytes(), nil
}

// head returns the first n bytes of a file, or fewer if it has no more.
func head(src source, rel string, n int) ([]byte, error) {
	r, err := src.open(rel)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b := make([]byte, n)
	n, err = io.ReadFull(r, b)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		err = nil
	}
	return b[:n], err
}

// rel is the path within the dataset.
func (s *Sample) rel() string { return strings.TrimPrefix(s.Path, s.src.prefix()) }

// A Finding is something noticed about the data before they were used.
type Finding struct {
	Kind  string   `json:"kind"` // stable: leak, duplicate, label-conflict, unreadable, hidden, ...
	Text  string   `json:"text"` // a sentence for the user
	Paths []string `json:"paths,omitempty"`
}

// A Dataset is pictures by class and split.
type Dataset struct {
	Name     string // for people and run names
	Location string
	Classes  []string // sorted, as ImageFolder orders them

	Train, Valid, Test []Sample
	// Held says that Test was split off by Graft, stratified, from a folder without splits.
	Held     bool
	Findings []Finding
	// Validated says that Valid was split off the training pictures.
	Validated bool
	// Fingerprint is a SHA-256 over every file's split, class, path, size and, when
	// every file was opened, contents.
	Fingerprint string

	// Copies are the pictures that stand more than once, as they were found, before
	// leaks were dropped.
	Copies []Copies

	hashes map[string]string // of contents, by rel: of all files, or of those that have a copy
	looks  map[string]*Look  // by rel, of all files that were decoded
	groups map[string]string // by rel, as a list names them
	alike  map[string]int    // by rel, of pictures that show the same: the number of their set
	opened bool              // every file was, if not decoded
}

// A Split names a part of a dataset.
type Split string

// The parts.
const (
	Train Split = "train"
	Valid Split = "valid"
	Test  Split = "test"
)

// Samples are those of a part.
func (d *Dataset) Samples(s Split) []Sample {
	switch s {
	case Valid:
		return d.Valid
	case Test:
		return d.Test
	}
	return d.Train
}

// Counts is the number of pictures of each class in a part.
func (d *Dataset) Counts(s Split) []int {
	n := make([]int, len(d.Classes))
	for _, x := range d.Samples(s) {
		n[x.Class]++
	}
	return n
}

// ChosenOn is the part that chooses the best epoch, and a sentence that says so.
func (d *Dataset) ChosenOn() (Split, string) {
	switch {
	case len(d.Valid)+len(d.Test) == 0:
		return Test, "there are no pictures to choose the best epoch on"
	case d.Validated && len(d.Test) > 0:
		return Valid, fmt.Sprintf("the best epoch is chosen on %d of the training pictures, kept apart; the test pictures only report", len(d.Valid))
	case len(d.Valid) > 0 && len(d.Test) > 0:
		return Valid, "the best epoch is chosen on the validation pictures; the test pictures only report"
	case len(d.Valid) > 0:
		return Valid, "the best epoch is chosen on the validation pictures; there are no test pictures"
	case d.Held:
		return Test, "the best epoch is chosen on the pictures held out, so its accuracy there is a little flattering"
	}
	return Test, "the best epoch is chosen on the test pictures, as there are no validation pictures: its accuracy there is a little flattering"
}

// A source is where a dataset's files are.
type source interface {
	open(rel string) (io.ReadCloser, error)
	prefix() string // of the paths users see, up to the relative path
	key() string    // identifies the place in caches; "" is not to be cached
}

// An entry is a file of a source, or a folder.
type entry struct {
	rel  string // with slashes
	size int64
	time int64 // of modification, nanoseconds
	dir  bool
}

// Open finds the pictures at a location: a folder, an archive, or a built-in
// set by name. layout.go has the layouts.
func Open(ctx context.Context, location string, o Options) (*Dataset, error) {
	if o.Leaks != "" && o.Leaks != "keep" && o.Leaks != "drop" {
		return nil, fmt.Errorf("leaks %q: keep or drop", o.Leaks)
	}
	d, src, entries, err := find(ctx, location, o)
	if err != nil {
		return nil, err
	}
	d.Location = location
	d.Name = NameOf(location)
	if err := d.prepare(ctx, src, entries, o); err != nil {
		return nil, fmt.Errorf("%s: %w", location, err)
	}
	return d, nil
}

// find makes the dataset of a location, its files not opened yet.
func find(ctx context.Context, location string, o Options) (*Dataset, source, []entry, error) {
	if info, err := os.Stat(location); err == nil && !info.IsDir() && isList(location) {
		return openList(ctx, location, o)
	}
	if o.GroupBy != "" {
		return nil, nil, nil, fmt.Errorf("%s has no columns to group by (%s): that takes a CSV or JSON Lines file", location, o.GroupBy)
	}
	src, entries, found, err := list(ctx, location, o)
	if err != nil {
		return nil, nil, nil, err
	}
	d, err := arrange(ctx, src, entries, o)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", location, err)
	}
	d.Findings = append(found, d.Findings...)
	if b := builtIn(location); b != nil && b.classes != nil {
		if _, err := os.Stat(location); err != nil { // else it is a folder of the user's
			return d, src, entries, d.rename(b.classes)
		}
	}
	return d, src, entries, nil
}

// prepare opens the files, leaves out the bad ones, splits and looks for copies.
func (d *Dataset) prepare(ctx context.Context, src source, entries []entry, o Options) error {
	if o.Check {
		if err := d.check(ctx, src, entries, o); err != nil {
			return err
		}
	}
	if err := d.split(o); err != nil {
		return err
	}
	d.duplicates(o.Leaks == "drop")
	if o.Limit > 0 {
		d.limit(o.Limit, o.Seed)
	}
	for c, n := range d.Counts(Train) {
		if n == 0 && !o.Evaluate {
			return fmt.Errorf("no training picture of class %q is left", d.Classes[c])
		}
	}
	d.Fingerprint = d.fingerprint()
	return nil
}

// split divides what has no split of its own, as the file has it that keeps the
// split, if there is one.
func (d *Dataset) split(o Options) error {
	if o.Folds > 0 {
		return d.fold(o.Fold, o.Folds, o.Seed)
	}
	if o.SplitFile != "" {
		saved, err := os.ReadFile(o.SplitFile)
		if err == nil {
			if err := d.ApplySplit(saved); err != nil {
				return fmt.Errorf("%s: %w", o.SplitFile, err)
			}
			return nil
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if len(d.Valid) == 0 && len(d.Test) == 0 && o.ValidSplit != 0 {
		if err := d.holdOut(o.ValidSplit, o.Seed); err != nil {
			return err
		}
	}
	if o.SplitFile != "" {
		return os.WriteFile(o.SplitFile, d.SplitFile(), 0o644)
	}
	return nil
}

// list finds the source behind a location and its files.
func list(ctx context.Context, location string, o Options) (source, []entry, []Finding, error) {
	info, err := os.Stat(location)
	switch {
	case err == nil:
		var src source
		var entries []entry
		var found []Finding
		if info.IsDir() {
			src, entries, found, err = listFolder(ctx, location)
			found = append(found, partOfASet(location)...)
		} else {
			src, entries, found, err = listArchive(ctx, location, info)
		}
		if builtIn(location) != nil {
			found = append(found, Finding{Kind: "built-in-hidden", Text: fmt.Sprintf("%s is taken from here, not the built-in set of that name; rename it to get that one", location)})
		}
		return src, entries, found, err
	case !errors.Is(err, os.ErrNotExist):
		return nil, nil, nil, err
	}
	if b := builtIn(location); b != nil {
		return b.open(ctx, o)
	}
	return nil, nil, nil, notThere(location)
}

// partOfASet notices a training folder given in place of the folder that holds it.
func partOfASet(location string) []Finding {
	path := absolute(location)
	self, ok := partNames[strings.ToLower(filepath.Base(path))]
	if !ok {
		return nil
	}
	beside, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return nil
	}
	for _, b := range beside {
		if part, ok := partNames[strings.ToLower(b.Name())]; ok && part != self && b.IsDir() {
			return []Finding{{Kind: "part-of-a-set", Text: fmt.Sprintf("%s is a part of a set that has %s/ beside it; to use both, give %s", location, b.Name(), filepath.Dir(path))}}
		}
	}
	return nil
}

// notThere is the error for a location that is none, with what may have been meant.
func notThere(location string) error {
	var near []string
	if names, err := os.ReadDir(filepath.Dir(location)); err == nil {
		for _, n := range names {
			if resembles(strings.ToLower(n.Name()), strings.ToLower(filepath.Base(location))) {
				near = append(near, filepath.Join(filepath.Dir(location), n.Name()))
			}
		}
	}
	for _, b := range builtIns {
		if resembles(b.name, strings.ToLower(location)) {
			near = append(near, b.name+" (built in)")
		}
	}
	hint := "give a folder, a .zip or .tar archive, a list (.csv, .jsonl, .txt), or a built-in set: " + strings.Join(BuiltIns(), ", ")
	if len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return fmt.Errorf("there is no %s: %s", location, hint)
}

// resembles reports whether two names differ by at most two edits.
func resembles(a, b string) bool {
	if len(a) > len(b)+2 || len(b) > len(a)+2 || len(a) < 3 {
		return false
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)] <= 2
}

// NameOf is what a location is called, for people and run names.
func NameOf(location string) string {
	name := filepath.Base(filepath.Clean(location))
	if name == "." || name == ".." || name == string(filepath.Separator) {
		if abs, err := filepath.Abs(location); err == nil {
			name = filepath.Base(abs)
		}
	}
	for _, suffix := range append([]string{".zip", ".tar.gz", ".tgz", ".tar"}, listEndings...) {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// Relabel numbers the classes as a model does, by name: for measuring that model
// on these pictures. A class that the model does not know is an error.
func (d *Dataset) Relabel(classes []string) error {
	to := make([]int, len(d.Classes))
	var unknown []string
	for i, class := range d.Classes {
		if to[i] = slices.Index(classes, class); to[i] < 0 {
			unknown = append(unknown, strconv.Quote(class))
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("the model does not know %s; its classes are %s", strings.Join(unknown, ", "), strings.Join(classes, ", "))
	}
	for _, part := range [][]Sample{d.Train, d.Valid, d.Test} {
		for i := range part {
			part[i].Class = to[part[i].Class]
		}
	}
	d.Classes = slices.Clone(classes)
	d.sort()
	return nil
}

// all are the samples of every part.
func (d *Dataset) all() []Sample { return slices.Concat(d.Train, d.Valid, d.Test) }

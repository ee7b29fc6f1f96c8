package main

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func isCSV(path string) bool { return strings.EqualFold(filepath.Ext(path), ".csv") }

func isJSONLines(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".jsonl" || ext == ".ndjson"
}

// resumed are the pictures that a file of answers has, by a hash of their paths: eight bytes
// each, of which two agree by chance in one of a million million pairs of millions.
type resumed map[uint64]struct{}

var seed = maphash.MakeSeed()

func (r resumed) has(path string) bool {
	_, ok := r[maphash.String(seed, path)]
	return ok
}

func (r resumed) add(path string) { r[maphash.String(seed, path)] = struct{}{} }

// openAnswers opens a file to write answers to. One that is there is gone on with where resume
// asks for it, a last line that a killed program left unfinished is cut off, and never replaced.
func openAnswers(path string, resume bool, form *format) (*os.File, resumed, error) {
	how := os.O_RDWR | os.O_CREATE
	if !resume {
		how |= os.O_EXCL
	}
	f, err := os.OpenFile(path, how, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil, nil, fmt.Errorf("--out %s is there already: go on with it with --resume, or choose another name", path)
	}
	if err != nil {
		return nil, nil, err
	}
	done := resumed{}
	var whole int64
	if isCSV(path) {
		whole, err = readCSV(f, form.header(), done)
	} else {
		whole, err = readLines(f, done)
	}
	if err == nil {
		err = f.Truncate(whole)
	}
	if err == nil {
		_, err = f.Seek(whole, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("--out %s: %w", path, err)
	}
	return f, done, nil
}

// readLines reads the paths of JSON lines, and returns where the last whole line ends.
func readLines(r io.Reader, done resumed) (whole int64, err error) {
	b := bufio.NewReaderSize(r, 1<<16)
	for n := 1; ; n++ {
		line, err := b.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return whole, nil // what is left has no end
		}
		if err != nil {
			return whole, err
		}
		var row struct {
			Path *string `json:"path"`
		}
		if err := json.Unmarshal(line, &row); err != nil || row.Path == nil {
			return whole, fmt.Errorf("line %d is no answer of graft predict: %.60q", n, line)
		}
		done.add(*row.Path)
		whole += int64(len(line))
	}
}

// readCSV does the same for CSV with a header. A file without a whole header begins anew.
func readCSV(f io.ReaderAt, header []string, done resumed) (whole int64, err error) {
	r := csv.NewReader(bufio.NewReaderSize(io.NewSectionReader(f, 0, 1<<62), 1<<16))
	r.FieldsPerRecord, r.ReuseRecord = -1, true
	last := make([]byte, 1)
	for n := 0; ; n++ {
		row, err := r.Read()
		end := r.InputOffset()
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if _, e := f.ReadAt(last, end); errors.Is(e, io.EOF) {
			if end > 0 {
				f.ReadAt(last, end-1)
			}
			if err != nil || last[0] != '\n' {
				return whole, nil // the last record, cut off
			}
		}
		switch {
		case err != nil:
			return whole, err
		case n == 0 && !slices.Equal(row, header):
			return whole, fmt.Errorf("its columns are %s, those asked for now %s: ask as before, or choose another name", strings.Join(row, ","), strings.Join(header, ","))
		case n > 0 && len(row) != len(header):
			return whole, fmt.Errorf("row %d has %d columns, the header %d", n, len(row), len(header))
		case n > 0:
			done.add(row[0])
		}
		whole = end
	}
}

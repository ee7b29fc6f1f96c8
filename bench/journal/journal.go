// Package journal keeps what a measurement of many hours has come to: a file of JSON lines,
// a row a run, which a later call goes on with. It knows where graft writes what a run was
// made on, and nothing of what is measured.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Read returns the rows of a file that may be missing; a last line cut short is left out.
func Read[Row any](path string) ([]Row, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var rows []Row
	for line := range bytes.Lines(text) {
		var r Row
		if json.Unmarshal(line, &r) == nil {
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// Add makes the runs that are missing, so many at once, and writes each one's row behind the
// file's and to rows as soon as it is there. What fails does not hold up the others.
func Add[Run, Row any](path string, rows *[]Row, missing []Run, atOnce int, measure func(Run) (Row, error)) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	runs := make(chan Run)
	var failed error
	var lock sync.Mutex
	var group sync.WaitGroup
	for range max(1, atOnce) {
		group.Go(func() {
			for run := range runs {
				r, err := measure(run)
				lock.Lock()
				if err == nil {
					*rows = append(*rows, r)
					err = json.NewEncoder(f).Encode(r)
				}
				failed = errors.Join(failed, err)
				lock.Unlock()
			}
		})
	}
	for _, run := range missing {
		runs <- run
	}
	close(runs)
	group.Wait()
	return failed
}

// Device is what the run in a folder was made on, without the number of threads, which says
// nothing of the result.
func Device(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return "", err
	}
	var c struct {
		Machine struct{ CPU, Device string } `json:"machine"`
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(c.Machine.Device, ",")
	return fmt.Sprintf("%s, %s, %s/%s", c.Machine.CPU, name, runtime.GOOS, runtime.GOARCH), nil
}

// Package fetch turns an address and a checksum into a file in the cache.
//
// It is the only code that reaches outward: over http and https, and only when
// Get is called for a file that is not in the cache yet. It knows the cache
// folder, checksums and how to resume; it does not know what the files hold.
package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// File is a file that can be fetched.
type File struct {
	Name string // in the cache, with slashes; at most one folder deep
	URL  string // http or https
	Size int64  // in bytes; 0 when unknown

	// At least one of these should be given, in hexadecimal; all that are given must agree.
	// Without any, the file is used as it comes: for an address that the user gave.
	SHA256       string
	SHA1         string
	MD5          string // guards against damage, not against intent: for files whose publisher gives nothing else
	SHA256Prefix string // the first digits only, as in the names of torchvision's files
}

// CacheDir is $GRAFT_CACHE or, without it, the folder graft in the user's cache folder.
func CacheDir() (string, error) {
	if dir := os.Getenv("GRAFT_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder: set GRAFT_CACHE (%w)", err)
	}
	return filepath.Join(dir, "graft"), nil
}

// Path is where f lies, or would lie, in the cache.
func Path(f File) (string, error) {
	dir, err := CacheDir()
	if err != nil {
		return "", err
	}
	if !fs.ValidPath(f.Name) || strings.Count(f.Name, "/") > 1 || strings.Contains(f.Name, `\`) {
		return "", fmt.Errorf("fetch: %q is no name for a file in the cache", f.Name)
	}
	return filepath.Join(dir, filepath.FromSlash(f.Name)), nil
}

// Cached reports whether f lies in the cache and has the right checksum.
func Cached(f File) bool {
	path, err := Path(f)
	return err == nil && verified(path, f) == nil
}

// Get returns the path of f in the cache, fetching it first if it is not there.
// progress may be nil; it is called from one goroutine, with total 0 when unknown.
//
// A file that is there already, however it came there, is used after the same
// check; one that fails it is moved aside. Only one process at a time fetches a
// file; others wait for it until their context ends.
func Get(ctx context.Context, f File, progress func(done, total int64)) (path string, err error) {
	if path, err = Path(f); err != nil {
		return "", err
	}
	if verified(path, f) == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	lock := flock.New(path + ".lock")
	if _, err := lock.TryLockContext(ctx, 200*time.Millisecond); err != nil {
		return "", fmt.Errorf("waiting for another process that fetches %s: %w", f.Name, err)
	}
	defer lock.Unlock()
	switch err := verified(path, f); {
	case err == nil: // the other process has fetched it
		return path, nil
	case !errors.Is(err, fs.ErrNotExist):
		aside := unused(path + ".bad")
		if e := os.Rename(path, aside); e != nil {
			return "", errors.Join(err, e)
		}
		defer func(cause error) {
			if e := (*unreachableError)(nil); errors.As(err, &e) {
				err = fmt.Errorf("%w; the file that was there is not it (%v) and was moved to %s", err, cause, aside)
			}
		}(err)
	}
	part := path + ".part"
	if err := download(ctx, f, part, progress); err != nil {
		return "", err
	}
	if err := check(part, f); err != nil {
		os.Remove(part)
		return "", fmt.Errorf("%s: what %s answered is not the file expected: %w", f.Name, f.URL, err)
	}
	if err := syncAndRename(part, path); err != nil {
		return "", err
	}
	remember(path, f)
	return path, nil
}

// unused is path, or path with the first number behind it that no file has.
func unused(path string) string {
	free := path
	for n := 2; ; n++ {
		if _, err := os.Lstat(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s%d", path, n)
	}
}

// syncAndRename makes the file appear whole or not at all.
func syncAndRename(from, to string) error {
	file, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = file.Sync()
	if e := file.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

// An unreachableError says how to go on by hand.
type unreachableError struct {
	file  File
	path  string
	cause error
}

func (e *unreachableError) Error() string {
	sum := ""
	switch f := e.file; {
	case f.SHA256 != "":
		sum = ", SHA-256 " + f.SHA256
	case f.SHA1 != "":
		sum = ", SHA-1 " + f.SHA1
	case f.MD5 != "":
		sum = ", MD5 " + f.MD5
	case f.SHA256Prefix != "":
		sum = ", SHA-256 beginning with " + f.SHA256Prefix
	}
	return fmt.Sprintf("cannot fetch %s (%v): download it by other means%s, and put it at %s", e.file.URL, e.cause, sum, e.path)
}

func (e *unreachableError) Unwrap() error { return e.cause }

// errTooLong is the error of an answer longer than declared.
var errTooLong = errors.New("the answer is longer than declared")

// copyAll copies with progress, at most limit bytes where that is positive.
func copyAll(w io.Writer, r io.Reader, done, total, limit int64, progress func(done, total int64)) error {
	buf := make([]byte, 1<<17)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, e := w.Write(buf[:n]); e != nil {
				return e
			}
			if done += int64(n); limit > 0 && done > limit {
				return errTooLong
			}
			if progress != nil {
				progress(done, total)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

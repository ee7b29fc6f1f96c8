// Package fetch turns an address and a checksum into a file in the cache.
//
// It is the only code that reaches outward: over http and https, and only when
// Get is called for a file that is not in the cache yet. It knows the cache
// folder, checksums and how to resume; it does not know what the files hold.
package fetch

import (
	"context"
	"errors"
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
	SHA256Prefix string // the first digits only, as in the names of torchvision's files
}

// CacheDir is $GRAFT_CACHE or, without it, the folder graft in the user's cache folder.
func CacheDir() (string, error) { return "", errors.New("fetch: not written yet") }

// Path is where f lies, or would lie, in the cache.
func Path(f File) (string, error) { return "", errors.New("fetch: not written yet") }

// Cached reports whether f lies in the cache and has the right checksum.
func Cached(f File) bool { return false }

// Get returns the path of f in the cache, fetching it first if it is not there.
// progress may be nil; it is called from one goroutine, with total 0 when unknown.
func Get(ctx context.Context, f File, progress func(done, total int64)) (path string, err error) {
	return "", errors.New("fetch: not written yet")
}

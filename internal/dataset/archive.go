package dataset

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"graft/internal/fetch"
)

// Archives are read where they lie: members of a .zip and of a plain .tar
// straight from the file. A compressed .tar is unpacked once into the cache
// (folder unpacked, as a plain .tar), since its members can be reached in order
// only. No member is ever written under its own name.

// unpackedLimit bounds what a compressed tar may grow to, against bombs.
func unpackedLimit(packed int64) int64 { return 1<<30 + 20*packed }

func listArchive(ctx context.Context, location string, info fs.FileInfo) (source, []entry, []Finding, error) {
	f, err := os.Open(location)
	if err != nil {
		return nil, nil, nil, err
	}
	head := make([]byte, 512)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, nil, nil, err
	}
	key := fmt.Sprintf("%s %d %d", absolute(location), info.Size(), info.ModTime().UnixNano())
	switch {
	case matches(head, "PK\x03\x04") || matches(head, "PK\x05\x06"):
		return listZip(f, info.Size(), filepath.ToSlash(location)+"/", key)
	case matches(head, "\x1f\x8b"):
		f.Close()
		plain, err := unpack(ctx, location, key, info.Size())
		if err != nil {
			return nil, nil, nil, err
		}
		if f, err = os.Open(plain); err != nil {
			return nil, nil, nil, err
		}
		return listTar(f, filepath.ToSlash(location)+"/", key)
	case len(head) == 512 && string(head[257:262]) == "ustar", strings.EqualFold(filepath.Ext(location), ".tar"):
		return listTar(f, filepath.ToSlash(location)+"/", key)
	}
	f.Close()
	return nil, nil, nil, fmt.Errorf("%s is a file, but no .zip, .tar or .tar.gz archive: DATA is a folder of class folders, or such an archive (other kinds: unpack them first)", location)
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// member is the safe relative path of an archive's entry, "" where it has none:
// absolute, leading out of the archive, or with a drive letter. Names from before
// UTF-8 are read as Latin-1.
func member(name string) string {
	if !utf8.ValidString(name) {
		runes := make([]rune, len(name))
		for i := range len(name) {
			runes[i] = rune(name[i])
		}
		name = string(runes)
	}
	clean := path.Clean(strings.ReplaceAll(name, `\`, "/"))
	if !fs.ValidPath(clean) || clean == "." || strings.ContainsRune(clean, 0) || len(clean) > 1 && clean[1] == ':' {
		return ""
	}
	return clean
}

// A zipSource is a zip archive.
type zipSource struct {
	files  map[string]*zip.File
	name   string
	cached string
}

func listZip(r io.ReaderAt, size int64, name, key string) (source, []entry, []Finding, error) {
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, nil, nil, fmt.Errorf("%s: damaged zip archive: %w", strings.TrimSuffix(name, "/"), err)
	}
	src := &zipSource{files: map[string]*zip.File{}, name: name, cached: key}
	var entries []entry
	var d Dataset
	var unsafe []string
	for _, f := range z.File {
		rel := member(f.Name)
		switch {
		case rel == "":
			unsafe = append(unsafe, f.Name)
		case f.FileInfo().IsDir():
			entries = append(entries, entry{rel: rel, dir: true})
		case !f.Mode().IsRegular():
			unsafe = append(unsafe, f.Name)
		case src.files[rel] == nil:
			src.files[rel] = f
			entries = append(entries, entry{rel: rel, size: int64(f.UncompressedSize64), time: f.Modified.UnixNano()})
		}
	}
	d.note("unsafe-name", unsafe, "of the archive with a name that leads out of it, or a link: left out")
	return src, entries, d.Findings, nil
}

func (z *zipSource) prefix() string { return z.name }
func (z *zipSource) key() string    { return z.cached }

func (z *zipSource) open(rel string) (io.ReadCloser, error) {
	f := z.files[rel]
	switch {
	case f == nil:
		return nil, fs.ErrNotExist
	case f.Flags&1 != 0:
		return nil, errors.New("it is encrypted")
	}
	return f.Open()
}

// A tarSource is a plain tar archive with the places of its members.
type tarSource struct {
	f      *os.File
	places map[string]place
	name   string
	cached string
}

// A place is where a member's bytes are, and its number in the listing.
type place struct {
	offset, size int64
	entry        int
}

func listTar(f *os.File, name, key string) (source, []entry, []Finding, error) {
	src := &tarSource{f: f, places: map[string]place{}, name: name, cached: key}
	var entries []entry
	var d Dataset
	var unsafe []string
	r := tar.NewReader(f)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			f.Close()
			return nil, nil, nil, fmt.Errorf("%s: damaged tar archive: %w", strings.TrimSuffix(name, "/"), err)
		}
		rel := member(h.Name)
		if h.Typeflag == tar.TypeDir {
			if rel != "" {
				entries = append(entries, entry{rel: rel, dir: true})
			}
			continue
		}
		if rel == "" || h.Typeflag != tar.TypeReg {
			unsafe = append(unsafe, h.Name)
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			f.Close()
			return nil, nil, nil, err
		}
		e := entry{rel: rel, size: h.Size, time: h.ModTime.UnixNano()}
		if old, again := src.places[rel]; again { // tar appends; the last counts
			entries[old.entry] = e
			src.places[rel] = place{at, h.Size, old.entry}
			continue
		}
		src.places[rel] = place{at, h.Size, len(entries)}
		entries = append(entries, e)
	}
	d.note("unsafe-name", unsafe, "of the archive with a name that leads out of it, or a link: left out")
	return src, entries, d.Findings, nil
}

func (t *tarSource) prefix() string { return t.name }
func (t *tarSource) key() string    { return t.cached }

func (t *tarSource) open(rel string) (io.ReadCloser, error) {
	p, ok := t.places[rel]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(io.NewSectionReader(t.f, p.offset, p.size)), nil
}

// unpack writes a gzipped tar into the cache as a plain one, once, and returns its path.
func unpack(ctx context.Context, location, key string, packed int64) (string, error) {
	cache, err := fetch.CacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "unpacked")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	plain := filepath.Join(dir, fmt.Sprintf("%x.tar", sha256.Sum256([]byte(key))))
	if _, err := os.Stat(plain); err == nil {
		return plain, nil
	}
	f, err := os.Open(location)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return "", fmt.Errorf("%s: damaged gzip: %w", location, err)
	}
	tmp, err := os.CreateTemp(dir, "unpacking-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	limit := unpackedLimit(packed)
	n, err := io.Copy(tmp, io.LimitReader(&interruptible{ctx, z}, limit+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s: unpacking: %w", location, err)
	case n > limit:
		return "", fmt.Errorf("%s grows beyond %d MB when unpacked: refused as a decompression bomb", location, limit>>20)
	}
	if err := tmp.Close(); err != nil {
		return "", err
	}
	return plain, os.Rename(tmp.Name(), plain)
}

// interruptible ends reading when its context ends.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (i *interruptible) Read(b []byte) (int, error) {
	if err := i.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(b)
}

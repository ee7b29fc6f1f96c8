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

	"graft/internal/fetch"
)

// Archives are read where they lie: members of a .zip and of a plain .tar
// straight from the file. A compressed .tar is unpacked once into the cache, as
// a plain one, since its members can be reached in order only.

// memberLimit is the size of the largest member that is read.
const memberLimit = 512 << 20

// unpackedLimit bounds what a compressed tar may grow to, against bombs.
func unpackedLimit(packed int64) int64 { return 1<<30 + 100*packed }

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
	case len(head) == 512 && string(head[257:262]) == "ustar":
		return listTar(f, filepath.ToSlash(location)+"/", key)
	}
	f.Close()
	return nil, nil, nil, fmt.Errorf("%s is a file, but no .zip, .tar or .tar.gz archive: DATA is a folder of class folders, or such an archive", location)
}

func absolute(p string) string {
	if abs, err := filepath.Abs(p); err == nil {
		return abs
	}
	return p
}

// member is the safe relative path of an archive's entry, "" where it has none:
// absolute, leading out of the archive, or with a drive letter.
func member(name string) string {
	name = strings.ReplaceAll(name, `\`, "/")
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || clean == "." || strings.Contains(clean, ":") {
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
		case !f.Mode().IsRegular():
			unsafe = append(unsafe, f.Name)
		case src.files[rel] == nil:
			src.files[rel] = f
			entries = append(entries, entry{rel: rel, size: int64(f.UncompressedSize64), time: f.Modified.UnixNano()})
		}
	}
	d.note("unsafe-name", unsafe, "%d members of the archive are links or lead out of it, and are left out")
	return src, entries, d.Findings, nil
}

func (z *zipSource) prefix() string { return z.name }
func (z *zipSource) key() string    { return z.cached }

func (z *zipSource) read(rel string) ([]byte, error) {
	f := z.files[rel]
	if f == nil {
		return nil, fmt.Errorf("%s%s: %w", z.name, rel, fs.ErrNotExist)
	}
	if f.Flags&1 != 0 {
		return nil, errors.New("is encrypted")
	}
	if f.UncompressedSize64 > memberLimit {
		return nil, fmt.Errorf("is larger than %d MB", memberLimit>>20)
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// The declared size is a promise; the limit holds whether it is kept or not.
	return io.ReadAll(io.LimitReader(r, memberLimit))
}

// A tarSource is a plain tar archive with the places of its members.
type tarSource struct {
	f      *os.File
	places map[string]place
	name   string
	cached string
}

type place struct{ offset, size int64 }

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
		if h.Typeflag == tar.TypeDir {
			continue
		}
		rel := member(h.Name)
		if rel == "" || h.Typeflag != tar.TypeReg {
			unsafe = append(unsafe, h.Name)
			continue
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, nil, nil, err
		}
		src.places[rel] = place{at, h.Size}
		entries = append(entries, entry{rel: rel, size: h.Size, time: h.ModTime.UnixNano()})
	}
	d.note("unsafe-name", unsafe, "%d members of the archive are links or lead out of it, and are left out")
	return src, entries, d.Findings, nil
}

func (t *tarSource) prefix() string { return t.name }
func (t *tarSource) key() string    { return t.cached }

func (t *tarSource) read(rel string) ([]byte, error) {
	p, ok := t.places[rel]
	if !ok {
		return nil, fmt.Errorf("%s%s: %w", t.name, rel, fs.ErrNotExist)
	}
	if p.size > memberLimit {
		return nil, fmt.Errorf("is larger than %d MB", memberLimit>>20)
	}
	b := make([]byte, p.size)
	_, err := t.f.ReadAt(b, p.offset)
	return b, err
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

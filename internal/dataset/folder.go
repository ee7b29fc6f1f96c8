package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A folderSource is a folder on disk.
type folderSource struct{ root, shown string }

func newFolderSource(root string) *folderSource {
	shown := filepath.ToSlash(filepath.Clean(root))
	switch {
	case shown == ".":
		shown = ""
	case !strings.HasSuffix(shown, "/"):
		shown += "/"
	}
	return &folderSource{root, shown}
}

func (f *folderSource) open(rel string) (io.ReadCloser, error) {
	file, err := os.Open(filepath.Join(f.root, filepath.FromSlash(rel)))
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err // who reports it names the path
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

func (f *folderSource) prefix() string { return f.shown }

func (f *folderSource) key() string {
	abs, err := filepath.Abs(f.root)
	if err != nil {
		return ""
	}
	return abs
}

// listFolder lists all files below root, through symbolic links as ImageFolder
// does, each real folder once a path.
func listFolder(ctx context.Context, root string) (source, []entry, []Finding, error) {
	var entries []entry
	var findings []Finding
	var walk func(dir, rel string, above []fs.FileInfo) error
	walk = func(dir, rel string, above []fs.FileInfo) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		for _, a := range above {
			if os.SameFile(a, info) {
				findings = append(findings, Finding{Kind: "link-loop", Text: fmt.Sprintf("%s is a link to a folder that holds it, and is left out", dir)})
				return nil
			}
		}
		list, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		if rel != "" {
			entries = append(entries, entry{rel: rel, dir: true})
		}
		for _, e := range list {
			path, name := filepath.Join(dir, e.Name()), e.Name()
			if rel != "" {
				name = rel + "/" + name
			}
			stat, err := e.Info()
			if e.Type()&fs.ModeSymlink != 0 {
				stat, err = os.Stat(path)
			}
			switch {
			case err != nil:
				findings = append(findings, Finding{Kind: "unreadable", Text: fmt.Sprintf("%s is left out: %v", path, err), Paths: []string{path}})
			case stat.IsDir():
				if hiddenPath(name) {
					entries = append(entries, entry{rel: name, dir: true})
				} else if err := walk(path, name, append(above, info)); err != nil {
					return err
				}
			case stat.Mode().IsRegular():
				entries = append(entries, entry{rel: name, size: stat.Size(), time: stat.ModTime().UnixNano()})
			}
		}
		return nil
	}
	if err := walk(root, "", nil); err != nil {
		return nil, nil, nil, err
	}
	return newFolderSource(root), entries, findings, nil
}

// Walk yields the files to predict at a path: the path itself, or every file
// below a folder in order of name. Hidden files are left out, and those that are
// no pictures by their name nor by how they begin.
func Walk(path string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			yield(path, err)
			return
		}
		walkFiles(path, []fs.FileInfo{info}, yield)
	}
}

func walkFiles(dir string, above []fs.FileInfo, yield func(string, error) bool) bool {
	list, err := os.ReadDir(dir)
	if err != nil {
		return yield(dir, err)
	}
	for _, e := range list {
		if hiddenPath(e.Name()) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		switch {
		case err != nil:
			if !yield(path, err) {
				return false
			}
		case info.IsDir():
			loop := slices.ContainsFunc(above, func(a fs.FileInfo) bool { return os.SameFile(a, info) })
			if !loop && !walkFiles(path, append(above, info), yield) {
				return false
			}
		case info.Mode().IsRegular():
			if !pictureName(path) && !pictureContent(newFolderSource(dir), e.Name()) {
				continue
			}
			if !yield(path, nil) {
				return false
			}
		}
	}
	return true
}

package dataset

import (
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
)

// A folderSource is a folder on disk.
type folderSource struct{ root string }

func (f *folderSource) read(rel string) ([]byte, error) {
	return os.ReadFile(filepath.Join(f.root, filepath.FromSlash(rel)))
}

func (f *folderSource) prefix() string { return filepath.ToSlash(filepath.Clean(f.root)) + "/" }

func (f *folderSource) key() string {
	abs, err := filepath.Abs(f.root)
	if err != nil {
		return ""
	}
	return abs
}

// listFolder lists all files below root, through symbolic links as ImageFolder
// does, each real folder once a path.
func listFolder(root string) (source, []entry, []Finding, error) {
	var entries []entry
	var findings []Finding
	var walk func(dir, rel string, above []fs.FileInfo) error
	walk = func(dir, rel string, above []fs.FileInfo) error {
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
		files := 0
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
				findings = append(findings, Finding{Kind: "unreadable", Text: fmt.Sprintf("%s cannot be opened: %v", path, err), Paths: []string{path}})
			case stat.IsDir():
				if hiddenPath(name) {
					entries = append(entries, entry{rel: name, dir: true})
				} else if err := walk(path, name, append(above, info)); err != nil {
					return err
				}
				files++
			case stat.Mode().IsRegular():
				entries = append(entries, entry{rel: name, size: stat.Size(), time: stat.ModTime().UnixNano()})
				files++
			}
		}
		if files == 0 && rel != "" {
			entries = append(entries, entry{rel: rel, dir: true})
		}
		return nil
	}
	if err := walk(root, "", nil); err != nil {
		return nil, nil, nil, err
	}
	return &folderSource{root}, entries, findings, nil
}

// Walk yields the files to predict at a path: the path itself, or every file
// below a folder in order of name, hidden ones and documents left out.
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
		if hiddenPath(e.Name()) || documents[filepath.Ext(e.Name())] {
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
			if !yield(path, nil) {
				return false
			}
		}
	}
	return true
}

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A linker sorts pictures into folders by label, as links.
type linker struct {
	dir  string
	hard bool
	next map[string]int // of names that several pictures have: the number to try next
}

// newLinker makes the folder. It may not lie where pictures are read from: links in it would
// be answered for in turn.
func newLinker(dir string, hard bool, paths []string) (*linker, error) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		from, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(from, at); path != "-" && err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
			return nil, usageError{fmt.Errorf("--sort-into %s lies in %s, whose pictures are to be sorted: choose a folder outside of it", dir, path)}
		}
	}
	return &linker{dir: at, hard: hard, next: map[string]int{}}, os.MkdirAll(at, 0o755)
}

// add links a picture into its label's folder. A name that another picture has gets a number;
// a link to this picture that is there already stays the only one.
func (l *linker) add(path, label string) error {
	if path == "-" {
		return errors.New("--sort-into needs files, not standard input")
	}
	target, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	dir := filepath.Join(l.dir, folderName(label))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	name := filepath.Base(path)
	ext := filepath.Ext(name)
	key := filepath.Join(dir, name)
	for n := max(l.next[key], 1); ; n++ {
		link := key
		if n > 1 {
			link = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(key, ext), n, ext)
		}
		err := l.link(target, link)
		if errors.Is(err, fs.ErrExist) {
			if l.same(target, link) {
				return nil
			}
			continue
		}
		if n > 1 {
			l.next[key] = n + 1
		}
		return err
	}
}

func (l *linker) link(target, link string) error {
	if l.hard {
		return os.Link(target, link)
	}
	return os.Symlink(target, link)
}

// same reports whether a link leads to target.
func (l *linker) same(target, link string) bool {
	if !l.hard {
		to, err := os.Readlink(link)
		return err == nil && to == target
	}
	a, err := os.Stat(target)
	if err != nil {
		return false
	}
	b, err := os.Lstat(link)
	return err == nil && os.SameFile(a, b)
}

// folderName is a label as the name of a folder.
func folderName(label string) string {
	name := strings.Map(func(r rune) rune {
		if r < 32 || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, label)
	if strings.Trim(name, ". ") == "" {
		return "_" + strings.Trim(name, " ")
	}
	return name
}

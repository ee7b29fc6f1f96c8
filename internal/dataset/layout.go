package dataset

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Two layouts are understood, as ImageFolder's users have them:
//
//	train/CLASS/... with test/CLASS/... or val|valid|validation/CLASS/... or both
//	CLASS/...
//
// Folders inside a class are looked into. A single folder around everything is
// looked through.

// partNames are the folders that hold a part.
var partNames = map[string]Split{
	"train": Train, "training": Train,
	"val": Valid, "valid": Valid, "validation": Valid,
	"test": Test, "testing": Test,
}

// documents are endings of files that lie beside pictures and are none.
var documents = map[string]bool{
	".txt": true, ".csv": true, ".tsv": true, ".json": true, ".jsonl": true, ".md": true, ".xml": true, ".yaml": true, ".yml": true,
	".html": true, ".htm": true, ".pdf": true, ".db": true, ".ini": true, ".py": true, ".ipynb": true, ".npy": true, ".npz": true,
	".pth": true, ".pt": true, ".safetensors": true, ".zip": true, ".tar": true, ".gz": true, ".tgz": true, ".mat": true, ".log": true,
}

// A folder is a class's files in one part.
type folder struct {
	entries []entry
}

// arrange sorts files into parts and classes, and names what is odd.
func arrange(src source, entries []entry) (*Dataset, error) {
	d := &Dataset{}
	entries = d.setAside(entries)
	entries, through := lookThrough(entries)
	parts := map[Split]map[string]*folder{}
	split, seen := false, map[Split]string{}
	for _, e := range entries {
		top, _, inside := strings.Cut(e.rel, "/")
		if p, ok := partNames[strings.ToLower(top)]; ok && (inside || e.dir) {
			split = true
			if other := seen[p]; other != "" && other != top {
				return nil, fmt.Errorf("both %s/ and %s/ are folders of %s pictures: keep one", other, top, p)
			}
			seen[p] = top
		}
	}
	if split && seen[Train] == "" {
		return nil, fmt.Errorf("there is a folder %s/ but no train/", firstOf(seen))
	}
	var loose, beside []string
	for _, e := range entries {
		part, rest := Train, e.rel
		if split {
			top, in, _ := strings.Cut(e.rel, "/")
			p, ok := partNames[strings.ToLower(top)]
			if !ok {
				beside = append(beside, through+e.rel)
				continue
			}
			if part, rest = p, in; rest == "" {
				continue
			}
		}
		class, _, inside := strings.Cut(rest, "/")
		if !inside && !e.dir {
			loose = append(loose, through+e.rel)
			continue
		}
		if parts[part] == nil {
			parts[part] = map[string]*folder{}
		}
		f := parts[part][class]
		if f == nil {
			f = &folder{}
			parts[part][class] = f
		}
		if !e.dir {
			e.rel = through + e.rel
			f.entries = append(f.entries, e)
		}
	}
	d.note("loose", loose, "%d files lie beside the class folders and are left out")
	d.note("beside", beside, "%d files lie in folders beside train/ and are left out")
	if err := d.classes(parts); err != nil {
		return nil, err
	}
	d.fill(src, parts)
	return d, nil
}

// setAside removes hidden files and documents.
func (d *Dataset) setAside(entries []entry) []entry {
	var keep []entry
	var hidden, other []string
	for _, e := range entries {
		switch {
		case hiddenPath(e.rel):
			hidden = append(hidden, e.rel)
		case !e.dir && documents[strings.ToLower(path.Ext(e.rel))]:
			if strings.Contains(e.rel, "/") {
				other = append(other, e.rel)
			}
		default:
			keep = append(keep, e)
		}
	}
	d.note("hidden", hidden, "%d hidden files or folders are left out")
	d.note("not-a-picture-file", other, "%d files that are no pictures are left out")
	return keep
}

func hiddenPath(rel string) bool {
	for part := range strings.SplitSeq(rel, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" || strings.EqualFold(part, "thumbs.db") || strings.EqualFold(part, "desktop.ini") {
			return true
		}
	}
	return false
}

// lookThrough removes a single folder that holds everything and returns its path.
func lookThrough(entries []entry) (inside []entry, through string) {
	for {
		top := ""
		for i, e := range entries {
			t, _, deep := strings.Cut(e.rel, "/")
			_, part := partNames[strings.ToLower(t)]
			if !deep || part || i > 0 && t != top {
				return entries, through
			}
			top = t
		}
		// One folder of pictures is a class, not a wrapping.
		folders := false
		for _, e := range entries {
			folders = folders || strings.Count(e.rel, "/") > 1 || e.dir
		}
		if top == "" || !folders {
			return entries, through
		}
		through += top + "/"
		stripped := make([]entry, 0, len(entries))
		for _, e := range entries {
			e.rel = e.rel[len(top)+1:]
			stripped = append(stripped, e)
		}
		entries = stripped
	}
}

// note adds a finding about paths, if there are any; format takes their number.
func (d *Dataset) note(kind string, paths []string, format string) {
	if len(paths) > 0 {
		slices.Sort(paths)
		d.Findings = append(d.Findings, Finding{Kind: kind, Text: fmt.Sprintf(format, len(paths)), Paths: paths})
	}
}

func firstOf(seen map[Split]string) string {
	for _, s := range []Split{Valid, Test} {
		if seen[s] != "" {
			return seen[s]
		}
	}
	return ""
}

// classes finds the classes' names and what does not fit between the parts.
func (d *Dataset) classes(parts map[Split]map[string]*folder) error {
	folded := map[string]string{}
	total := map[string]int{}
	for _, part := range []Split{Train, Valid, Test} {
		for class, f := range parts[part] {
			total[class] += len(f.entries)
			key := strings.ToLower(class)
			if other := folded[key]; other != "" && other != class {
				a, b := min(class, other), max(class, other)
				return fmt.Errorf("the class folders %q and %q differ only by case: rename one", a, b)
			}
			folded[key] = class
		}
	}
	for class, n := range total {
		train := parts[Train][class]
		switch {
		case n == 0:
			d.Findings = append(d.Findings, Finding{Kind: "class-empty", Text: fmt.Sprintf("the class folder %q is empty and is left out", class)})
			continue
		case train == nil || len(train.entries) == 0:
			return fmt.Errorf("the class %q has no training pictures, but others: add some to train/%s or remove the class", class, class)
		}
		d.Classes = append(d.Classes, class)
		for _, part := range []Split{Valid, Test} {
			if parts[part] != nil && (parts[part][class] == nil || len(parts[part][class].entries) == 0) {
				d.Findings = append(d.Findings, Finding{Kind: "class-missing", Text: fmt.Sprintf("the class %q has no %s pictures", class, part)})
			}
		}
	}
	slices.Sort(d.Classes)
	slices.SortFunc(d.Findings, func(a, b Finding) int { return strings.Compare(a.Kind+a.Text, b.Kind+b.Text) })
	switch len(d.Classes) {
	case 0:
		return fmt.Errorf("no pictures found: put each class in a folder of its own, DATA/CLASS/picture.jpg or DATA/train/CLASS/picture.jpg")
	case 1:
		return fmt.Errorf("only one class, %q: a classifier needs at least two; DATA is the folder that holds the class folders", d.Classes[0])
	}
	return nil
}

// fill makes the samples, in order of class and path.
func (d *Dataset) fill(src source, parts map[Split]map[string]*folder) {
	for part, to := range map[Split]*[]Sample{Train: &d.Train, Valid: &d.Valid, Test: &d.Test} {
		for i, class := range d.Classes {
			f := parts[part][class]
			if f == nil {
				continue
			}
			slices.SortFunc(f.entries, func(a, b entry) int { return strings.Compare(a.rel, b.rel) })
			for _, e := range f.entries {
				*to = append(*to, Sample{Path: src.prefix() + e.rel, Class: i, Size: e.size, src: src})
			}
		}
	}
}

package dataset

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Two layouts are understood, as ImageFolder's users have them:
//
//	train/CLASS/... with test/CLASS/... or val|valid|validation/CLASS/... or both
//	CLASS/...
//
// Folders inside a class are looked into. A single folder around everything is
// looked through. A folder called train that holds pictures and no folders is a
// class like any other: of trains.

// partNames are the folders that hold a part.
var partNames = map[string]Split{
	"train": Train, "training": Train,
	"val": Valid, "valid": Valid, "validation": Valid,
	"test": Test, "testing": Test,
}

// pictureEndings are those of files meant as pictures, also of ones that are not
// read: these are named as unreadable, other files only counted.
var pictureEndings = strings.Fields(".jpg .jpeg .jpe .jfif .png .gif .webp .bmp .dib .tif .tiff .heic .heif .avif .jxl .jp2 .svg .ppm .pgm .pnm .tga .psd")

func pictureName(name string) bool {
	return slices.Contains(pictureEndings, strings.ToLower(path.Ext(name)))
}

// pictureContent reports whether a file begins as a picture does.
func pictureContent(src source, rel string) bool {
	b, err := head(src, rel, 512)
	if err != nil {
		return false
	}
	f, err := sniff(b)
	if err == nil && f.name == "bmp" { // two letters are no proof
		_, _, _, err = DecodeHeader(b)
	}
	return err == nil
}

// arrange sorts files into parts and classes, and names what is odd.
func arrange(ctx context.Context, src source, entries []entry, o Options) (*Dataset, error) {
	d := &Dataset{}
	entries, err := d.setAside(ctx, src, entries, o.Threads)
	if err != nil {
		return nil, err
	}
	entries, through := lookThrough(entries)
	if _, ok := src.(*folderSource); ok && through != "" {
		d.Findings = append(d.Findings, Finding{Kind: "looked-through", Text: fmt.Sprintf("everything lies in %s, which is taken as the dataset", through)})
	}
	names, err := partFolders(entries)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 && names[Train] == "" && !o.Evaluate {
		return nil, fmt.Errorf("there is a folder %s/ but no train/", firstOf(names))
	}
	parts := map[Split]map[string][]entry{}
	var loose, beside []string
	for _, e := range entries {
		part, rest := Train, e.rel
		if len(names) > 0 {
			top, in, _ := strings.Cut(e.rel, "/")
			part, rest = partNames[strings.ToLower(top)], in
			if part == "" && !e.dir {
				beside = append(beside, through+e.rel)
			}
			if part == "" || rest == "" {
				continue
			}
		}
		class, _, inside := strings.Cut(rest, "/")
		if !inside && !e.dir {
			loose = append(loose, through+e.rel)
			continue
		}
		if parts[part] == nil {
			parts[part] = map[string][]entry{}
		}
		files := parts[part][class] // made also for a folder without files
		if !e.dir {
			files = append(files, entry{rel: through + e.rel, size: e.size})
		}
		parts[part][class] = files
	}
	d.note("loose", loose, "beside the class folders: left out, as they have no class")
	d.note("beside", beside, "beside train/: left out")
	if err := d.findClasses(parts, o.Evaluate); err != nil {
		if len(loose) > 0 && len(d.Classes) == 0 {
			err = d.allLoose(src, len(loose))
		}
		return nil, err
	}
	d.fill(src, parts)
	return d, nil
}

// partFolders are the folders that hold the parts; none where the folders are classes.
func partFolders(entries []entry) (map[Split]string, error) {
	names, sorted := map[Split]string{}, false
	for _, e := range entries {
		top, rest, deep := strings.Cut(e.rel, "/")
		part, ok := partNames[strings.ToLower(top)]
		if !ok || !deep && !e.dir {
			continue
		}
		if other := names[part]; other != "" && other != top {
			return nil, fmt.Errorf("both %s/ and %s/ hold %s pictures: keep one", other, top, part)
		}
		names[part] = top
		sorted = sorted || strings.Contains(rest, "/") || deep && e.dir
	}
	if !sorted {
		return nil, nil
	}
	return names, nil
}

// setAside removes hidden files and those that are no pictures, neither by their
// name nor by how they begin.
func (d *Dataset) setAside(ctx context.Context, src source, entries []entry, threads int) ([]entry, error) {
	none := make([]bool, len(entries))
	err := inParallel(ctx, threads, len(entries), func(i int) {
		e := &entries[i]
		none[i] = !e.dir && !pictureName(e.rel) && !hiddenPath(e.rel) && !pictureContent(src, e.rel)
	})
	if err != nil {
		return nil, err
	}
	var keep []entry
	var hidden, other []string
	for i, e := range entries {
		switch {
		case hiddenPath(e.rel):
			hidden = append(hidden, e.rel)
		case !none[i]:
			keep = append(keep, e)
		case strings.Contains(e.rel, "/"): // a README beside the folders is expected
			other = append(other, e.rel)
		}
	}
	d.note("hidden", hidden, "hidden: left out")
	d.note("not-a-picture-file", other, "neither named as a picture nor one by content: left out")
	return keep, nil
}

func hiddenPath(rel string) bool {
	for part := range strings.SplitSeq(rel, "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" || strings.EqualFold(part, "thumbs.db") || strings.EqualFold(part, "desktop.ini") {
			return true
		}
	}
	return false
}

// lookThrough removes single folders that hold everything and returns their path.
// One folder of pictures is a class, not a wrapping.
func lookThrough(entries []entry) (inside []entry, through string) {
	for {
		top, folders := "", false
		for i, e := range entries {
			t, rest, deep := strings.Cut(e.rel, "/")
			if i == 0 {
				top = t
			}
			if _, part := partNames[strings.ToLower(t)]; part || t != top || !deep && !e.dir {
				return entries, through
			}
			folders = folders || strings.Contains(rest, "/") || deep && e.dir
		}
		if !folders {
			return entries, through
		}
		through += top + "/"
		stripped := make([]entry, 0, len(entries))
		for _, e := range entries {
			if e.rel != top {
				e.rel = e.rel[len(top)+1:]
				stripped = append(stripped, e)
			}
		}
		entries = stripped
	}
}

// note adds a finding about files, if there are any.
func (d *Dataset) note(kind string, paths []string, text string) {
	if len(paths) > 0 {
		slices.Sort(paths)
		d.Findings = append(d.Findings, Finding{Kind: kind, Text: count(len(paths), "file", "files") + " " + text, Paths: paths})
	}
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func firstOf(names map[Split]string) string {
	if names[Valid] != "" {
		return names[Valid]
	}
	return names[Test]
}

// findClasses finds the classes' names and what does not fit between the parts.
func (d *Dataset) findClasses(parts map[Split]map[string][]entry, evaluate bool) error {
	folded, total := map[string]string{}, map[string]int{}
	for _, part := range []Split{Train, Valid, Test} {
		for _, class := range slices.Sorted(maps.Keys(parts[part])) {
			total[class] += len(parts[part][class])
			key := strings.ToLower(strings.TrimSpace(class))
			if other := folded[key]; other != "" && other != class {
				a, b := min(class, other), max(class, other)
				return fmt.Errorf("the classes %q and %q differ only by case or spaces: rename one as the other, or move its pictures there", a, b)
			}
			folded[key] = class
		}
	}
	for _, class := range slices.Sorted(maps.Keys(total)) {
		switch {
		case total[class] == 0:
			d.Findings = append(d.Findings, Finding{Kind: "class-empty", Text: fmt.Sprintf("the class folder %q holds no pictures and is left out", class)})
			continue
		case len(parts[Train][class]) == 0 && !evaluate:
			return fmt.Errorf("the class %q has no training pictures, but others: add some to train/%s or remove the class", class, class)
		}
		d.Classes = append(d.Classes, class)
		for _, part := range []Split{Valid, Test} {
			if parts[part] != nil && len(parts[part][class]) == 0 {
				d.Findings = append(d.Findings, Finding{Kind: "class-missing", Text: fmt.Sprintf("the class %q has no %s pictures", class, part)})
			}
		}
	}
	switch {
	case len(d.Classes) == 0:
		return errors.New("no pictures found: put each class in a folder of its own, DATA/CLASS/picture.jpg or DATA/train/CLASS/picture.jpg")
	case len(d.Classes) == 1 && !evaluate:
		return fmt.Errorf("only one class, %q: a classifier needs at least two; DATA is the folder that holds the class folders", d.Classes[0])
	}
	return nil
}

// allLoose is the error for pictures that lie in no class folder.
func (d *Dataset) allLoose(src source, n int) error {
	hint := ""
	if f, ok := src.(*folderSource); ok {
		hint = "; if it is a class itself, give the folder that holds it, " + filepath.Dir(absolute(f.root))
	}
	return fmt.Errorf("%s, but none in a class folder: classes are folders, as in DATA/CLASS/picture.jpg%s", count(n, "picture", "pictures"), hint)
}

// fill makes the samples, in order of class and path.
func (d *Dataset) fill(src source, parts map[Split]map[string][]entry) {
	prefix := src.prefix()
	for part, to := range map[Split]*[]Sample{Train: &d.Train, Valid: &d.Valid, Test: &d.Test} {
		for i, class := range d.Classes {
			for _, e := range parts[part][class] {
				*to = append(*to, Sample{Path: prefix + e.rel, Class: i, Size: e.size, src: src})
			}
		}
	}
	d.sort()
}

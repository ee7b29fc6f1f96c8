package lint

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// layers are the packages in the order data moves. A package may import those
// of earlier layers and of its own.
var layers = [][]string{
	{"internal/fetch", "internal/jpeg", "internal/transform", "internal/graph", "internal/spelling"},
	{"internal/likeness"},
	{"internal/weights", "internal/dataset", "internal/model"},
	{"internal/check"},
	{"internal/engine"},
	{"internal/engine/ref", "internal/engine/cpu/kernel", "internal/engine/cpu", "internal/engine/enginetest"},
	{"internal/eval", "internal/features", "internal/train", "internal/explain"},
	{"internal/rundir", "internal/curves", "internal/report", "internal/onnx", "internal/card"},
	{"."},
	{"internal/serve", "internal/dashboard"},
	{"cmd/graft"},
	{"bench/journal"},
}

// aside are packages that no other imports: programs and tests.
var aside = []string{"internal/lint", "internal/model/gen", "internal/engine/cpu/kernel/gen", "bench/choose", "bench/experiments", "bench/serve"}

func layer(pkg string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return slices.Contains(l, pkg) })
}

// sources calls visit for every Go file that git would track.
func sources(t *testing.T, visit func(path string, src []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata" || name == "runs" || name == "bin") {
			return fs.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		visit(filepath.ToSlash(rel), src)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsMoveForward(t *testing.T) {
	sources(t, func(path string, src []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		if slices.Contains(aside, pkg) {
			return
		}
		at := layer(pkg)
		if at < 0 {
			t.Errorf("%s: package %s has no place in the order of layers", path, pkg)
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range file.Imports {
			name, _ := strconv.Unquote(i.Path.Value)
			if name != "graft" && !strings.HasPrefix(name, "graft/") {
				continue
			}
			imported := strings.TrimPrefix(strings.TrimPrefix(name, "graft"), "/")
			if imported == "" {
				imported = "."
			}
			if to := layer(imported); to < 0 || to > at {
				t.Errorf("%s imports %s, which comes after it", path, imported)
			}
		}
	})
}

func TestFilesFitAReadersHead(t *testing.T) {
	const most = 600
	sources(t, func(path string, src []byte) {
		if strings.HasPrefix(filepath.Base(path), "zz_") {
			return
		}
		if n := bytes.Count(src, []byte("\n")); n > most {
			t.Errorf("%s has %d lines; more than %d is two files", path, n, most)
		}
	})
}

func TestNoRoomForEverything(t *testing.T) {
	banned := []string{"util", "utils", "common", "helpers", "manager", "types", "misc", "base"}
	sources(t, func(path string, _ []byte) {
		for _, part := range strings.Split(filepath.Dir(path), "/") {
			if slices.Contains(banned, part) {
				t.Errorf("%s: no package is called %s; name what it is for", path, part)
			}
		}
	})
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	documented := map[string]bool{}
	sources(t, func(path string, src []byte) {
		pkg := filepath.Dir(path)
		file, err := parser.ParseFile(token.NewFileSet(), path, src, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		documented[pkg] = documented[pkg] || file.Doc != nil && len(file.Doc.Text()) > 40
	})
	for pkg, ok := range documented {
		if !ok {
			t.Errorf("package %s has no comment that says what it is for", pkg)
		}
	}
}

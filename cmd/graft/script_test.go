package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/dataset"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"graft": main})
}

// TestScripts runs users' sessions. Each finds a folder photos/ of two classes
// with 12 photographs each, list.txt with their paths, and a cache and a network of its own: none.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GRAFT_CACHE", filepath.Join(e.WorkDir, "cache"))
			for _, proxy := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
				e.Setenv(proxy, "http://127.0.0.1:1")
			}
			if err := writePhotos(filepath.Join(e.WorkDir, "photos")); err != nil {
				return err
			}
			photos, err := filepath.Glob(filepath.Join(e.WorkDir, "photos", "*", "*"))
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "list.txt"), []byte(strings.Join(photos, "\n")), 0o644)
		},
	})
}

func writePhotos(dir string) error {
	d, err := dataset.Open(context.Background(), "clothing", dataset.Options{})
	if err != nil {
		return err
	}
	written := map[string]int{}
	for i := range d.Train {
		s := &d.Train[i]
		class := d.Classes[s.Class]
		if class == "t-shirt" || written[class] == 12 {
			continue
		}
		written[class]++
		data, err := s.Read()
		if err != nil {
			return err
		}
		path := filepath.Join(dir, class, filepath.Base(s.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

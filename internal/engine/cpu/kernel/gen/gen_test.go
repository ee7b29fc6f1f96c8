package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestUpToDate checks that the files in the tree are what gen writes.
func TestUpToDate(t *testing.T) {
	files, err := generate("..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./internal/engine/cpu/kernel", name)
		}
	}
}

func TestLayOut(t *testing.T) {
	funcs, err := parseSet("../kernel.go", "Set")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range funcs {
		if f.name == "SGD" {
			// Three pointers and n, four floats, a bool.
			if nesterov := f.args[len(f.args)-1]; nesterov.offset != 48 || f.size() != 49 {
				t.Errorf("nesterov lies at %d of %d bytes", nesterov.offset, f.size())
			}
		}
	}
}

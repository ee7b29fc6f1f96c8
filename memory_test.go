package graft

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMemoryChild is the process that TestMemoryCap watches.
func TestMemoryChild(t *testing.T) {
	if os.Getenv("GRAFT_MEMORY_CHILD") == "" {
		t.Skip("run by TestMemoryCap")
	}
	var plan Plan
	_, err := Train(context.Background(), Config{Data: "clothing", Model: "squeezenet1_1", Recipe: "plain", Batch: 48, Epochs: 1, Memory: 220e6, Threads: 2,
		Out: os.Getenv("GRAFT_MEMORY_CHILD"), Events: func(e Event) {
			if p, ok := e.(Plan); ok {
				plan = p
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM:") {
			fmt.Printf("%s part %d\n", strings.TrimSpace(line), plan.Part)
		}
	}
}

// TestMemoryCap trains in a process of its own under a cap: what was resident at
// most stays below the cap and 150 MB, and two runs give the same bytes.
func TestMemoryCap(t *testing.T) {
	if testing.Short() {
		t.Skip("trains")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not tell what was resident")
	}
	var models [2][]byte
	for i := range models {
		dir := filepath.Join(t.TempDir(), "run")
		child := exec.Command(os.Args[0], "-test.run=^TestMemoryChild$", "-test.v")
		child.Env = append(os.Environ(), "GRAFT_MEMORY_CHILD="+dir)
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		at := bytes.Index(out, []byte("VmHWM:"))
		if at < 0 {
			t.Fatalf("no VmHWM in %s", out)
		}
		var kb, part int
		if _, err := fmt.Sscanf(string(out[at:]), "VmHWM: %d kB part %d", &kb, &part); err != nil {
			t.Fatal(err)
		}
		t.Logf("%d MB, parts of %d", kb>>10, part)
		if part >= 48 {
			t.Errorf("parts of %d: the cap did nothing", part)
		}
		if kb<<10 > 220e6+150e6 {
			t.Errorf("%d MB were resident under a cap of 220 MB", kb<<10/1e6)
		}
		if models[i], err = os.ReadFile(filepath.Join(dir, "model.safetensors")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(models[0], models[1]) {
		t.Error("the same seed and cap gave different models")
	}
}

// TestMemoryTooLittle: a cap below one picture at a time names the least that
// works, and that least works.
func TestMemoryTooLittle(t *testing.T) {
	c := PlanConfig{Model: "squeezenet1_1", Classes: 2, Batch: 64, Memory: 1e6, Threads: 2}
	_, err := PlanMemory(c)
	if err == nil {
		t.Fatal("1 MB is enough")
	}
	text := err.Error()
	var least int64
	if _, err := fmt.Sscanf(text[strings.LastIndex(text, "--memory "):], "--memory %dMB", &least); err != nil {
		t.Fatalf("%q names no least: %v", text, err)
	}
	c.Memory = least * 1e6
	p, err := PlanMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	if p.Part != 1 || p.Parts != 64 {
		t.Errorf("the least of %d MB gives %d parts of %d", least, p.Parts, p.Part)
	}
	c.Memory = 0
	if p, err = PlanMemory(c); err != nil || p.Part != 64 || p.Parts != 1 {
		t.Errorf("without a cap: %d parts of %d, %v", p.Parts, p.Part, err)
	}
}

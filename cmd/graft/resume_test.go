package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKilledRunResumes kills runs of every family with SIGKILL at some checkpoint, resumes
// them, and holds their files against an uninterrupted run's.
func TestKilledRunResumes(t *testing.T) {
	g := newRunner(t)
	for i, c := range []struct {
		name   string
		flags  string
		kill   int  // after so many checkpoints
		damage bool // of the newest
	}{
		{"resnet20", "--model resnet20 --weights none --optimiser adamw --mixup 0.3 --dropout 0.1 --epochs 3", 5, true},
		{"squeezenet", "--model squeezenet1_1 --recipe auto --epochs 2", 16, false},
		{"upper part", "--model squeezenet1_1 --recipe fast --epochs 2 --l2-sp 0.1", 9, false},
		{"mobilenet_v2", "--model mobilenet_v2 --weights none --epochs 1", 2, false},
		{"mobilenet_v3", "--model mobilenet_v3_small --weights none --epochs 2 --schedule plateau", 4, true},
		{"efficientnet", "--model efficientnet_b0 --weights none --epochs 1", 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i > 0 {
				t.Skip("short")
			}
			args := append([]string{"train", "photos", "--batch", "6", "--checkpoint", "1ns"}, strings.Fields(c.flags)...)
			whole, killed := "whole "+c.name, "killed "+c.name
			g.run(t, append(args, "--out", whole)...)
			kill(t, g.command(append(args, "--out", killed)...), g.path(killed), c.kill)
			if c.damage {
				damage(t, g.path(killed))
			}
			out := g.run(t, "resume", killed)
			if !strings.Contains(out, "resumed in epoch") || strings.Contains(out, "refused") != c.damage {
				t.Errorf("it says:\n%s", out)
			}
			g.same(t, whole, killed)
			if out, err := g.command("resume", killed).CombinedOutput(); err == nil || !strings.Contains(string(out), "is finished") {
				t.Errorf("a finished run was resumed: %s", out)
			}
		})
	}
}

// A runner runs this program in a folder that has photographs.
type runner struct{ dir, bin string }

func newRunner(t *testing.T) *runner {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGKILL")
	}
	g := &runner{dir: t.TempDir()}
	if err := writePhotos(g.path("photos")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g.bin = g.path("graft") // testscript runs the command that the program is called
	if err := os.Symlink(self, g.bin); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *runner) path(name string) string { return filepath.Join(g.dir, name) }

func (g *runner) command(args ...string) *exec.Cmd {
	c := exec.Command(g.bin, args...)
	c.Dir = g.dir
	c.Env = append(os.Environ(), "GRAFT_CACHE="+g.path("cache"))
	return c
}

func (g *runner) run(t *testing.T, args ...string) string {
	t.Helper()
	out, err := g.command(args...).CombinedOutput()
	if err != nil {
		t.Fatalf("graft %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// same holds a run's models and the length of its metrics against another's.
func (g *runner) same(t *testing.T, whole, other string) {
	t.Helper()
	for _, f := range []string{"model.safetensors", "best.safetensors", "predictions.jsonl"} {
		a, err := os.ReadFile(filepath.Join(g.path(whole), f))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(g.path(other), f)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs from the uninterrupted run's (%v)", f, err)
		}
	}
	a, _ := os.ReadFile(filepath.Join(g.path(whole), "metrics.jsonl"))
	b, _ := os.ReadFile(filepath.Join(g.path(other), "metrics.jsonl"))
	if n, m := bytes.Count(a, []byte("\n")), bytes.Count(b, []byte("\n")); n != m {
		t.Errorf("%d lines of metrics, uninterrupted %d", m, n)
	}
}

// checkpoints are the names of a run's finished ones.
func checkpoints(run string) []string {
	names, _ := filepath.Glob(filepath.Join(run, "checkpoint", "*.sha256"))
	return names
}

// number is that of a checkpoint.
func number(name string) int {
	n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(name), ".sha256"))
	return n
}

// kill starts c and kills it when its run has a checkpoint of that number.
func kill(t *testing.T, c *exec.Cmd, run string, want int) {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	for {
		if names := checkpoints(run); len(names) > 0 {
			if number(names[len(names)-1]) >= want {
				break
			}
		}
		select {
		case err := <-done:
			t.Fatalf("it ended before it was killed: %v\n%s", err, out.String())
		case <-time.After(time.Millisecond):
		}
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-done
}

// damage changes a byte of the newest checkpoint.
func damage(t *testing.T, run string) {
	t.Helper()
	names := checkpoints(run)
	if len(names) < 2 {
		t.Fatalf("there are %d checkpoints, not two", len(names))
	}
	path := strings.TrimSuffix(names[len(names)-1], ".sha256") + ".safetensors"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKilledRunResumes kills runs of every family with SIGKILL at a random checkpoint and a moment
// after it, resumes them, and holds their files against an uninterrupted run's. The networks of many
// parameters, whose checkpoints are large, take make resume.
func TestKilledRunResumes(t *testing.T) {
	g := newRunner(t)
	const scratch = "--weights none --image-size 64 --lr 0.001 --epochs 2 --model "
	for i, c := range []struct {
		name   string
		flags  string
		damage bool // of the newest checkpoint
		large  bool
	}{
		{"resnet20", scratch + "resnet20 --optimiser adamw --mixup 0.3 --dropout 0.1", true, false},
		// Everything at once, in bf16 where the processor has it.
		{"composed", "--model squeezenet1_1 --recipe plain --epochs 3 --freeze 3 --mixup 0.3 --cutmix 1 --ema 0.9 --accumulate 2 --clip 1 " +
			"--augment crop,flip,trivial,erase --label-smoothing 0.1 --class-weights auto --schedule cosine --warmup 0.5 --l2-sp 0.01 --validation 0.2", true, false},
		{"composed with batch norm", scratch + "mobilenet_v2 --freeze 4 --mixup 0.3 --ema 0.9 --accumulate 2 --stochastic-depth 0.1 --balanced --memory 300MB", false, false},
		{"phases", "--model squeezenet1_1 --recipe auto --epochs 2", false, false},
		{"upper part", "--model squeezenet1_1 --recipe fast --epochs 2 --l2-sp 0.1", false, false},
		{"mobilenet_v3", scratch + "mobilenet_v3_small --schedule plateau", true, false},
		{"efficientnet", scratch + "efficientnet_b0 --nesterov", false, false},
		{"efficientnet_lite", scratch + "efficientnet_lite0", false, false},
		{"regnet", scratch + "regnet_y_400mf", false, false},
		{"resnet18", scratch + "resnet18", true, true},
		{"resnext", scratch + "resnext50_32x4d", false, true},
		{"wide resnet", scratch + "wide_resnet50_2", false, true},
		{"convnext", scratch + "convnext_tiny --optimiser adamw", false, true},
		{"vit", scratch + "vit_b_16 --batch 10", false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && i > 0 {
				t.Skip("short")
			}
			if c.large && os.Getenv("GRAFT_LARGE") == "" {
				t.Skip("a large network: make resume, or GRAFT_LARGE=1")
			}
			args := append([]string{"train", "photos", "--batch", "6", "--checkpoint", "1ns"}, strings.Fields(c.flags)...)
			whole, killed := "whole "+c.name, "killed "+c.name
			g.run(t, append(args, "--out", whole)...)
			names := checkpoints(g.path(whole))
			at := 2 + rand.IntN(number(names[len(names)-1])-4)
			t.Logf("killed after checkpoint %d", at)
			kill(t, g.command(append(args, "--out", killed)...), g.path(killed), at)
			if c.damage {
				damage(t, g.path(killed))
			}
			out := g.run(t, "resume", killed)
			if !strings.Contains(out, "resumed in epoch") || c.damage && !strings.Contains(out, "refused") {
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
	time.Sleep(time.Duration(rand.IntN(20)) * time.Millisecond) // in the middle of something
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

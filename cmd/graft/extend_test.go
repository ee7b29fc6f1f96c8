package main

import (
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/rundir"
)

// TestExtended extends runs, kills the extension, and resumes it. At a constant rate a run and
// its extension are, bit for bit, one longer run: the optimiser's state goes on.
func TestExtended(t *testing.T) {
	g := newRunner(t)
	for _, c := range []struct {
		name, flags string
		longer      string // flags of one run that is as long, or ""
		epochs      int
	}{
		{"plain", "--model resnet20 --weights none --recipe plain --optimiser adamw --ema 0.9 --epochs 1", "--epochs 3", 3},
		{"phases", "--model squeezenet1_1 --recipe auto --freeze 3 --epochs 1 --patience 1 --mixup 0.2", "", 23},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && c.longer == "" {
				t.Skip("short")
			}
			args := append([]string{"train", "photos", "--batch", "6", "--checkpoint", "1ns"}, strings.Fields(c.flags)...)
			whole, killed := "whole "+c.name, "killed "+c.name
			for _, out := range []string{whole, killed} {
				g.run(t, append(args, "--out", out)...)
			}
			out := g.run(t, "extend", whole, "--epochs", "2")
			if !strings.Contains(out, "its rate begins at") {
				t.Errorf("it says:\n%s", out)
			}
			names := checkpoints(g.path(killed))
			kill(t, g.command("extend", killed, "--epochs", "2"), g.path(killed), number(names[len(names)-1])+3)
			if out, err := g.command("extend", killed, "--epochs", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "graft resume") {
				t.Errorf("an interrupted extension was extended:\n%s", out)
			}
			damage(t, g.path(killed))
			g.run(t, "resume", killed)
			g.same(t, whole, killed)
			if c.longer != "" {
				g.run(t, append(append(args, strings.Fields(c.longer)...), "--out", "longer "+c.name)...)
				g.same(t, "longer "+c.name, whole)
			}
			epochs, _, err := rundir.ReadMetrics(g.path(whole))
			if err != nil || len(epochs) != c.epochs {
				t.Errorf("%d epochs in %s, want %d (%v)", len(epochs), filepath.Join(whole, "metrics.jsonl"), c.epochs, err)
			}
			out = g.run(t, "extend", whole, "--epochs", "1", "--lr", "1e-5") // once more
			if !strings.Contains(out, "its rate begins at 1e-05") {
				t.Errorf("it says:\n%s", out)
			}
		})
	}
}

func TestExtendRefuses(t *testing.T) {
	g := newRunner(t)
	g.run(t, "train", "photos", "--model", "resnet20", "--weights", "none", "--epochs", "1", "--checkpoint", "-1s", "--out", "bare")
	for _, c := range []struct{ args, says string }{
		{"extend bare --epochs 1", "no checkpoint"},
		{"extend bare", "--epochs is 0"},
		{"extend bare --epochs 1 --lr 0", "--lr is 0"},
		{"extend photos --epochs 1", "is no run"},
	} {
		if out, err := g.command(strings.Fields(c.args)...).CombinedOutput(); err == nil || !strings.Contains(string(out), c.says) {
			t.Errorf("graft %s: %v\n%s", c.args, err, out)
		}
	}
}

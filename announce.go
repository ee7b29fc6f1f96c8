package graft

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"graft/internal/dataset"
	"graft/internal/graph"
	"graft/internal/rundir"
	"graft/internal/train"
)

// freeName is the path, or the path with the first number that is free.
func freeName(path string) string {
	name := path
	for n := 2; ; n++ {
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return name
		}
		name = fmt.Sprintf("%s-%d", path, n)
	}
}

// chosenOn is what chooses the epoch that is kept, as best_chosen_on has it (val, test, or none
// where the last is kept), and a sentence that says so.
func (s *session) chosenOn() (part, sentence string) {
	if s.recipe.Choose == "last" {
		return "none", "the last epoch is kept; held-out pictures only report"
	}
	chosen, sentence := s.data.ChosenOn()
	if chosen == dataset.Valid {
		return "val", sentence
	}
	return "test", sentence
}

func (s *session) createRun() (err error) {
	c, r, d := &s.c, s.recipe, s.data
	chosen, sentence := s.chosenOn()
	loss := "mean"
	if r.Sum {
		loss = "sum"
	}
	threads := c.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var findings []string
	for _, f := range d.Findings {
		findings = append(findings, f.Text)
	}
	split := 0.0
	if d.Held {
		split = max(c.Split, 0)
		if split == 0 {
			split = 0.2
		}
	}
	leaks := c.Leaks
	if leaks == "" {
		leaks = "keep"
	}
	call, err := json.Marshal(c)
	if err != nil {
		return err
	}
	s.dir, err = rundir.Create(c.Out, c.Force, &rundir.Config{
		Graft: Version, Command: c.Command, Started: time.Now().UTC().Truncate(time.Millisecond),
		Model: s.model.Name, Weights: s.origin,
		Data: rundir.Data{Location: c.Data, Name: d.Name, Fingerprint: d.Fingerprint, Classes: d.Classes,
			Train: len(d.Train), Val: len(d.Valid), Test: len(d.Test), ChosenOn: chosen, Findings: findings,
			Split: split, Leaks: leaks, EXIF: s.pre.EXIF, Decode: string(decodingOf(s.pre)), AllowBad: c.AllowBad, MaxPixels: int64(c.MaxPixels), GroupBy: c.GroupBy, SplitFile: c.SplitFile, Limit: c.Limit},
		Settings: rundir.Settings{Recipe: r.Name, Epochs: r.Epochs, Batch: r.Batch, LR: r.LR, HeadLRX: r.HeadLRX, Momentum: r.Momentum,
			WeightDecay: r.WeightDecay, ParamGroups: r.Groups, Loss: loss, Size: s.pre.Crop, Crop: string(s.pre.Fit), Augment: s.augmented, Seed: c.Seed, Threads: threads, Freeze: c.Freeze, Memory: c.Memory, Part: s.partSetting()},
		Full: r, Call: call,
		Machine: rundir.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuName(), CPUs: runtime.NumCPU(), Go: runtime.Version(), Device: s.engine.Device()},
	})
	if err != nil {
		return err
	}
	if d.Held || d.Validated {
		if err := s.dir.WriteSplit(json.RawMessage(d.SplitFile())); err != nil {
			return err
		}
	}
	s.announce(sentence, loss, threads)
	return nil
}

// announce tells what will run.
func (s *session) announce(sentence, loss string, threads int) {
	c, r, d := &s.c, s.recipe, s.data
	r.Phases = nil // those that are left
	for _, p := range s.stages {
		if p.name != "" && !p.added {
			r.Phases = append(r.Phases, p.phased)
		}
	}
	params, _ := graph.Counts(s.graph)
	trainable := params
	for i, p := range s.graph.Params {
		if s.frozen[i] && !p.Buffer() {
			trainable -= p.Len()
		}
	}
	learns := s.pre.Crop
	for _, p := range s.stages {
		if !p.cut.features {
			learns = p.cut.learns.Input().H
		}
	}
	c.Events(Plan{Dir: c.Out, Device: s.engine.Device(), Model: s.model.Name, Weights: s.weightsName(), WeightsHash: s.origin.SHA256, Data: d.Name, Classes: d.Classes,
		Train: len(d.Train), Valid: len(d.Valid), Test: len(d.Test), ChosenOn: sentence, Recipe: r,
		Size: s.pre.Crop, Learns: learns, Crop: string(s.pre.Fit), Augment: s.augmented, Seed: c.Seed, Threads: threads, Parameters: params, Trainable: trainable, Freeze: c.Freeze, MegabytesEngine: s.net.Bytes() >> 20,
		Memory: c.Memory, Part: s.part, PartStatistics: train.Normalises(s.learns) && s.part < s.batch(), CacheBytes: s.images, Decode: decodingOf(s.pre)})
}

// partSetting is the part of a batch as the run's settings have it: 0 for the whole.
func (s *session) partSetting() int {
	if s.part < s.batch() {
		return s.part
	}
	return 0
}

// cpuName is the processor's name where the system tells it.
func cpuName() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return ""
}

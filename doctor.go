package graft

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/fetch"
	"graft/internal/model"
)

// A Health is how a part of the machine stands.
type Health string

const (
	Good    Health = "ok"
	Limited Health = "note" // graft works, something is slower or not to be had
	Broken  Health = "bad"  // commands will fail
)

// A Diagnosis is what Doctor found of one thing.
type Diagnosis struct {
	What   string `json:"what"` // processor, speed, memory, cache, weights, disk, network
	Health Health `json:"health"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // what to do about it
}

// DoctorOptions say what Doctor looks at.
type DoctorOptions struct {
	Dir     string // where runs will be written; "" is the working directory
	Offline bool   // ask nothing of the network
}

// Doctor looks at all that graft needs of a machine: instruction sets and their speed, memory,
// the cache, disk space, the network. It writes nothing but a file that it removes again.
func Doctor(ctx context.Context, o DoctorOptions) []Diagnosis {
	if o.Dir == "" {
		o.Dir = "."
	}
	list := []Diagnosis{diagnoseProcessor(), diagnoseSpeed(), diagnoseMemory()}
	dir, err := fetch.CacheDir()
	if err != nil {
		list = append(list, Diagnosis{"cache", Broken, err.Error(), "set GRAFT_CACHE to a folder that can be written"})
	} else {
		list = append(list, diagnoseCache(dir), diagnoseDisk("cache disk", dir))
	}
	list = append(list, diagnoseWeights(), diagnoseDisk("runs disk", o.Dir))
	if !o.Offline {
		list = append(list, diagnoseNetwork(ctx))
	}
	return list
}

func diagnoseProcessor() Diagnosis {
	d := Diagnosis{What: "processor", Health: Good}
	var sets []string
	for _, s := range kernel.Available() {
		name := s.Name
		if s.BF16 != nil {
			name += " bf16"
		}
		sets = append(sets, name)
	}
	threads := runtime.GOMAXPROCS(0)
	d.Found = fmt.Sprintf("%s; %d of %d processors; %s", orUnknown(cpuName()), threads, runtime.NumCPU(), strings.Join(sets, ", "))
	chosen, err := kernel.Select()
	switch {
	case err != nil:
		d.Health, d.Advice = Broken, err.Error()
	case os.Getenv("GRAFT_CPU") != "":
		d.Health, d.Advice = Limited, fmt.Sprintf("GRAFT_CPU forces %s: unset it for the fastest", chosen.Name)
	case chosen.Name == "generic":
		d.Health, d.Advice = Limited, "no instruction set that graft has kernels for (AVX2 with FMA, AVX-512, NEON): training will be slow; use a small network such as squeezenet1_1 and --recipe fast"
	}
	return d
}

func diagnoseSpeed() Diagnosis {
	set, err := kernel.Select()
	if err != nil {
		return Diagnosis{"speed", Broken, err.Error(), ""}
	}
	threads := runtime.GOMAXPROCS(0)
	one, all := fp32Roof(set).measure(1), fp32Roof(set).measure(threads)
	d := Diagnosis{What: "speed", Health: Good, Found: fmt.Sprintf("%.0f GFLOPS in %s with %d threads, %.0f with one", all, set.Name, threads, one)}
	if set.BF16 != nil {
		d.Found += fmt.Sprintf("; %.0f in bf16", bf16Roof(set).measure(threads))
	}
	if share := all / one / float64(threads); share < 0.6 {
		d.Health = Limited
		d.Advice = fmt.Sprintf("%d threads give %.1f times one: other programs run, or the system grants less time than processors; try --threads %d", threads, all/one, max(1, int(all/one+0.5)))
	}
	return d
}

// least is the memory in which the smallest network trains with room for pictures.
const least = 500 << 20

func diagnoseMemory() Diagnosis {
	free, limit := memoryFree()
	if free == 0 {
		return Diagnosis{"memory", Limited, "this system does not tell how much is free", "give --memory a cap if the machine is small"}
	}
	d := Diagnosis{What: "memory", Health: Good, Found: fmt.Sprintf("%.1f GB free", float64(free)/1e9)}
	if limit {
		d.Found += ", limited for this process (cgroup)"
	}
	if free < least {
		d.Health, d.Advice = Limited, fmt.Sprintf("train with --memory %dMB; graft plan MODEL shows what a network takes", max(150, (free-150e6)/1e6))
	}
	return d
}

func diagnoseCache(dir string) Diagnosis {
	d := Diagnosis{What: "cache", Health: Good}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Diagnosis{"cache", Broken, err.Error(), "set GRAFT_CACHE to a folder that can be written"}
	}
	probe, err := os.CreateTemp(dir, "doctor-*")
	if err != nil {
		return Diagnosis{"cache", Broken, err.Error(), "set GRAFT_CACHE to a folder that can be written"}
	}
	probe.Close()
	os.Remove(probe.Name())
	var files int
	var bytes int64
	var aside []string
	// A file that goes while the folder is walked is no fault of the cache.
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil
		}
		info, err := e.Info()
		if err != nil {
			return nil
		}
		files++
		bytes += info.Size()
		if name := e.Name(); strings.Contains(name, ".bad") {
			aside = append(aside, path)
		}
		return nil
	})
	d.Found = fmt.Sprintf("%s, %d files, %.0f MB", dir, files, float64(bytes)/1e6)
	if len(aside) > 0 {
		d.Health, d.Advice = Limited, fmt.Sprintf("%d were damaged and moved aside; they can be removed: %s", len(aside), strings.Join(aside, ", "))
	}
	return d
}

func diagnoseWeights() Diagnosis {
	var here, all []string
	for _, m := range model.All() {
		w := m.Default()
		if w == nil {
			continue
		}
		all = append(all, m.Name)
		if w.Cached() {
			here = append(here, m.Name)
		}
	}
	return Diagnosis{"weights", Good, fmt.Sprintf("at hand for %d of %d networks: %s", len(here), len(all), strings.Join(here, ", ")),
		"the others are fetched at first use, or put by hand where the error message says"}
}

// diagnoseDisk tells what is free where dir lies, or will lie.
func diagnoseDisk(what, dir string) Diagnosis {
	at, err := filepath.Abs(dir)
	if err != nil {
		return Diagnosis{what, Broken, err.Error(), ""}
	}
	for {
		if _, err := os.Stat(at); err == nil || filepath.Dir(at) == at {
			break
		}
		at = filepath.Dir(at)
	}
	free, err := diskFree(at)
	if err != nil {
		return Diagnosis{what, Limited, fmt.Sprintf("%s: %v", at, err), ""}
	}
	d := Diagnosis{What: what, Health: Good, Found: fmt.Sprintf("%.1f GB free at %s", float64(free)/1e9, at)}
	if free < 1<<30 {
		d.Health, d.Advice = Limited, "a run of resnet50 keeps about 500 MB: models, and two checkpoints with the optimiser's state"
	}
	return d
}

func diagnoseNetwork(ctx context.Context) Diagnosis {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	m, err := model.Find("resnet18")
	if err != nil {
		return Diagnosis{"network", Broken, err.Error(), ""}
	}
	address := m.Default().File.URL
	if err := fetch.Reach(ctx, address); err != nil {
		return Diagnosis{"network", Limited, fmt.Sprintf("%s cannot be reached: %v", address, err),
			"what is in the cache and inside the program works; behind a proxy set HTTPS_PROXY"}
	}
	return Diagnosis{"network", Good, "published weights can be fetched", ""}
}

func orUnknown(name string) string {
	if name == "" {
		return "processor without a name (" + runtime.GOARCH + ")"
	}
	return name
}

package graft

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/model"
	"graft/internal/train"
)

// LayersResult is the time of a step, layer by layer, beside what this machine
// can do, measured between the steps.
type LayersResult struct {
	Model      string  `json:"model"`
	Mode       string  `json:"mode"` // train or infer
	Batch      int     `json:"batch"`
	Threads    int     `json:"threads"`
	ISA        string  `json:"isa"`
	Steps      int     `json:"steps"`   // measured; times are medians over them
	StepMS     float64 `json:"step_ms"` // sum of the layers
	ImgS       float64 `json:"img_s"`
	PeakGFLOPS float64 `json:"peak_gflops"`
	PeakGBS    float64 `json:"peak_gb_s"` // of memory: a = a + b over arrays larger than the caches
	Layers     []Layer `json:"layers"`    // in the order they run

	// Beside an earlier measurement: its step's time over this one's.
	Ratio  float64 `json:"ratio,omitempty"`
	Before *Roofs  `json:"before,omitempty"`
}

// Roofs are what the machine could do in an earlier measurement.
type Roofs struct {
	PeakGFLOPS float64 `json:"peak_gflops"`
	PeakGBS    float64 `json:"peak_gb_s"`
}

// A Layer is a row of a LayersResult: a layer in one pass.
type Layer struct {
	Layer  string  `json:"layer"`
	Op     string  `json:"op"`
	Pass   string  `json:"pass"` // forward, input grad, weight grad, both grads, sum, update
	Kernel string  `json:"kernel"`
	MS     float64 `json:"ms"`
	GFLOP  float64 `json:"gflop"` // two a multiply-add, whatever computes it
	MB     float64 `json:"mb"`    // what it reads and writes, each once
	GFLOPS float64 `json:"gflops"`
	GBS    float64 `json:"gb_s"`
	Bound  string  `json:"bound"` // compute or memory: the nearer roof
	// Roof is the least time by the nearer roof over the time taken. Winograd does fewer
	// operations, and memory in the caches is faster than memory: both can pass 1.
	Roof  float64 `json:"roof"`
	Share float64 `json:"share"` // of the step

	BeforeMS float64 `json:"before_ms,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"` // the earlier time over this one
}

// BenchLayers times every layer of training steps, or with infer of inference,
// on random pictures.
func BenchLayers(ctx context.Context, c BenchConfig, infer bool) (*LayersResult, error) {
	m, err := model.Find(c.Model)
	if err != nil {
		return nil, err
	}
	if c.Threads == 0 {
		c.Threads = runtime.GOMAXPROCS(0)
	}
	set, err := kernel.Select()
	if err != nil {
		return nil, err
	}
	g := m.Build(10, m.Size)
	e, err := engineFor(g, c.Threads, c.Precision)
	if err != nil {
		return nil, err
	}
	if c.Precision = FP32; e.BF16() {
		c.Precision = BF16
	}
	net, err := e.Compile(g, engine.Config{Batch: c.Batch, Train: !infer})
	if err != nil {
		return nil, err
	}
	defer net.Close()
	profiler, ok := net.(engine.Profiler)
	if !ok {
		return nil, fmt.Errorf("%s does not time its layers", e.Device())
	}
	train.Load(net, model.Initialise(g, 1))
	r := &LayersResult{Model: m.Name, Mode: "train", Batch: c.Batch, Threads: c.Threads, ISA: set.Name}
	if infer {
		r.Mode = "infer"
	}
	b := &bench{net: net, g: g, batch: randomBatch(g, c.Batch)}
	b.update = engine.Update{Rate: make([]float32, len(g.Params)), Decay: make([]float32, len(g.Params)), Momentum: 0.9}
	roof := fp32Roof(set)
	if c.Precision == BF16 {
		roof = bf16Roof(set)
	}
	memory := newStream(set, c.Threads)
	var flops, bytes []float64
	end := time.Now().Add(time.Duration(c.Seconds * float64(time.Second)))
	steps := 0
	between := func() bool {
		if ctx.Err() != nil || steps >= 5 && time.Now().After(end) {
			return false
		}
		if steps%4 == 0 {
			flops = append(flops, roof.measure(c.Threads))
			bytes = append(bytes, memory.gbs())
		}
		steps++
		return true
	}
	rows, err := profiler.Profile(b.batch, b.update, infer, between)
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	r.Steps, r.PeakGFLOPS, r.PeakGBS = steps, median(flops), median(bytes)
	for _, row := range rows {
		r.Layers = append(r.Layers, r.layer(row))
		r.StepMS += r.Layers[len(r.Layers)-1].MS
	}
	for i := range r.Layers {
		r.Layers[i].Share = r.Layers[i].MS / r.StepMS
	}
	r.ImgS = float64(c.Batch) / r.StepMS * 1000
	return r, nil
}

// layer works out a row's figures.
func (r *LayersResult) layer(t engine.LayerTime) Layer {
	seconds := max(median(t.Seconds), 1e-9)
	l := Layer{Layer: t.Layer, Op: t.Op, Pass: t.Pass, Kernel: t.Kernel, MS: seconds * 1e3, GFLOP: t.Flops / 1e9, MB: t.Bytes / 1e6,
		GFLOPS: t.Flops / seconds / 1e9, GBS: t.Bytes / seconds / 1e9, Bound: "memory"}
	least := t.Bytes / r.PeakGBS / 1e9
	if compute := t.Flops / r.PeakGFLOPS / 1e9; compute > least {
		l.Bound, least = "compute", compute
	}
	l.Roof = least / seconds
	return l
}

// Compare sets every layer's ratio to an earlier result, read from a file that
// graft bench --layers --json wrote.
func (r *LayersResult) Compare(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var before LayersResult
	if err := json.Unmarshal(text, &before); err != nil || len(before.Layers) == 0 || !(before.StepMS > 0) {
		return fmt.Errorf("%s is not what graft bench --layers --json writes", path)
	}
	if before.Model != r.Model || before.Mode != r.Mode || before.Batch != r.Batch {
		return fmt.Errorf("%s measured %s, %s, batch %d; this is %s, %s, batch %d", path, before.Model, before.Mode, before.Batch, r.Model, r.Mode, r.Batch)
	}
	type key struct{ layer, pass string }
	earlier := map[key]float64{}
	for _, l := range before.Layers {
		earlier[key{l.Layer + " " + l.Op, l.Pass}] += l.MS
	}
	for i := range r.Layers {
		l := &r.Layers[i]
		if ms := earlier[key{l.Layer + " " + l.Op, l.Pass}]; ms > 0 {
			l.BeforeMS, l.Ratio = ms, ms/l.MS
		}
	}
	r.Ratio, r.Before = before.StepMS/r.StepMS, &Roofs{before.PeakGFLOPS, before.PeakGBS}
	return nil
}

// A stream measures memory: sums of arrays larger than the caches.
type stream struct {
	set     *kernel.Set
	threads int
	arrays  [2][]float32
}

// streamRow is the floats of a row, streamRows the rows that a thread adds.
const streamRow, streamRows = 4096, 2048

func newStream(set *kernel.Set, threads int) *stream {
	s := &stream{set: set, threads: threads}
	for i := range s.arrays {
		s.arrays[i] = make([]float32, threads*streamRows*streamRow)
		for k := range s.arrays[i] {
			s.arrays[i][k] = 1
		}
	}
	return s
}

// gbs is the speed of one pass on all threads: two arrays read, one written in place, so
// that no line is fetched only to be overwritten.
func (s *stream) gbs() float64 {
	var wg sync.WaitGroup
	start := time.Now()
	for t := range s.threads {
		at := t * streamRows * streamRow
		a, b := unsafe.Pointer(&s.arrays[0][at]), unsafe.Pointer(&s.arrays[1][at])
		wg.Go(func() { s.set.AddRows(a, streamRow*4, a, streamRow*4, b, streamRow*4, streamRows, streamRow) })
	}
	wg.Wait()
	return 3 * 4 * float64(len(s.arrays[0])) / time.Since(start).Seconds() / 1e9
}

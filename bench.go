package graft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/train"
)

// A BenchConfig says what to measure.
type BenchConfig struct {
	Model          string
	Batch, Threads int
	Precision      Precision // "" is Auto
	Seconds        float64   // for training and for inference each
	Only           string    // "train" or "infer"; "" is both
	Decode         Decoding  // BenchData's; "" is exact
}

// A BenchResult is the speed of a network and of the machine, in one run.
type BenchResult struct {
	Model       string    `json:"model"`
	Batch       int       `json:"batch"`
	Threads     int       `json:"threads"`
	ISA         string    `json:"isa"`
	TrainImgS   float64   `json:"train_img_s"`
	InferImgS   float64   `json:"infer_img_s"`
	TrainGFLOPS float64   `json:"train_gflops"`
	InferGFLOPS float64   `json:"infer_gflops"`
	PeakGFLOPS  float64   `json:"peak_gflops"` // of ISA and precision, all threads
	TrainRoof   float64   `json:"train_roof"`  // share of the peak
	InferRoof   float64   `json:"infer_roof"`
	Peaks       []Peak    `json:"peaks"`
	Precision   Precision `json:"precision"` // fp32 or bf16: what was measured
}

// A Peak is the speed of fused multiply-adds on registers with an instruction set.
type Peak struct {
	ISA    string  `json:"isa"`
	GFLOPS float64 `json:"gflops"`
}

// Bench measures training steps and inference on random pictures. The peak is
// measured between the repetitions and its median taken, since shared machines
// change under a run.
func Bench(ctx context.Context, c BenchConfig) (*BenchResult, error) {
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
	net, err := e.Compile(g, engine.Config{Batch: c.Batch, Train: c.Only != "infer"})
	if err != nil {
		return nil, err
	}
	defer net.Close()
	train.Load(net, model.Initialise(g, 1))
	b := &bench{net: net, g: g, batch: randomBatch(g, c.Batch)}
	r := &BenchResult{Model: m.Name, Batch: c.Batch, Threads: c.Threads, ISA: set.Name, Precision: c.Precision}
	roof := fp32Roof(set)
	if c.Precision == BF16 {
		roof = bf16Roof(set)
	}
	var peaks []float64
	measure := func(step func() error) (float64, error) {
		var times []float64
		for i, end := 0, time.Now().Add(time.Duration(c.Seconds*float64(time.Second))); i < 5 || time.Now().Before(end); i++ {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if i%4 == 0 {
				peaks = append(peaks, roof.measure(c.Threads))
			}
			start := time.Now()
			if err := step(); err != nil {
				return 0, err
			}
			if i >= 2 { // the first ones warm up
				times = append(times, time.Since(start).Seconds())
			}
		}
		return float64(c.Batch) / median(times), nil
	}
	if c.Only != "infer" {
		if r.TrainImgS, err = measure(b.train); err != nil {
			return nil, err
		}
	}
	if c.Only != "train" {
		if r.InferImgS, err = measure(b.infer); err != nil {
			return nil, err
		}
	}
	for _, s := range kernel.Available() {
		if s.BF16 != nil {
			r.Peaks = append(r.Peaks, Peak{s.Name + " bf16", bf16Roof(s).measure(c.Threads)})
		}
		r.Peaks = append(r.Peaks, Peak{s.Name, fp32Roof(s).measure(c.Threads)})
	}
	forward, step := flops(g)
	r.PeakGFLOPS = median(peaks)
	r.TrainGFLOPS, r.InferGFLOPS = r.TrainImgS*step/1e9, r.InferImgS*forward/1e9
	r.TrainRoof, r.InferRoof = r.TrainGFLOPS/r.PeakGFLOPS, r.InferGFLOPS/r.PeakGFLOPS
	return r, nil
}

// flops are the operations of a picture's forward pass and of its training step:
// forward, input gradients of all layers but those on the picture, weight gradients.
func flops(g *graph.Graph) (forward, step float64) {
	for i := range g.Nodes {
		macs := 2 * float64(g.MACs(i))
		forward += macs
		step += 3 * macs
		if macs > 0 && g.Nodes[i].In[0] == 0 {
			step -= macs
		}
	}
	return forward, step
}

type bench struct {
	net    engine.Network
	g      *graph.Graph
	batch  engine.Batch
	update engine.Update
	logits []float32
}

func randomBatch(g *graph.Graph, n int) engine.Batch {
	r := rand.New(rand.NewPCG(1, 1))
	b := engine.Batch{X: make([]float32, n*g.Input().Len()), Labels: make([]int32, n), N: n}
	for i := range b.X {
		b.X[i] = float32(r.NormFloat64())
	}
	for i := range b.Labels {
		b.Labels[i] = int32(r.IntN(g.Classes()))
	}
	return b
}

func (b *bench) train() error {
	if b.update.Rate == nil {
		for range b.g.Params {
			b.update.Rate, b.update.Decay = append(b.update.Rate, 1e-4), append(b.update.Decay, 1e-3)
		}
		b.update.Momentum = 0.9
	}
	res, err := b.net.Gradients(b.batch, engine.Pass{})
	if err != nil {
		return err
	}
	if res.Loss != res.Loss {
		return fmt.Errorf("the loss is no number")
	}
	b.net.Update(b.update)
	return nil
}

func (b *bench) infer() error {
	if b.logits == nil {
		b.logits = make([]float32, b.batch.N*b.g.Classes())
	}
	return b.net.Infer(b.batch.X, b.batch.N, b.logits)
}

// A roof is a loop of multiplications on registers, flops operations an iteration.
type roof struct {
	run   func(n int)
	flops int
}

func fp32Roof(s *kernel.Set) roof { return roof{s.Peak, s.PeakFlops} }
func bf16Roof(s *kernel.Set) roof { return roof{s.BF16.Peak, s.BF16.PeakFlops} }

// measure runs the loop on all threads for about 40 ms and returns GFLOPS.
func (r roof) measure(threads int) float64 {
	const about = 40 * time.Millisecond
	n := 1000
	for {
		start := time.Now()
		r.run(n)
		if d := time.Since(start); d > about/20 {
			n = max(1, int(float64(n)*about.Seconds()/d.Seconds()))
			break
		}
		n *= 4
	}
	var wg sync.WaitGroup
	start := time.Now()
	for range threads {
		wg.Go(func() { r.run(n) })
	}
	wg.Wait()
	return float64(threads) * float64(n) * float64(r.flops) / time.Since(start).Seconds() / 1e9
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

package graft

import (
	"fmt"
	"os"

	"graft/internal/engine/cpu"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// A Precision says what activations and their gradients are stored in and what convolutions
// multiply in. Weights and their gradients, statistics and sums are float32 in all of them.
type Precision string

const (
	Auto Precision = "auto" // BF16 where the processor has AVX512_BF16, else FP32; "" is Auto
	FP32 Precision = "fp32"
	BF16 Precision = "bf16" // bfloat16: half the digits, twice the speed
)

// resolve is the precision that p stands for on this processor.
func (p Precision) resolve() (Precision, error) {
	set, err := kernel.Select()
	if err != nil {
		return "", err
	}
	switch p {
	case FP32:
		return FP32, nil
	case BF16:
		if set.BF16 == nil {
			return "", fmt.Errorf("precision bf16 needs a processor with AVX512_BF16, and the engine runs %s: use fp32 or auto", set.Name)
		}
		return BF16, nil
	case Auto, "":
		if set.BF16 == nil {
			return FP32, nil
		}
		return BF16, nil
	}
	return "", fmt.Errorf("no such precision: %q (auto, fp32 or bf16)", string(p))
}

// engineFor is newEngine for a network: float32 where bfloat16 has no kernels for its layers.
func engineFor(g *graph.Graph, threads int, p Precision) (*cpu.Engine, error) {
	e, err := newEngine(threads, p)
	if err != nil || !e.BF16() || cpu.Halves(g) {
		return e, err
	}
	return newEngine(threads, FP32)
}

// newEngine is the one place that chooses an engine.
func newEngine(threads int, p Precision) (*cpu.Engine, error) {
	p, err := p.resolve()
	if err != nil {
		return nil, err
	}
	// GRAFT_WINOGRAD=off computes every convolution directly: slower, for comparison.
	return cpu.New(cpu.Options{Threads: threads, BF16: p == BF16, Direct: os.Getenv("GRAFT_WINOGRAD") == "off"})
}

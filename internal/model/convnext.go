package model

import (
	"fmt"

	"graft/internal/graph"
)

// ConvNeXt: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, "A ConvNet for the 2020s",
// 2022 (arXiv:2201.03545), as torchvision builds Tiny: 7x7 depthwise
// convolutions, layer norm, linear layers with GELU between, layer scale.

func init() {
	register(&Model{Name: "convnext_tiny", Paper: "Liu et al. 2022, arXiv:2201.03545", Size: 224, Classes: 1000, Build: convnextTiny,
		Weights: []Weights{published("imagenet1k_v1", "convnext_tiny-983f1562.pth", 109_119_000, 82.520, 236)}})
}

const convnextEps = 1e-6

func convnextTiny(classes, size int) *graph.Graph {
	const drop = 0.1 // stochastic depth grows in a straight line
	b := transformerBuilder("convnext_tiny", size)
	x := b.Conv("features.0.0", 0, 96, graph.Window{Kernel: 4, Stride: 4}, true)
	x = b.LayerNorm("features.0.1", x, convnextEps)
	block := 0
	for stage, blocks := range []int{3, 3, 9, 3} {
		if stage > 0 {
			name := fmt.Sprintf("features.%d", 2*stage)
			x = b.LayerNorm(name+".0", x, convnextEps)
			x = b.Conv(name+".1", x, 96<<stage, graph.Window{Kernel: 2, Stride: 2}, true)
		}
		for i := range blocks {
			x = convnextBlock(b, fmt.Sprintf("features.%d.%d", 2*stage+1, i), x, drop*float64(block)/17)
			block++
		}
	}
	x = b.LayerNorm("classifier.0", b.GlobalAvgPool("avgpool", x), convnextEps)
	return b.Graph(b.Linear("classifier.2", x, classes), "classifier.2")
}

func convnextBlock(b *graph.Builder, name string, x int, drop float64) int {
	c := b.Out(x).C
	y := b.Conv(name+".block.0", x, c, graph.Window{Kernel: 7, Stride: 1, Pad: 3, Groups: c}, true)
	y = b.LayerNorm(name+".block.2", y, convnextEps)
	y = b.Activation(graph.GELU, b.Linear(name+".block.3", y, 4*c))
	y = b.LayerScale(name+".layer_scale", b.Linear(name+".block.5", y, c), 1e-6)
	if drop > 0 {
		y = b.StochasticDepth(name+".stochastic_depth", y, drop)
	}
	return b.Add(name+".add", y, x)
}

// transformerBuilder has the initial values of ConvNeXt and Vision Transformers.
func transformerBuilder(name string, size int) *graph.Builder {
	b := graph.NewBuilder(name, graph.Shape{H: size, W: size, C: 3})
	b.ConvInit = func(int, int) graph.Init { return graph.Init{Dist: graph.Normal, V: 0.02} }
	b.LinearInit, b.BiasInit = b.ConvInit, graph.Zero
	return b
}

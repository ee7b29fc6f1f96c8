package model

import (
	"fmt"
	"math"

	"graft/internal/graph"
)

// EfficientNet: Tan, Le, "EfficientNet: Rethinking Model Scaling for
// Convolutional Neural Networks", 2019 (arXiv:1905.11946), as torchvision builds
// B0: inverted residuals with squeeze-excitation, SiLU and stochastic depth.

func init() {
	weights := published("imagenet1k_v1", "efficientnet_b0_rwightman-7f5810bc.pth", 20_451_000, 77.692, 256)
	weights.Preprocess.Interpolation = "bicubic"
	register(&Model{Name: "efficientnet_b0", Paper: "Tan, Le 2019, arXiv:1905.11946", Size: 224, Classes: 1000,
		Build: efficientnetB0, Weights: []Weights{weights}})
}

// efficientB0 are B0's stages.
var efficientB0 = []struct{ expand, kernel, stride, out, blocks int }{
	{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2}, {6, 5, 2, 40, 2}, {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4}, {6, 3, 1, 320, 1}}

func efficientnetB0(classes, size int) *graph.Graph {
	const drop, blocks = 0.2, 16 // stochastic depth grows in a straight line
	b := mobileBuilder("efficientnet_b0", size)
	b.LinearInit = func(_, out int) graph.Init {
		return graph.Init{Dist: graph.Uniform, V: 1 / math.Sqrt(float64(out))}
	}
	x := convNormed(b, "features.0", 0, 32, 3, 2, 1, graph.SiLU)
	block := 0
	for stage, s := range efficientB0 {
		for i := range s.blocks {
			in := b.Out(x).C
			v := inverted{kernel: s.kernel, wide: s.expand * in, out: s.out, stride: 1, squeeze: max(1, in/4),
				act: graph.SiLU, squeezeAct: graph.SiLU, scaleAct: graph.Sigmoid, drop: drop * float64(block) / blocks}
			if i == 0 {
				v.stride = s.stride
			}
			x = v.build(b, fmt.Sprintf("features.%d.%d", stage+1, i), "block", x)
			block++
		}
	}
	x = convNormed(b, "features.8", x, 1280, 1, 1, 1, graph.SiLU)
	x = b.Dropout("classifier.0", b.GlobalAvgPool("avgpool", x), 0.2)
	return b.Graph(b.Linear("classifier.1", x, classes), "classifier.1")
}

package model

import (
	"fmt"

	"graft/internal/fetch"
	"graft/internal/graph"
)

// SqueezeNet: Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet:
// AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
// 2016 (arXiv:1602.07360), as torchvision builds versions 1.0 and 1.1. Its
// output layer is a 1x1 convolution, followed by ReLU and the average.

const squeezePaper = "Iandola et al. 2016, arXiv:1602.07360"

func init() {
	register(&Model{Name: "squeezenet1_0", Paper: squeezePaper, Size: 224, Classes: 1000,
		Build: func(classes, size int) *graph.Graph { return squeezenet("squeezenet1_0", squeezeV10, classes, size) },
		Weights: []Weights{
			published("imagenet1k_v1", "squeezenet1_0-b66bff10.pth", 4_778_000, 58.092, 256)}})
	register(&Model{Name: "squeezenet1_1", Paper: squeezePaper, Size: 224, Classes: 1000,
		Build: func(classes, size int) *graph.Graph { return squeezenet("squeezenet1_1", squeezeV11, classes, size) },
		Weights: []Weights{
			{Tag: "deepscale", Origin: "Iandola et al., github.com/forresti/SqueezeNet", Licence: "BSD-2-Clause", Top1: 58.2,
				Embedded: true, File: fetch.File{Name: "squeezenet1_1.safetensors"}, Preprocess: imagenet(256, 224)},
			published("imagenet1k_v1", "squeezenet1_1-b8a52dc0.pth", 4_729_000, 58.178, 256)}})
}

// A squeezeVersion lists a version's layers by torchvision's index in
// `features`: the first convolution, fires, and max pools.
type squeezeVersion struct {
	kernel, width int            // first convolution
	fires         map[int][2]int // squeeze width, expand width
	pools         map[int]bool
	last          int
}

var (
	squeezeV10 = squeezeVersion{7, 96, map[int][2]int{3: {16, 64}, 4: {16, 64}, 5: {32, 128}, 7: {32, 128},
		8: {48, 192}, 9: {48, 192}, 10: {64, 256}, 12: {64, 256}}, map[int]bool{2: true, 6: true, 11: true}, 12}
	squeezeV11 = squeezeVersion{3, 64, map[int][2]int{3: {16, 64}, 4: {16, 64}, 6: {32, 128}, 7: {32, 128},
		9: {48, 192}, 10: {48, 192}, 11: {64, 256}, 12: {64, 256}}, map[int]bool{2: true, 5: true, 8: true}, 12}
)

func squeezenet(name string, v squeezeVersion, classes, size int) *graph.Graph {
	b := graph.NewBuilder(name, graph.Shape{H: size, W: size, C: 3})
	b.ConvInit = graph.KaimingUniform(0)
	b.BiasInit = graph.Zero
	x := b.ReLU(b.Conv("features.0", 0, v.width, graph.Window{Kernel: v.kernel, Stride: 2}, true))
	for i := 2; i <= v.last; i++ {
		at := fmt.Sprintf("features.%d", i)
		if v.pools[i] {
			x = b.MaxPool(at, x, graph.Window{Kernel: 3, Stride: 2, Ceil: true})
		} else {
			x = fire(b, at, x, v.fires[i][0], v.fires[i][1])
		}
	}
	x = b.Dropout("classifier.0", x, 0.5)
	b.ConvInit = func(int, int) graph.Init { return graph.Init{Dist: graph.Normal, V: 0.01} }
	x = b.ReLU(b.Conv("classifier.1", x, classes, graph.Window{Kernel: 1, Stride: 1}, true))
	return b.Graph(b.GlobalAvgPool("classifier.3", x), "classifier.1")
}

// fire squeezes the channels by a 1x1 convolution and expands them by 1x1 and 3x3 side by side.
func fire(b *graph.Builder, name string, x, squeeze, expand int) int {
	x = b.ReLU(b.Conv(name+".squeeze", x, squeeze, graph.Window{Kernel: 1, Stride: 1}, true))
	e1 := b.ReLU(b.Conv(name+".expand1x1", x, expand, graph.Window{Kernel: 1, Stride: 1}, true))
	e3 := b.ReLU(b.Conv(name+".expand3x3", x, expand, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, true))
	return b.Concat(name, e1, e3)
}

package model

import (
	"fmt"

	"graft/internal/graph"
)

// RegNet: Radosavovic, Kosaraju, Girshick, He, Dollár, "Designing Network Design
// Spaces", 2020 (arXiv:2003.13678), as torchvision builds the Y form of 400
// MFLOP: bottlenecks that do not narrow, their 3x3 convolutions in groups of 8
// channels, with squeeze-excitation.

func init() {
	register(&Model{Name: "regnet_y_400mf", Paper: "Radosavovic et al. 2020, arXiv:2003.13678", Size: 224, Classes: 1000,
		Build: regnetY400MF,
		Weights: []Weights{
			published("imagenet1k_v1", "regnet_y_400mf-c65dace8.pth", 16_806_000, 74.046, 256),
			published("imagenet1k_v2", "regnet_y_400mf-e6988f5f.pth", 16_806_000, 75.804, 232)}})
}

func regnetY400MF(classes, size int) *graph.Graph {
	b := mobileBuilder("regnet_y_400mf", size)
	x := convNormed(b, "stem", 0, 32, 3, 2, 1, graph.ReLU)
	// Widths as the paper's rule quantises them: 48 + 27.89 i by powers of 2.09.
	for i, s := range []struct{ width, blocks int }{{48, 1}, {104, 3}, {208, 6}, {440, 6}} {
		for j := range s.blocks {
			x = regnetBlock(b, fmt.Sprintf("trunk_output.block%d.block%d-%d", i+1, i+1, j), x, s.width, 2-min(j, 1))
		}
	}
	return b.Graph(b.Linear("fc", b.GlobalAvgPool("avgpool", x), classes), "fc")
}

func regnetBlock(b *graph.Builder, name string, x, width, stride int) int {
	in, skip := b.Out(x).C, x
	if in != width || stride != 1 {
		skip = convNormed(b, name+".proj", x, width, 1, stride, 1, graph.Input)
	}
	y := convNormed(b, name+".f.a", x, width, 1, 1, 1, graph.ReLU)
	y = convNormed(b, name+".f.b", y, width, 3, stride, width/8, graph.ReLU)
	y = squeezeExcite(b, name+".f.se", y, inverted{squeeze: (in + 2) / 4, squeezeAct: graph.ReLU, scaleAct: graph.Sigmoid})
	y = convNormed(b, name+".f.c", y, width, 1, 1, 1, graph.Input)
	return b.ReLU(b.Add(name+".add", y, skip))
}

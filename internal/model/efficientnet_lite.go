package model

import (
	"fmt"

	"graft/internal/graph"
)

// EfficientNet-Lite0: Liu, "Higher accuracy on vision models with
// EfficientNet-Lite", 2020: EfficientNet-B0 without squeeze-excitation, with
// ReLU6, its stem and head not scaled. Parameters have timm's names. timm has it
// twice: tf_efficientnet_lite0 takes Google's weights, with TensorFlow's padding
// and epsilon; efficientnet_lite0 was trained in PyTorch.

const litePaper = "Liu 2020, EfficientNet-Lite; Tan, Le 2019, arXiv:1905.11946"

func init() {
	for _, m := range []struct {
		name, tag, origin, file string
		top1                    float64
		same                    bool
		mean, std               [3]float32
	}{
		{"tf_efficientnet_lite0", "in1k", "Google, by way of timm", "tf_efficientnet_lite0-0aa007d2.pth", 74.8, true,
			[3]float32{0.5, 0.5, 0.5}, [3]float32{0.5, 0.5, 0.5}},
		{"efficientnet_lite0", "ra_in1k", "timm", "efficientnet_lite0_ra-37913777.pth", 75.5, false,
			[3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}},
	} {
		w := published(m.tag, m.file, 0, m.top1, 256)
		w.Origin, w.Licence = m.origin, "Apache-2.0"
		w.File.URL = "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/" + m.file
		w.Preprocess.Interpolation, w.Preprocess.Mean, w.Preprocess.Std = "bicubic", m.mean, m.std
		register(&Model{Name: m.name, Paper: litePaper, Size: 224, Classes: 1000, Weights: []Weights{w},
			Build: func(classes, size int) *graph.Graph { return efficientnetLite0(m.name, m.same, classes, size) }})
	}
}

// A lite builds EfficientNet-Lite's parts: convolution, BatchNorm and ReLU6.
type lite struct {
	*graph.Builder
	same bool // TensorFlow's padding
}

func (b lite) conv(name, norm string, x, out, kernel, stride, groups int, act bool) int {
	w := graph.Window{Kernel: kernel, Stride: stride, Pad: kernel / 2, Groups: groups, Same: b.same}
	x = b.BatchNorm(norm, b.Conv(name, x, out, w, false))
	if act {
		x = b.Activation(graph.ReLU6, x)
	}
	return x
}

func efficientnetLite0(name string, same bool, classes, size int) *graph.Graph {
	const drop, blocks = 0.2, 16 // stochastic depth grows in a straight line
	b := lite{mobileBuilder(name, size), same}
	if same {
		b.NormEps, b.NormDecay = 0.001, 0.01
	}
	x := b.conv("conv_stem", "bn1", 0, 32, 3, 2, 1, true)
	block := 0
	for stage, s := range efficientB0 {
		for i := range s.blocks {
			part, in, stride := fmt.Sprintf("blocks.%d.%d.", stage, i), x, 1
			if i == 0 {
				stride = s.stride
			}
			wide := s.expand * b.Out(x).C
			if s.expand == 1 { // depthwise separable, with a numbering of its own
				x = b.conv(part+"conv_dw", part+"bn1", x, wide, s.kernel, stride, wide, true)
				x = b.conv(part+"conv_pw", part+"bn2", x, s.out, 1, 1, 1, false)
			} else {
				x = b.conv(part+"conv_pw", part+"bn1", x, wide, 1, 1, 1, true)
				x = b.conv(part+"conv_dw", part+"bn2", x, wide, s.kernel, stride, wide, true)
				x = b.conv(part+"conv_pwl", part+"bn3", x, s.out, 1, 1, 1, false)
			}
			if b.Out(x) == b.Out(in) {
				if block > 0 {
					x = b.StochasticDepth(part+"drop_path", x, drop*float64(block)/blocks)
				}
				x = b.Add(part+"add", x, in)
			}
			block++
		}
	}
	x = b.conv("conv_head", "bn2", x, 1280, 1, 1, 1, true)
	x = b.Dropout("dropout", b.GlobalAvgPool("global_pool", x), 0.2)
	return b.Graph(b.Linear("classifier", x, classes), "classifier")
}

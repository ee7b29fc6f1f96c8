package model

import (
	"fmt"

	"graft/internal/graph"
)

// Mobile networks of inverted residuals: a 1x1 convolution widens, a depthwise
// one looks around, a 1x1 without activation narrows. MobileNetV2: Sandler,
// Howard, Zhu, Zhmoginov, Chen 2018; MobileNetV3: Howard et al. 2019, with
// squeeze-excitation (Hu, Shen, Sun 2018) and hard-swish; as torchvision builds
// them, with its indices inside `features` and `block`.

const (
	mobilenetV2Paper = "Sandler et al. 2018, arXiv:1801.04381"
	mobilenetV3Paper = "Howard et al. 2019, arXiv:1905.02244"
)

func init() {
	register(&Model{Name: "mobilenet_v2", Paper: mobilenetV2Paper, Size: 224, Classes: 1000, Build: mobilenetV2,
		Weights: []Weights{
			published("imagenet1k_v1", "mobilenet_v2-b0353104.pth", 13_555_000, 71.878, 256),
			published("imagenet1k_v2", "mobilenet_v2-7ebf99e0.pth", 13_598_000, 72.154, 232)}})
	register(&Model{Name: "mobilenet_v3_small", Paper: mobilenetV3Paper, Size: 224, Classes: 1000,
		Build: func(classes, size int) *graph.Graph {
			return mobilenetV3("mobilenet_v3_small", mobilenetV3Small, 1024, classes, size)
		},
		Weights: []Weights{
			published("imagenet1k_v1", "mobilenet_v3_small-047dcff4.pth", 9_829_000, 67.668, 256)}})
	register(&Model{Name: "mobilenet_v3_large", Paper: mobilenetV3Paper, Size: 224, Classes: 1000,
		Build: func(classes, size int) *graph.Graph {
			return mobilenetV3("mobilenet_v3_large", mobilenetV3Large, 1280, classes, size)
		},
		Weights: []Weights{
			published("imagenet1k_v1", "mobilenet_v3_large-8738ca79.pth", 21_114_000, 74.042, 256),
			published("imagenet1k_v2", "mobilenet_v3_large-5c1a4163.pth", 21_107_000, 75.274, 232)}})
}

// An inverted is an inverted residual block.
type inverted struct {
	kernel, wide, out, stride int
	squeeze                   int // width of the squeeze-excitation, 0 for none
	act, squeezeAct, scaleAct graph.Op
	drop                      float64 // stochastic depth
}

// convNormed is torchvision.ops.Conv2dNormActivation: convolution 0, BatchNorm 1,
// activation unless op is Input.
func convNormed(b *graph.Builder, name string, x, out, kernel, stride, groups int, op graph.Op) int {
	w := graph.Window{Kernel: kernel, Stride: stride, Pad: (kernel - 1) / 2, Groups: groups}
	x = b.BatchNorm(name+".1", b.Conv(name+".0", x, out, w, false))
	if op != graph.Input {
		x = b.Activation(op, x)
	}
	return x
}

// squeezeExcite is torchvision.ops.SqueezeExcitation: every channel is scaled by
// a function of all channels' means.
func squeezeExcite(b *graph.Builder, name string, x int, v inverted) int {
	one := graph.Window{Kernel: 1, Stride: 1}
	c := b.Out(x).C
	s := b.GlobalAvgPool(name+".avgpool", x)
	s = b.Activation(v.squeezeAct, b.Conv(name+".fc1", s, v.squeeze, one, true))
	s = b.Activation(v.scaleAct, b.Conv(name+".fc2", s, c, one, true))
	return b.Mul(name, x, s)
}

// build adds the block; part names its parts, in torchvision's numbering.
func (v inverted) build(b *graph.Builder, name, part string, x int) int {
	in, i := x, 0
	next := func() string {
		i++
		return fmt.Sprintf("%s.%s.%d", name, part, i-1)
	}
	if v.wide != b.Out(in).C {
		x = convNormed(b, next(), x, v.wide, 1, 1, 1, v.act)
	}
	x = convNormed(b, next(), x, v.wide, v.kernel, v.stride, v.wide, v.act)
	if v.squeeze > 0 {
		x = squeezeExcite(b, next(), x, v)
	}
	x = convNormed(b, next(), x, v.out, 1, 1, 1, graph.Input)
	if v.stride != 1 || b.Out(in) != b.Out(x) {
		return x
	}
	if v.drop > 0 {
		x = b.StochasticDepth(name+".stochastic_depth", x, v.drop)
	}
	return b.Add(name+".add", x, in)
}

func mobilenetV2(classes, size int) *graph.Graph {
	b := mobileBuilder("mobilenet_v2", size)
	x := convNormed(b, "features.0", 0, 32, 3, 2, 1, graph.ReLU6)
	at := 1
	for _, s := range []struct{ expand, out, blocks, stride int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range s.blocks {
			v := inverted{kernel: 3, wide: s.expand * b.Out(x).C, out: s.out, stride: 1, act: graph.ReLU6}
			if i == 0 {
				v.stride = s.stride
			}
			x = v.buildV2(b, fmt.Sprintf("features.%d", at), x)
			at++
		}
	}
	x = convNormed(b, "features.18", x, 1280, 1, 1, 1, graph.ReLU6)
	x = b.Dropout("classifier.0", b.GlobalAvgPool("avgpool", x), 0.2)
	return b.Graph(b.Linear("classifier.1", x, classes), "classifier.1")
}

// buildV2 adds the block as MobileNetV2 names it: the last convolution and its
// BatchNorm stand beside the other parts, not in one of their own.
func (v inverted) buildV2(b *graph.Builder, name string, x int) int {
	in, i := x, 0
	if v.wide != b.Out(in).C {
		x = convNormed(b, name+".conv.0", x, v.wide, 1, 1, 1, v.act)
		i++
	}
	x = convNormed(b, fmt.Sprintf("%s.conv.%d", name, i), x, v.wide, v.kernel, v.stride, v.wide, v.act)
	x = b.Conv(fmt.Sprintf("%s.conv.%d", name, i+1), x, v.out, graph.Window{Kernel: 1, Stride: 1}, false)
	x = b.BatchNorm(fmt.Sprintf("%s.conv.%d", name, i+2), x)
	if b.Out(in) != b.Out(x) {
		return x
	}
	return b.Add(name+".add", x, in)
}

const (
	re = graph.ReLU
	hs = graph.HardSwish
)

var (
	mobilenetV3Large = []inverted{
		{3, 16, 16, 1, 0, re, 0, 0, 0}, {3, 64, 24, 2, 0, re, 0, 0, 0}, {3, 72, 24, 1, 0, re, 0, 0, 0},
		{5, 72, 40, 2, 24, re, 0, 0, 0}, {5, 120, 40, 1, 32, re, 0, 0, 0}, {5, 120, 40, 1, 32, re, 0, 0, 0},
		{3, 240, 80, 2, 0, hs, 0, 0, 0}, {3, 200, 80, 1, 0, hs, 0, 0, 0}, {3, 184, 80, 1, 0, hs, 0, 0, 0}, {3, 184, 80, 1, 0, hs, 0, 0, 0},
		{3, 480, 112, 1, 120, hs, 0, 0, 0}, {3, 672, 112, 1, 168, hs, 0, 0, 0},
		{5, 672, 160, 2, 168, hs, 0, 0, 0}, {5, 960, 160, 1, 240, hs, 0, 0, 0}, {5, 960, 160, 1, 240, hs, 0, 0, 0},
	}
	mobilenetV3Small = []inverted{
		{3, 16, 16, 2, 8, re, 0, 0, 0}, {3, 72, 24, 2, 0, re, 0, 0, 0}, {3, 88, 24, 1, 0, re, 0, 0, 0},
		{5, 96, 40, 2, 24, hs, 0, 0, 0}, {5, 240, 40, 1, 64, hs, 0, 0, 0}, {5, 240, 40, 1, 64, hs, 0, 0, 0},
		{5, 120, 48, 1, 32, hs, 0, 0, 0}, {5, 144, 48, 1, 40, hs, 0, 0, 0},
		{5, 288, 96, 2, 72, hs, 0, 0, 0}, {5, 576, 96, 1, 144, hs, 0, 0, 0}, {5, 576, 96, 1, 144, hs, 0, 0, 0},
	}
)

func mobilenetV3(name string, blocks []inverted, last, classes, size int) *graph.Graph {
	b := mobileBuilder(name, size)
	b.NormEps, b.NormDecay = 0.001, 0.01
	x := convNormed(b, "features.0", 0, 16, 3, 2, 1, hs)
	for i, v := range blocks {
		v.squeezeAct, v.scaleAct = graph.ReLU, graph.HardSigmoid
		x = v.build(b, fmt.Sprintf("features.%d", i+1), "block", x)
	}
	x = convNormed(b, fmt.Sprintf("features.%d", len(blocks)+1), x, 6*b.Out(x).C, 1, 1, 1, hs)
	x = b.Activation(hs, b.Linear("classifier.0", b.GlobalAvgPool("avgpool", x), last))
	x = b.Dropout("classifier.2", x, 0.2)
	return b.Graph(b.Linear("classifier.3", x, classes), "classifier.3")
}

// mobileBuilder has the mobile networks' initial values.
func mobileBuilder(name string, size int) *graph.Builder {
	b := graph.NewBuilder(name, graph.Shape{H: size, W: size, C: 3})
	b.ConvInit = graph.KaimingNormalFanOut
	b.LinearInit = func(int, int) graph.Init { return graph.Init{Dist: graph.Normal, V: 0.01} }
	b.BiasInit = graph.Zero
	return b
}

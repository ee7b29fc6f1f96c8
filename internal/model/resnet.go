package model

import (
	"fmt"

	"graft/internal/fetch"
	"graft/internal/graph"
	"graft/internal/transform"
)

// Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image
// Recognition", 2015 (arXiv:1512.03385), as torchvision builds them: the
// stride of a bottleneck is in its 3x3 convolution. ResNeXt (Xie, Girshick,
// Dollár, Tu, He 2016) cuts that convolution into groups; Wide ResNet
// (Zagoruyko, Komodakis 2016) widens it.

const (
	resnetPaper     = "He et al. 2015, arXiv:1512.03385"
	resnextPaper    = "Xie et al. 2016, arXiv:1611.05431"
	wideResnetPaper = "Zagoruyko, Komodakis 2016, arXiv:1605.07146"
)

// A residual is what tells one residual network from another.
type residual struct {
	name       string
	paper      string
	bottleneck bool
	blocks     [4]int // a stage
	groups     int    // of a bottleneck's 3x3 convolution
	width      int    // of a group of it, in the first stage
	weights    []Weights
}

func init() {
	for _, r := range []residual{
		{"resnet18", resnetPaper, false, [4]int{2, 2, 2, 2}, 1, 64, []Weights{
			published("imagenet1k_v1", "resnet18-f37072fd.pth", 44_661_000, 69.758, 256)}},
		{"resnet34", resnetPaper, false, [4]int{3, 4, 6, 3}, 1, 64, []Weights{
			published("imagenet1k_v1", "resnet34-b627a593.pth", 83_275_000, 73.314, 256)}},
		{"resnet50", resnetPaper, true, [4]int{3, 4, 6, 3}, 1, 64, []Weights{
			published("imagenet1k_v1", "resnet50-0676ba61.pth", 97_781_000, 76.130, 256),
			published("imagenet1k_v2", "resnet50-11ad3fa6.pth", 97_790_000, 80.858, 232)}},
		{"resnet101", resnetPaper, true, [4]int{3, 4, 23, 3}, 1, 64, []Weights{
			published("imagenet1k_v1", "resnet101-63fe2227.pth", 170_511_000, 77.374, 256),
			published("imagenet1k_v2", "resnet101-cd907fc2.pth", 170_530_000, 81.886, 232)}},
		{"resnet152", resnetPaper, true, [4]int{3, 8, 36, 3}, 1, 64, []Weights{
			published("imagenet1k_v1", "resnet152-394f9c45.pth", 230_434_000, 78.312, 256),
			published("imagenet1k_v2", "resnet152-f82ba261.pth", 230_474_000, 82.284, 232)}},
		{"resnext50_32x4d", resnextPaper, true, [4]int{3, 4, 6, 3}, 32, 4, []Weights{
			published("imagenet1k_v1", "resnext50_32x4d-7cdf4587.pth", 95_789_000, 77.618, 256),
			published("imagenet1k_v2", "resnext50_32x4d-1a0047aa.pth", 95_833_000, 81.198, 232)}},
		{"wide_resnet50_2", wideResnetPaper, true, [4]int{3, 4, 6, 3}, 1, 128, []Weights{
			published("imagenet1k_v1", "wide_resnet50_2-95faca4d.pth", 131_820_000, 78.468, 256),
			published("imagenet1k_v2", "wide_resnet50_2-9ba9bcbe.pth", 263_124_000, 81.602, 232)}},
	} {
		register(&Model{Name: r.name, Paper: r.paper, Size: 224, Classes: 1000, Weights: r.weights, Build: r.build})
	}
	register(&Model{Name: "resnet20", Paper: resnetPaper + ", section 4.2 (CIFAR-10)", Size: 32, Classes: 10,
		Build: cifarResNet20,
		Weights: []Weights{{
			Tag: "cifar10", Origin: "Yerlan Idelbayev, pytorch_resnet_cifar10", Licence: "BSD-2-Clause", Top1: 91.73,
			File: fetch.File{Name: "resnet20-12fca82f.th",
				URL:          "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/resnet20-12fca82f.th",
				SHA256Prefix: "12fca82f"},
			Preprocess: cifar,
		}}})
}

func (r residual) build(classes, size int) *graph.Graph {
	b := graph.NewBuilder(r.name, graph.Shape{H: size, W: size, C: 3})
	b.ConvInit = graph.KaimingNormalFanOut
	x := b.Conv("conv1", 0, 64, graph.Window{Kernel: 7, Stride: 2, Pad: 3}, false)
	x = b.ReLU(b.BatchNorm("bn1", x))
	x = b.MaxPool("maxpool", x, graph.Window{Kernel: 3, Stride: 2, Pad: 1})
	block := basicBlock
	if r.bottleneck {
		block = r.bottleneckBlock
	}
	for layer, n := range r.blocks {
		width, stride := 64<<layer, 2
		if layer == 0 {
			stride = 1
		}
		for i := range n {
			x = block(b, fmt.Sprintf("layer%d.%d", layer+1, i), x, width, stride)
			stride = 1
		}
	}
	x = b.GlobalAvgPool("avgpool", x)
	return b.Graph(b.Linear("fc", x, classes), "fc")
}

func basicBlock(b *graph.Builder, name string, x, width, stride int) int {
	y := b.Conv(name+".conv1", x, width, graph.Window{Kernel: 3, Stride: stride, Pad: 1}, false)
	y = b.ReLU(b.BatchNorm(name+".bn1", y))
	y = b.Conv(name+".conv2", y, width, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, false)
	y = b.BatchNorm(name+".bn2", y)
	return b.ReLU(b.Add(name+".add", y, downsample(b, name, x, width, stride)))
}

func (r residual) bottleneckBlock(b *graph.Builder, name string, x, width, stride int) int {
	inner := width / 64 * r.width * r.groups
	y := b.Conv(name+".conv1", x, inner, graph.Window{Kernel: 1, Stride: 1}, false)
	y = b.ReLU(b.BatchNorm(name+".bn1", y))
	y = b.Conv(name+".conv2", y, inner, graph.Window{Kernel: 3, Stride: stride, Pad: 1, Groups: r.groups}, false)
	y = b.ReLU(b.BatchNorm(name+".bn2", y))
	y = b.Conv(name+".conv3", y, 4*width, graph.Window{Kernel: 1, Stride: 1}, false)
	y = b.BatchNorm(name+".bn3", y)
	return b.ReLU(b.Add(name+".add", y, downsample(b, name, x, 4*width, stride)))
}

// downsample is the shortcut of a block: the input itself where the shapes agree.
func downsample(b *graph.Builder, name string, x, out, stride int) int {
	if stride == 1 && b.Out(x).C == out {
		return x
	}
	s := b.Conv(name+".downsample.0", x, out, graph.Window{Kernel: 1, Stride: stride}, false)
	return b.BatchNorm(name+".downsample.1", s)
}

// cifar is the preprocessing of the CIFAR network: CIFAR-10's own mean and deviation.
var cifar = transform.Preprocess{
	Resize: 32, Crop: 32, Interpolation: "bilinear",
	Mean: [3]float32{0.4914, 0.4822, 0.4465}, Std: [3]float32{0.2470, 0.2435, 0.2616},
	EXIF: "apply",
}

// cifarResNet20 has three stages of three basic blocks, shortcuts without
// parameters (option A), and an output layer called linear.
func cifarResNet20(classes, size int) *graph.Graph {
	b := graph.NewBuilder("resnet20", graph.Shape{H: size, W: size, C: 3})
	b.ConvInit, b.LinearInit = graph.KaimingNormal, graph.KaimingNormal
	x := b.Conv("conv1", 0, 16, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, false)
	x = b.ReLU(b.BatchNorm("bn1", x))
	for layer := range 3 {
		width := 16 << layer
		for i := range 3 {
			name, stride := fmt.Sprintf("layer%d.%d", layer+1, i), 1
			if layer > 0 && i == 0 {
				stride = 2
			}
			y := b.Conv(name+".conv1", x, width, graph.Window{Kernel: 3, Stride: stride, Pad: 1}, false)
			y = b.ReLU(b.BatchNorm(name+".bn1", y))
			y = b.Conv(name+".conv2", y, width, graph.Window{Kernel: 3, Stride: 1, Pad: 1}, false)
			y = b.BatchNorm(name+".bn2", y)
			if stride != 1 {
				x = b.Shortcut(name+".shortcut", x, width, stride)
			}
			x = b.ReLU(b.Add(name+".add", y, x))
		}
	}
	x = b.GlobalAvgPool("avgpool", x)
	return b.Graph(b.Linear("linear", x, classes), "linear")
}

package model

import (
	"fmt"

	"graft/internal/fetch"
	"graft/internal/graph"
	"graft/internal/transform"
)

// Residual networks: He, Zhang, Ren, Sun, "Deep Residual Learning for Image
// Recognition", 2015 (arXiv:1512.03385), as torchvision builds them: the
// stride of a bottleneck is in its 3x3 convolution.

const resnetPaper = "He et al. 2015, arXiv:1512.03385"

func init() {
	for _, r := range []struct {
		name       string
		bottleneck bool
		blocks     [4]int
		weights    []Weights
	}{
		{"resnet18", false, [4]int{2, 2, 2, 2}, []Weights{
			published("imagenet1k_v1", "resnet18-f37072fd.pth", 44_661_000, 69.758, 256)}},
		{"resnet34", false, [4]int{3, 4, 6, 3}, []Weights{
			published("imagenet1k_v1", "resnet34-b627a593.pth", 83_275_000, 73.314, 256)}},
		{"resnet50", true, [4]int{3, 4, 6, 3}, []Weights{
			published("imagenet1k_v1", "resnet50-0676ba61.pth", 97_781_000, 76.130, 256),
			published("imagenet1k_v2", "resnet50-11ad3fa6.pth", 97_790_000, 80.858, 232)}},
		{"resnet101", true, [4]int{3, 4, 23, 3}, []Weights{
			published("imagenet1k_v1", "resnet101-63fe2227.pth", 170_511_000, 77.374, 256),
			published("imagenet1k_v2", "resnet101-cd907fc2.pth", 170_530_000, 81.886, 232)}},
		{"resnet152", true, [4]int{3, 8, 36, 3}, []Weights{
			published("imagenet1k_v1", "resnet152-394f9c45.pth", 230_434_000, 78.312, 256),
			published("imagenet1k_v2", "resnet152-f82ba261.pth", 230_474_000, 82.284, 232)}},
	} {
		register(&Model{Name: r.name, Paper: resnetPaper, Size: 224, Classes: 1000, Weights: r.weights,
			Build: func(classes, size int) *graph.Graph {
				return resnet(r.name, r.bottleneck, r.blocks, classes, size)
			}})
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

func resnet(name string, bottleneck bool, blocks [4]int, classes, size int) *graph.Graph {
	b := graph.NewBuilder(name, graph.Shape{H: size, W: size, C: 3})
	b.ConvInit = graph.KaimingNormalFanOut
	x := b.Conv("conv1", 0, 64, graph.Window{Kernel: 7, Stride: 2, Pad: 3}, false)
	x = b.ReLU(b.BatchNorm("bn1", x))
	x = b.MaxPool("maxpool", x, graph.Window{Kernel: 3, Stride: 2, Pad: 1})
	block := basicBlock
	if bottleneck {
		block = bottleneckBlock
	}
	for layer, n := range blocks {
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

func bottleneckBlock(b *graph.Builder, name string, x, width, stride int) int {
	y := b.Conv(name+".conv1", x, width, graph.Window{Kernel: 1, Stride: 1}, false)
	y = b.ReLU(b.BatchNorm(name+".bn1", y))
	y = b.Conv(name+".conv2", y, width, graph.Window{Kernel: 3, Stride: stride, Pad: 1}, false)
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

package model

import (
	"fmt"
	"math"

	"graft/internal/graph"
)

// Vision Transformer: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021
// (arXiv:2010.11929), as torchvision builds B/16: patches of 16x16 as tokens
// behind a class token, 12 layers of attention and of two linear layers with
// GELU, each behind a layer norm.

func init() {
	register(&Model{Name: "vit_b_16", Paper: "Dosovitskiy et al. 2021, arXiv:2010.11929", Size: 224, Classes: 1000, Build: vitB16,
		Weights: []Weights{published("imagenet1k_v1", "vit_b_16-c867db91.pth", 330_285_000, 81.072, 256)}})
}

func vitB16(classes, size int) *graph.Graph {
	const width, patch, layers, heads, eps = 768, 16, 12, 12, 1e-6
	b := transformerBuilder("vit_b_16", size)
	b.ConvInit = func(fanIn, _ int) graph.Init { return graph.Init{Dist: graph.Normal, V: math.Sqrt(1 / float64(fanIn))} }
	b.LinearInit = func(in, out int) graph.Init { // Xavier
		return graph.Init{Dist: graph.Uniform, V: math.Sqrt(6 / float64(in+out))}
	}
	x := b.Conv("conv_proj", 0, width, graph.Window{Kernel: patch, Stride: patch}, true)
	x = b.Tokens("tokens", "class_token", "encoder.pos_embedding", x)
	for i := range layers {
		name := fmt.Sprintf("encoder.layers.encoder_layer_%d", i)
		attention := name + ".self_attention"
		y := b.LayerNorm(name+".ln_1", x, eps)
		y = b.LinearNamed(attention+".in_proj", attention+".in_proj_weight", attention+".in_proj_bias", y, 3*width)
		y = b.Linear(attention+".out_proj", b.Attention(attention, y, heads), width)
		x = b.Add(name+".add_1", y, x)
		y = b.Linear(name+".mlp.0", b.LayerNorm(name+".ln_2", x, eps), 4*width)
		y = b.Linear(name+".mlp.3", b.Activation(graph.GELU, y), width)
		x = b.Add(name+".add_2", y, x)
	}
	x = b.LayerNorm("encoder.ln", b.FirstToken("encoder.token", x), eps) // the others are not looked at
	return b.Graph(b.Linear("heads.head", x, classes), "heads.head")
}

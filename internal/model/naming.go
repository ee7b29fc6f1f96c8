package model

import (
	"fmt"
	"strings"

	"graft/internal/graph"
	"graft/internal/weights"
)

// Published files name the same parameters in more than one way. A naming gives
// the name that others use for a parameter of ours, which is torchvision's (or
// timm's, in a family that only timm has); "" where it has none.
type naming func(ours string) string

// namings are those known for an architecture, by its name here.
var namings = map[string][]naming{
	"mobilenet_v2":          {timmMobileNetV2},
	"efficientnet_b0":       {timmEfficientNet},
	"regnet_y_400mf":        {timmRegNet},
	"tf_efficientnet_lite0": {lukemelas},
	"convnext_tiny":         {timmConvNeXt},
	"vit_b_16":              {timmViT, oldTorchvisionViT},
}

// renamed is source with our names if its own are those of a known naming, else
// source as it is. A tensor of other dimensions but as many values takes ours.
func renamed(g *graph.Graph, source *weights.StateDict) *weights.StateDict {
	for _, theirs := range namings[g.Name] {
		if uses(source, g, theirs) {
			var list []weights.Renaming
			for i, p := range g.Params {
				list = append(list, weights.Renaming{From: theirs(p.Name), To: weights.Spec{Name: p.Name, Shape: p.Shape}, AnyShape: g.InHead(i)})
			}
			return source.Rename(list)
		}
	}
	return source
}

// uses reports whether the file has every name that a naming gives to a parameter.
func uses(source *weights.StateDict, g *graph.Graph, theirs naming) bool {
	for _, p := range g.Params {
		if _, ok := source.Get(theirs(p.Name)); !ok {
			return false
		}
	}
	return true
}

// replace cuts the first of the listed prefixes that fits off a name and puts the other in its place.
func replace(name string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if rest, ok := strings.CutPrefix(name, pairs[i]); ok && (rest == "" || rest[0] == '.' || strings.HasSuffix(pairs[i], ".")) {
			return pairs[i+1] + rest
		}
	}
	return ""
}

// block splits PREFIX.A.B.REST into its numbers and the rest.
func block(name, prefix string) (a, b int, rest string, ok bool) {
	if n, _ := fmt.Sscanf(name, prefix+".%d.%d.%s", &a, &b, &rest); n == 3 {
		return a, b, rest, true
	}
	return 0, 0, "", false
}

// lukemelas is EfficientNet-PyTorch's naming of what timm calls otherwise; blocks
// are numbered through.
func lukemelas(ours string) string {
	stage, i, rest, ok := block(ours, "blocks")
	if !ok {
		return replace(ours, "conv_stem", "_conv_stem", "bn1", "_bn0", "conv_head", "_conv_head", "bn2", "_bn1", "classifier", "_fc")
	}
	for _, s := range efficientB0[:stage] {
		i += s.blocks
	}
	part := replace(rest, "conv_pw", "_expand_conv", "bn1", "_bn0", "conv_dw", "_depthwise_conv", "bn2", "_bn1", "conv_pwl", "_project_conv", "bn3", "_bn2")
	if stage == 0 {
		part = replace(rest, "conv_dw", "_depthwise_conv", "bn1", "_bn1", "conv_pw", "_project_conv", "bn2", "_bn2")
	}
	return fmt.Sprintf("_blocks.%d.%s", i, part)
}

// timmInverted names the parts of an inverted residual from torchvision's numbers:
// of three convolutions, or of the two that a block without expansion has.
func timmInverted(rest string, expands bool) string {
	if expands {
		return replace(rest, "0.0", "conv_pw", "0.1", "bn1", "1.0", "conv_dw", "1.1", "bn2",
			"2.fc1", "se.conv_reduce", "2.fc2", "se.conv_expand", "3.0", "conv_pwl", "3.1", "bn3")
	}
	return replace(rest, "0.0", "conv_dw", "0.1", "bn1", "1.fc1", "se.conv_reduce", "1.fc2", "se.conv_expand", "2.0", "conv_pw", "2.1", "bn2")
}

// timmEfficientNet is timm's naming of EfficientNet-B0.
func timmEfficientNet(ours string) string {
	stage, i, rest, ok := block(ours, "features")
	if rest, inBlock := strings.CutPrefix(rest, "block."); ok && inBlock {
		return fmt.Sprintf("blocks.%d.%d.%s", stage-1, i, timmInverted(rest, stage > 1))
	}
	return replace(ours, "features.0.0", "conv_stem", "features.0.1", "bn1", "features.8.0", "conv_head", "features.8.1", "bn2", "classifier.1", "classifier")
}

// timmMobileNetV2 is timm's naming of MobileNetV2, whose blocks torchvision numbers through.
func timmMobileNetV2(ours string) string {
	var k int
	var rest string
	if n, _ := fmt.Sscanf(ours, "features.%d.conv.%s", &k, &rest); n < 2 {
		return replace(ours, "features.0.0", "conv_stem", "features.0.1", "bn1", "features.18.0", "conv_head", "features.18.1", "bn2", "classifier.1", "classifier")
	}
	k--
	stage := 0
	for _, blocks := range []int{1, 2, 3, 4, 3, 3, 1} {
		if k < blocks {
			break
		}
		k -= blocks
		stage++
	}
	part := replace(rest, "0.0", "conv_pw", "0.1", "bn1", "1.0", "conv_dw", "1.1", "bn2", "2", "conv_pwl", "3", "bn3")
	if stage == 0 {
		part = replace(rest, "0.0", "conv_dw", "0.1", "bn1", "1", "conv_pw", "2", "bn2")
	}
	return fmt.Sprintf("blocks.%d.%d.%s", stage, k, part)
}

// timmRegNet is timm's naming of RegNet.
func timmRegNet(ours string) string {
	var stage, i int
	var rest string
	if n, _ := fmt.Sscanf(strings.Replace(ours, "-", ".", 1), "trunk_output.block%d.block%d.%d.%s", &stage, &stage, &i, &rest); n < 4 {
		return replace(ours, "stem.0", "stem.conv", "stem.1", "stem.bn", "fc", "head.fc")
	}
	return fmt.Sprintf("s%d.b%d.%s", stage, i+1, replace(rest, "proj.0", "downsample.conv", "proj.1", "downsample.bn", "f.a.0", "conv1.conv", "f.a.1", "conv1.bn",
		"f.b.0", "conv2.conv", "f.b.1", "conv2.bn", "f.se", "se", "f.c.0", "conv3.conv", "f.c.1", "conv3.bn"))
}

// timmConvNeXt is timm's naming of ConvNeXt, whose stages count their own downsampling.
func timmConvNeXt(ours string) string {
	at, i, rest, ok := block(ours, "features")
	switch {
	case ok && at == 0:
		return fmt.Sprintf("stem.%d.%s", i, rest)
	case ok && at%2 == 0:
		return fmt.Sprintf("stages.%d.downsample.%d.%s", at/2, i, rest)
	case ok:
		part := replace(rest, "block.0", "conv_dw", "block.2", "norm", "block.3", "mlp.fc1", "block.5", "mlp.fc2", "layer_scale", "gamma")
		return fmt.Sprintf("stages.%d.blocks.%d.%s", at/2, i, part)
	}
	return replace(ours, "classifier.0", "head.norm", "classifier.2", "head.fc")
}

// layerOf splits the name of a parameter of a Vision Transformer's layer.
func layerOf(name string) (layer int, rest string, ok bool) {
	n, _ := fmt.Sscanf(name, "encoder.layers.encoder_layer_%d.%s", &layer, &rest)
	return layer, rest, n == 2
}

// timmViT is timm's naming of Vision Transformers.
func timmViT(ours string) string {
	layer, rest, ok := layerOf(ours)
	if !ok {
		return replace(ours, "class_token", "cls_token", "encoder.pos_embedding", "pos_embed", "conv_proj", "patch_embed.proj", "encoder.ln", "norm", "heads.head", "head")
	}
	return fmt.Sprintf("blocks.%d.%s", layer, replace(rest, "ln_1", "norm1", "ln_2", "norm2", "self_attention.in_proj_weight", "attn.qkv.weight",
		"self_attention.in_proj_bias", "attn.qkv.bias", "self_attention.out_proj", "attn.proj", "mlp.0", "mlp.fc1", "mlp.3", "mlp.fc2"))
}

// oldTorchvisionViT is torchvision's before 0.14, in which its files are written.
func oldTorchvisionViT(ours string) string {
	return strings.NewReplacer(".mlp.0.", ".mlp.linear_1.", ".mlp.3.", ".mlp.linear_2.").Replace(ours)
}

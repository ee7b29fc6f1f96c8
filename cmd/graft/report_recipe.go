package main

import (
	"fmt"
	"strings"

	"graft"
)

// recipeLines are every setting of a recipe in words.
func recipeLines(r graft.Recipe, seed uint64) []string {
	rates := fmt.Sprintf("learning rate body %g, output layer %g", r.LR, r.LR*r.HeadLRX)
	if !r.Groups {
		rates = fmt.Sprintf("learning rate %g for all parameters", r.LR)
	}
	loss := "mean"
	if r.Sum {
		loss = "sum"
	}
	lines := []string{fmt.Sprintf("%s: %d epochs, batch %d, loss %s over the batch, %s,", r.Name, r.Epochs, r.Batch, loss, rates)}
	optimiser := fmt.Sprintf("momentum %g", r.Momentum)
	if r.Optimiser == "adamw" {
		optimiser = fmt.Sprintf("adamw with betas %g and %g, eps %g", r.Momentum, r.Beta2, r.Eps)
	} else if r.Nesterov {
		optimiser += " (Nesterov)"
	}
	lines = append(lines, fmt.Sprintf("%s, weight decay %g, seed %d", optimiser, r.WeightDecay, seed))
	lines = append(lines, wrap(techniques(r), 110)...)
	for i, p := range r.Phases {
		lines = append(lines, fmt.Sprintf("phase %d: %s", i+1, phaseText(r, p, i == len(r.Phases)-1)))
	}
	return lines
}

// techniques are the settings that go beyond plain, those in use.
func techniques(r graft.Recipe) []string {
	var on []string
	add := func(is bool, format string, args ...any) {
		if is {
			on = append(on, fmt.Sprintf(format, args...))
		}
	}
	add(r.Schedule != "constant", "schedule %s", r.Schedule)
	add(r.Schedule == "step", "times %g every %d epochs", r.Gamma, r.StepEpochs)
	add(r.Schedule == "plateau", "times %g after %d epochs without a smaller loss", r.Gamma, r.Plateau+1)
	add(r.Warmup > 0, "warm-up %g epochs", r.Warmup)
	add(r.LayerDecay != 0 && r.LayerDecay != 1, "layer decay %g", r.LayerDecay)
	add(!r.NormDecay && r.WeightDecay > 0, "no decay of norms and biases")
	add(r.Accumulate > 1, "gradients of %d batches an update", r.Accumulate)
	add(r.Clip > 0, "gradients clipped at norm %g", r.Clip)
	add(r.EMA > 0, "moving average of weights %g", r.EMA)
	add(r.L2SP > 0, "L2-SP %g", r.L2SP)
	add(r.LabelSmoothing > 0, "label smoothing %g", r.LabelSmoothing)
	if r.Dropout != nil {
		add(true, "dropout %g", *r.Dropout)
	}
	if r.StochDepth != nil {
		add(true, "stochastic depth %g", *r.StochDepth)
	}
	add(r.Mixup > 0, "mixup %g", r.Mixup)
	add(r.Cutmix > 0, "cutmix %g", r.Cutmix)
	add(r.Mixup > 0 || r.Cutmix > 0, "neither in the last %.0f %% of the epochs", 100*r.MixEnd)
	add(r.TrainSize != 0 && r.TrainSize != 1, "training size %g", r.TrainSize)
	add(r.Unfreeze != "", "unfreezing %s", r.Unfreeze)
	add(r.Classes != "", "class weights %s", r.Classes)
	add(r.Balanced, "classes drawn equally often")
	add(r.Validation > 0, "%g %% of the training pictures for validation", 100*r.Validation)
	add(r.Choose == "loss", "chosen by loss")
	add(r.Choose == "last", "the last epoch kept")
	add(r.Patience > 0, "patience %d epochs", r.Patience)
	add(r.TargetAccuracy > 0, "until the held-out accuracy is %g", r.TargetAccuracy)
	add(r.Time > 0, "time %v", r.Time)
	return on
}

func phaseText(r graft.Recipe, p graft.RecipePhase, last bool) string {
	of := r.For(p, last)
	text := fmt.Sprintf("%s, %d epochs, rate %g, output layer %g", p.Name, of.Epochs, of.LR, of.LR*of.HeadLRX)
	if p.Freeze != "" {
		text += ", frozen: " + p.Freeze
	}
	if p.Batches > 0 {
		text += fmt.Sprintf(", %d batches an epoch", p.Batches)
	}
	return text
}

// wrap joins words with commas into lines of about so many letters.
func wrap(words []string, width int) []string {
	var lines []string
	for len(words) > 0 {
		n, length := 0, 0
		for n < len(words) && (n == 0 || length+len(words[n])+2 <= width) {
			length += len(words[n]) + 2
			n++
		}
		lines = append(lines, strings.Join(words[:n], ", "))
		words = words[n:]
	}
	return lines
}

// reusedLine says which classes begin with rows of the old output layer.
func reusedLine(r graft.Reused) string {
	if len(r.Matches) == 0 {
		return "output layer: no class is one of the old output layer's; all begin at random"
	}
	var list []string
	for _, m := range r.Matches {
		list = append(list, m.Class+" as "+strings.Join(m.From, " and "))
	}
	return "output layer: begins with rows of the old one: " + strings.Join(list, ", ")
}

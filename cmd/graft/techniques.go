package main

import (
	"fmt"
	"strconv"

	"graft"

	"github.com/spf13/pflag"
)

// recipeFlags are flags of a recipe's settings, by the names that recipe files use. Those that
// Config has fields for (epochs, lr and so on) are not among them.
func recipeFlags(r *graft.Recipe) *pflag.FlagSet {
	p := pflag.NewFlagSet("techniques", pflag.ContinueOnError)
	p.StringVar(&r.Optimiser, "optimiser", r.Optimiser, "sgd or adamw")
	p.BoolVar(&r.Nesterov, "nesterov", r.Nesterov, "Nesterov's momentum")
	p.Float64Var(&r.Beta2, "beta2", r.Beta2, "of adamw")
	p.Float64Var(&r.Eps, "eps", r.Eps, "of adamw")
	p.StringVar(&r.Schedule, "schedule", r.Schedule, "of the rate: constant, cosine, step, onecycle, plateau")
	p.Float64Var(&r.Warmup, "warmup", r.Warmup, "epochs in which the rate rises")
	p.IntVar(&r.StepEpochs, "step-epochs", r.StepEpochs, "schedule step: epochs between two drops")
	p.IntVar(&r.Plateau, "plateau-epochs", r.Plateau, "schedule plateau: epochs without a smaller loss before a drop")
	p.Float64Var(&r.Gamma, "gamma", r.Gamma, "schedules step and plateau: factor of a drop")
	p.IntVar(&r.Accumulate, "accumulate", r.Accumulate, "batches whose gradients make one update")
	p.Float64Var(&r.Clip, "clip", r.Clip, "largest norm of all gradients together")
	p.Float64Var(&r.EMA, "ema", r.EMA, "decay of the moving average of the weights, which is judged and kept instead of them")
	p.Float64Var(&r.LayerDecay, "layer-decay", r.LayerDecay, "each block learns at the rate of the one behind it times this")
	p.BoolVar(&r.NormDecay, "norm-decay", r.NormDecay, "weight decay of biases and batch norms too")
	p.Float64Var(&r.L2SP, "l2-sp", r.L2SP, "pull of the body toward the weights it began with")
	p.Float64Var(&r.LabelSmoothing, "label-smoothing", r.LabelSmoothing, "share of the label spread over all classes")
	p.Var(optional{&r.Dropout}, "dropout", "probability before the output layer")
	p.Var(optional{&r.StochDepth}, "stochastic-depth", "probability of leaving out the last residual block, falling to 0 at the first")
	p.Float64Var(&r.Mixup, "mixup", r.Mixup, "blend pictures and labels: alpha of Beta(alpha, alpha)")
	p.Float64Var(&r.Cutmix, "cutmix", r.Cutmix, "paste rectangles of other pictures: alpha")
	p.Float64Var(&r.MixEnd, "mix-end", r.MixEnd, "last share of the epochs without mixup and cutmix")
	p.StringVar(&r.Classes, "class-weights", r.Classes, "in the loss: auto (all classes count alike), or NAME=WEIGHT,...")
	p.BoolVar(&r.Balanced, "balanced", r.Balanced, "draw every class equally often")
	p.Float64Var(&r.Validation, "validation", r.Validation, "share of the training pictures that chooses the best epoch (0: the test pictures do)")
	p.StringVar(&r.Choose, "choose", r.Choose, "what the best epoch is chosen by on held-out pictures: accuracy or loss; or last, the last epoch")
	p.IntVar(&r.Patience, "patience", r.Patience, "epochs without a better one before training ends")
	p.Float64Var(&r.TargetAccuracy, "target-accuracy", r.TargetAccuracy, "held-out accuracy at which training ends")
	p.DurationVar(&r.Time, "time", r.Time, "how long to train, as 5m: the schedule fits it")
	p.Float64Var(&r.TrainSize, "train-size", r.TrainSize, "side of the squares that the whole network learns from, as a share of --image-size: 0.86 makes 192 of 224")
	p.StringVar(&r.Unfreeze, "unfreeze", r.Unfreeze, "thaw from the output layer down, as \"3:75%,5:50%,8:none\": EPOCH:FROZEN, what stays frozen after it, as --freeze (+ between names)")
	p.StringVar(&r.ReuseHead, "reuse-head", r.ReuseHead, "rows of the old output layer for classes of the same name: auto, none, or a FILE of name=old name lines")
	return p
}

// An optional is a flag for a number that may be left to the network.
type optional struct{ to **float64 }

func (o optional) String() string {
	if o.to == nil || *o.to == nil {
		return ""
	}
	return fmt.Sprint(**o.to)
}

func (o optional) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	*o.to = &v
	return err
}

func (o optional) Type() string { return "float" }

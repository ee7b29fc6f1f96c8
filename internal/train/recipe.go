package train

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Recipe is the settings of a training run as data: what a recipe file, the
// flags of the same names and a run's config.json have.
type Recipe struct {
	Name  string `toml:"-" json:"name"`
	About string `toml:"about" json:"about,omitempty"` // a line for people

	Epochs     int `toml:"epochs" json:"epochs"` // of the phases that have none of their own
	Batch      int `toml:"batch" json:"batch"`
	Accumulate int `toml:"accumulate" json:"accumulate,omitempty"` // batches whose gradients make one update; 0 is 1

	LR         float64 `toml:"lr" json:"lr"`
	HeadLRX    float64 `toml:"head-lr-x" json:"head_lr_x"`                     // the output layer learns at LR times this
	LayerDecay float64 `toml:"layer-decay" json:"layer_decay,omitempty"`       // each block learns at the rate of the one behind it times this; 0 is 1
	Groups     bool    `toml:"param-groups" json:"param_groups"`               // false: one rate for all parameters
	Schedule   string  `toml:"schedule" json:"schedule"`                       // see Schedules
	Warmup     float64 `toml:"warmup" json:"warmup,omitempty"`                 // epochs in which the rate rises from a hundredth
	StepEpochs int     `toml:"step-epochs" json:"step_epochs,omitempty"`       // schedule step: epochs between two drops
	Gamma      float64 `toml:"gamma" json:"gamma,omitempty"`                   // schedules step and plateau: what a drop multiplies the rate by
	Plateau    int     `toml:"plateau-epochs" json:"plateau_epochs,omitempty"` // schedule plateau: epochs without a smaller held-out loss before a drop

	Optimiser string  `toml:"optimiser" json:"optimiser"`         // sgd or adamw
	Momentum  float64 `toml:"momentum" json:"momentum"`           // of adamw beta1
	Nesterov  bool    `toml:"nesterov" json:"nesterov,omitempty"` // sgd
	Beta2     float64 `toml:"beta2" json:"beta2,omitempty"`       // adamw
	Eps       float64 `toml:"eps" json:"eps,omitempty"`           // adamw
	Clip      float64 `toml:"clip" json:"clip,omitempty"`         // the most that the norm of all gradients may be; 0 is no limit
	EMA       float64 `toml:"ema" json:"ema,omitempty"`           // decay of the moving average of the weights, which is then what is judged and kept

	WeightDecay    float64  `toml:"weight-decay" json:"weight_decay"`
	NormDecay      bool     `toml:"norm-decay" json:"norm_decay"` // decay biases and batch norms too
	L2SP           float64  `toml:"l2-sp" json:"l2_sp,omitempty"` // pull of the body toward the weights it began with
	LabelSmoothing float64  `toml:"label-smoothing" json:"label_smoothing,omitempty"`
	Dropout        *float64 `toml:"dropout" json:"dropout,omitempty"`                   // before the output layer; nil is the network's own
	StochDepth     *float64 `toml:"stochastic-depth" json:"stochastic_depth,omitempty"` // of the last block, falling to 0 at the first; nil is the network's own
	Sum            bool     `toml:"sum-loss" json:"sum_loss,omitempty"`                 // the loss is summed over the batch instead of averaged

	Mixup     float64 `toml:"mixup" json:"mixup,omitempty"`           // alpha of Beta(alpha, alpha); 0 is none
	Cutmix    float64 `toml:"cutmix" json:"cutmix,omitempty"`         // likewise; with both, one of them by chance
	MixEnd    float64 `toml:"mix-end" json:"mix_end,omitempty"`       // last share of a phase's epochs without either
	Balanced  bool    `toml:"balanced" json:"balanced,omitempty"`     // every class is drawn equally often
	Classes   string  `toml:"class-weights" json:"class_weights"`     // "", auto, or name=weight,...
	ReuseHead string  `toml:"reuse-head" json:"reuse_head,omitempty"` // auto, none or a file

	Validation     float64       `toml:"validation" json:"validation,omitempty"`           // share of the training pictures that chooses the epoch; 0 is none
	Choose         string        `toml:"choose" json:"choose,omitempty"`                   // what the best epoch is by: "accuracy" (or ""), "loss" or "last"; see better
	Patience       int           `toml:"patience" json:"patience,omitempty"`               // epochs without one better than the phase's best before it ends; 0 is all
	TargetAccuracy float64       `toml:"target-accuracy" json:"target_accuracy,omitempty"` // held-out accuracy that ends the run; 0 is none
	Time           time.Duration `toml:"time" json:"time,omitempty"`                       // for training; the schedule fits it. 0 is no limit

	Augment string `toml:"augment" json:"augment,omitempty"` // what happens to training pictures, as --augment
	Crop    string `toml:"crop" json:"crop,omitempty"`       // how pictures become squares, as --crop

	TrainSize float64 `toml:"train-size" json:"train_size,omitempty"` // side of the squares that a network learns from where all of it does, over the one it is judged and used at; 0 is 1

	Unfreeze string   `toml:"unfreeze" json:"unfreeze,omitempty"` // stages instead of Phases: "EPOCH:FROZEN,..."; see Stages
	Phases   []Phased `toml:"phase" json:"phases,omitempty"`      // none is one phase of the whole
}

// A Phased is a phase of a recipe: the part of a run in which the same parameters learn.
type Phased struct {
	Name           string   `toml:"name" json:"name"`
	Freeze         string   `toml:"freeze" json:"freeze,omitempty"`                   // as --freeze, or a share of the network's work, as 75%
	Epochs         int      `toml:"epochs" json:"epochs,omitempty"`                   // 0 is the recipe's
	LRX            float64  `toml:"lr-x" json:"lr_x,omitempty"`                       // the recipe's rate times this; 0 is 1
	HeadLRX        float64  `toml:"head-lr-x" json:"head_lr_x,omitempty"`             // 0 is the recipe's
	Patience       int      `toml:"patience" json:"patience,omitempty"`               // of a phase but the last, which has the recipe's
	LabelSmoothing *float64 `toml:"label-smoothing" json:"label_smoothing,omitempty"` // nil is the recipe's
	EMA            bool     `toml:"ema" json:"ema,omitempty"`                         // keep the recipe's average in this phase; the last phase always does
	Batches        int      `toml:"batches" json:"batches,omitempty"`                 // the most steps of an epoch; 0 is all
	TrainSize      float64  `toml:"train-size" json:"train_size,omitempty"`           // 0 is the recipe's
}

// For is the recipe of a phase; last says that it is the last one.
func (r Recipe) For(p Phased, last bool) Recipe {
	if p.Epochs > 0 {
		r.Epochs = p.Epochs
	}
	if p.LRX > 0 {
		r.LR *= p.LRX
	}
	if p.HeadLRX > 0 {
		r.HeadLRX = p.HeadLRX
	}
	if !last {
		r.Patience = p.Patience
	}
	if !last && !p.EMA {
		r.EMA = 0
	}
	if p.TrainSize > 0 {
		r.TrainSize = p.TrainSize
	}
	if p.LabelSmoothing != nil {
		r.LabelSmoothing = *p.LabelSmoothing
	}
	r.Phases, r.Unfreeze = nil, ""
	return r
}

// BatchSize is the pictures of an update.
func (r Recipe) BatchSize() int { return r.Batch * max(1, r.Accumulate) }

// Check refuses settings that cannot train.
func (r Recipe) Check() error {
	for _, c := range []struct {
		ok   bool
		text string
	}{
		{r.Epochs >= 1, fmt.Sprintf("epochs is %d, must be at least 1", r.Epochs)},
		{r.Batch >= 1, fmt.Sprintf("batch is %d, must be at least 1", r.Batch)},
		{r.Accumulate >= 0, fmt.Sprintf("accumulate is %d, must be at least 1", r.Accumulate)},
		{r.LR > 0 && r.LR <= 1e6, fmt.Sprintf("lr is %g, must be above 0 (0.001 is usual)", r.LR)},
		{r.HeadLRX > 0 && r.HeadLRX <= 1e6, fmt.Sprintf("head-lr-x is %g, must be above 0 (10 is usual, 1 is no difference)", r.HeadLRX)},
		{r.LayerDecay >= 0 && r.LayerDecay <= 1, fmt.Sprintf("layer-decay is %g, must be above 0 and at most 1 (0.8 is usual, 1 is no difference)", r.LayerDecay)},
		{r.Momentum >= 0 && r.Momentum < 1, fmt.Sprintf("momentum is %g, must be at least 0 and below 1", r.Momentum)},
		{r.Beta2 >= 0 && r.Beta2 < 1, fmt.Sprintf("beta2 is %g, must be at least 0 and below 1 (0.999 is usual)", r.Beta2)},
		{r.Eps >= 0, fmt.Sprintf("eps is %g, must be at least 0", r.Eps)},
		{r.Optimiser == "" || r.Optimiser == "sgd" || r.Optimiser == "adamw", fmt.Sprintf("optimiser is %q: there are sgd and adamw", r.Optimiser)},
		{!r.Nesterov || r.Optimiser == "adamw" || r.Momentum > 0, "nesterov needs a momentum above 0"},
		{r.WeightDecay >= 0 && r.WeightDecay <= 1e6, fmt.Sprintf("weight-decay is %g, must be at least 0", r.WeightDecay)},
		{r.L2SP >= 0 && r.L2SP <= 1e6, fmt.Sprintf("l2-sp is %g, must be at least 0", r.L2SP)},
		{r.Clip >= 0, fmt.Sprintf("clip is %g, must be above 0, or 0 for no limit", r.Clip)},
		{r.EMA >= 0 && r.EMA < 1, fmt.Sprintf("ema is %g, must be at least 0 and below 1 (0.99 is usual, 0 is none)", r.EMA)},
		{r.LabelSmoothing >= 0 && r.LabelSmoothing < 1, fmt.Sprintf("label-smoothing is %g, must be at least 0 and below 1 (0.1 is usual)", r.LabelSmoothing)},
		{probability(r.Dropout), "dropout must be at least 0 and below 1"},
		{probability(r.StochDepth), "stochastic-depth must be at least 0 and below 1"},
		{r.Mixup >= 0 && r.Cutmix >= 0, "mixup and cutmix must be at least 0 (0.2 and 1 are usual)"},
		{r.MixEnd >= 0 && r.MixEnd <= 1, fmt.Sprintf("mix-end is %g, must be a share from 0 to 1", r.MixEnd)},
		{r.Validation >= 0 && r.Validation < 1, fmt.Sprintf("validation is %g, must be a share below 1", r.Validation)},
		{slices.Contains([]string{"", "accuracy", "loss", "last"}, r.Choose), fmt.Sprintf("choose is %q: there are accuracy, loss and last", r.Choose)},
		{r.Patience >= 0, fmt.Sprintf("patience is %d, must be at least 1, or 0 for none", r.Patience)},
		{r.TargetAccuracy >= 0 && r.TargetAccuracy <= 1, fmt.Sprintf("target-accuracy is %g, must be a share from 0 to 1", r.TargetAccuracy)},
		{r.TrainSize >= 0 && r.TrainSize <= 1, fmt.Sprintf("train-size is %g, must be a share of the image size, at most 1 (0.86 makes 192 of 224)", r.TrainSize)},
		{r.Time >= 0, fmt.Sprintf("time is %v, must be above 0", r.Time)},
	} {
		if !c.ok {
			return fmt.Errorf("%s", c.text)
		}
	}
	if r.Unfreeze != "" {
		if _, err := r.unfreezing(); err != nil {
			return err
		}
	}
	return r.checkSchedule()
}

func probability(p *float64) bool { return p == nil || *p >= 0 && *p < 1 && !math.IsNaN(*p) }

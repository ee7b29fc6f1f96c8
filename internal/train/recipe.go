package train

import (
	"fmt"
	"slices"
	"strings"
)

// A Recipe is the settings of a training run as data.
type Recipe struct {
	Name        string
	Epochs      int
	Batch       int
	LR          float64
	HeadLRX     float64 // the output layer learns at LR times this
	Momentum    float64
	WeightDecay float64
	Groups      bool // two parameter groups: the output layer at HeadLRX, the rest at 1
	Sum         bool // the loss is summed over the batch instead of averaged
}

// Recipes returns the named recipes for fine-tuning, the default first.
func Recipes() []Recipe {
	return []Recipe{
		{Name: "plain", Epochs: 5, Batch: 64, LR: 1e-3, HeadLRX: 10, Momentum: 0.9, WeightDecay: 1e-3, Groups: true},
		// Zhang, Lipton, Li, Smola, "Dive into Deep Learning", section 14.2.
		{Name: "d2l", Epochs: 5, Batch: 128, LR: 5e-5, HeadLRX: 10, WeightDecay: 1e-3, Groups: true, Sum: true},
		// The output layer first, on kept features, then ever more of the network: see
		// phases in package graft. Epochs are those of the output layer.
		{Name: "fast", Epochs: 8, Batch: 32, LR: 1e-3, HeadLRX: 10, Momentum: 0.9, WeightDecay: 1e-3, Groups: true},
	}
}

// FindRecipe returns the named recipe; "" is the default. Training from
// scratch (no pretrained weights) follows the lesson in d2l: ten times the
// rate, no groups.
func FindRecipe(name string, scratch bool) (Recipe, error) {
	all := Recipes()
	if name == "" {
		name = all[0].Name
	}
	i := slices.IndexFunc(all, func(r Recipe) bool { return r.Name == name })
	if i < 0 {
		names := make([]string, len(all))
		for k, r := range all {
			names[k] = r.Name
		}
		return Recipe{}, fmt.Errorf("no recipe is called %q; there are %s", name, strings.Join(names, ", "))
	}
	r := all[i]
	if r.Name == "d2l" && scratch {
		r.LR, r.Groups = 5e-4, false
	}
	return r, nil
}

// Check refuses settings that cannot train.
func (r Recipe) Check() error {
	switch {
	case r.Epochs < 1:
		return fmt.Errorf("epochs is %d, must be at least 1", r.Epochs)
	case r.Batch < 1:
		return fmt.Errorf("batch is %d, must be at least 1", r.Batch)
	case !(r.LR > 0) || r.LR > 1e6:
		return fmt.Errorf("lr is %g, must be above 0 (0.001 is usual)", r.LR)
	case !(r.HeadLRX > 0) || r.HeadLRX > 1e6:
		return fmt.Errorf("head-lr-x is %g, must be above 0 (10 is usual, 1 is no difference)", r.HeadLRX)
	case !(r.Momentum >= 0 && r.Momentum < 1):
		return fmt.Errorf("momentum is %g, must be at least 0 and below 1", r.Momentum)
	case !(r.WeightDecay >= 0) || r.WeightDecay > 1e6:
		return fmt.Errorf("weight-decay is %g, must be at least 0", r.WeightDecay)
	}
	return nil
}

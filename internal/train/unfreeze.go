package train

import (
	"fmt"
	"strconv"
	"strings"
)

// unfreezing are the phases of a recipe whose setting unfreeze is "EPOCH:FROZEN,...": the
// output layer alone learns until the first of the epochs; behind each of them no more is
// frozen than it says, as a phase's freeze has it, + between several names, none for nothing;
// the last goes on to the end. So the network thaws from the output layer down (Howard and
// Ruder 2018, gradual unfreezing).
func (r Recipe) unfreezing() ([]Phased, error) {
	var list []Phased
	name, frozen, from := "output layer", "all", 0
	for stage := range strings.SplitSeq(r.Unfreeze, ",") {
		text, then, ok := strings.Cut(strings.TrimSpace(stage), ":")
		until, err := strconv.Atoi(strings.TrimSpace(text))
		then = strings.TrimSpace(then)
		if !ok || err != nil || then == "" {
			return nil, fmt.Errorf(`unfreeze has %q: a stage is EPOCH:FROZEN, as in "3:75%%,5:50%%,8:none"`, strings.TrimSpace(stage))
		}
		if until <= from {
			return nil, fmt.Errorf("unfreeze goes from epoch %d to epoch %d: epochs are counted from the beginning, and rise", from, until)
		}
		list = append(list, Phased{Name: name, Freeze: frozen, Epochs: until - from})
		name, frozen, from = strings.ReplaceAll(then, "+", ", ")+" frozen", strings.ReplaceAll(then, "+", ","), until
		if then == "none" {
			name, frozen = "whole network", ""
		}
	}
	if from >= r.Epochs {
		return nil, fmt.Errorf("unfreeze has a stage after epoch %d, and there are %d epochs", from, r.Epochs)
	}
	return append(list, Phased{Name: name, Freeze: frozen, Epochs: r.Epochs - from}), nil
}

// Stages are the recipe's phases, in order: those it lists, or those that unfreeze makes,
// which take their place; none is one phase of the whole. Check has approved them.
func (r Recipe) Stages() []Phased {
	if r.Unfreeze == "" {
		return r.Phases
	}
	list, _ := r.unfreezing()
	return list
}

package train

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnfreezeMakesStages(t *testing.T) {
	r := recipe()
	r.Epochs, r.Unfreeze = 10, "3:75%, 5:conv1+layer1,8:none"
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	want := []Phased{
		{Name: "output layer", Freeze: "all", Epochs: 3}, {Name: "75% frozen", Freeze: "75%", Epochs: 2},
		{Name: "conv1, layer1 frozen", Freeze: "conv1,layer1", Epochs: 3}, {Name: "whole network", Epochs: 2},
	}
	if d := cmp.Diff(want, r.Stages()); d != "" {
		t.Error(d)
	}
	r.Phases = []Phased{{Name: "other"}}
	if d := cmp.Diff(want, r.Stages()); d != "" {
		t.Errorf("unfreeze takes the place of phases: %s", d)
	}
}

func TestUnfreezeRefuses(t *testing.T) {
	for unfreeze, want := range map[string]string{
		"3": "a stage is EPOCH:FROZEN", "x:50%": "a stage is EPOCH:FROZEN", "3:": "a stage is EPOCH:FROZEN", "3:50%,2:none": "from epoch 3 to epoch 2",
		"0:none": "counted from the beginning", "3:75%,10:none": "after epoch 10, and there are 10 epochs",
	} {
		r := recipe()
		r.Epochs, r.Unfreeze = 10, unfreeze
		if err := r.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one that says %q", unfreeze, err, want)
		}
	}
}

func TestRecipeFileSaysWhatPicturesBecome(t *testing.T) {
	r, err := ParseRecipe("mine", "augment = \"flip\"\ncrop = \"pad\"\nunfreeze = \"2:none\"\n")
	if err != nil || r.Augment != "flip" || r.Crop != "pad" || r.Unfreeze != "2:none" {
		t.Errorf("%+v, %v", r, err)
	}
}

package train

import "testing"

func TestBetter(t *testing.T) {
	e := func(acc, loss float64) *Epoch {
		return &Epoch{Epoch: 5, Test: Score{Accuracy: acc, Loss: loss, N: 100}}
	}
	v := func(val, test float64) *Epoch {
		return &Epoch{Epoch: 5, Val: &Score{Accuracy: val, N: 100}, Test: Score{Accuracy: test, N: 100}}
	}
	accuracy, loss, last := Recipe{}, Recipe{Choose: "loss"}, Recipe{Choose: "last"}
	for _, c := range []struct {
		by      Recipe
		a, b    *Epoch
		started int // b is of the phase itself where 5 is above it
		want    bool
	}{
		{accuracy, e(.5, 1), nil, 0, true}, {accuracy, e(.6, 2), e(.5, 1), 0, true}, {accuracy, e(.5, .9), e(.5, 1), 0, true}, {accuracy, e(.5, 1), e(.5, 1), 0, false},
		{accuracy, v(.6, .1), v(.5, .9), 0, true}, {accuracy, v(.4, .9), v(.5, .1), 0, false}, {accuracy, e(.49, .1), e(.5, 1), 5, false},
		{loss, e(.5, 1), nil, 0, true}, {loss, e(.4, .9), e(.5, 1), 0, true}, {loss, e(.6, 1.1), e(.5, 1), 0, false},
		// A later phase: 0.8 of 100 pictures has a standard error of 0.04.
		{loss, e(.77, 9), e(.8, 1), 5, true}, {loss, e(.75, .1), e(.8, 1), 5, false}, {loss, e(.99, .1), e(1, 1), 5, false},
		{last, e(.4, 9), e(.5, 1), 0, true}, {last, e(.4, 9), e(.5, 1), 5, true},
	} {
		if got := c.by.better(c.a, c.b, c.started); got != c.want {
			t.Errorf("by %q after %d epochs, %+v better than %+v: %v", c.by.Choose, c.started, c.a, c.b, got)
		}
	}
}

func TestPatienceCountsFromThePhasesOwnBest(t *testing.T) {
	r := &run{Job: Job{Recipe: Recipe{Patience: 2, Epochs: 10}}, at: Position{Started: 4, Best: &Epoch{Epoch: 3}, Own: &Epoch{Epoch: 6}}}
	if r.decide(&Epoch{Epoch: 7}); r.at.Over != "" {
		t.Errorf("ended one epoch after the phase's best: %s", r.at.Over)
	}
	if r.decide(&Epoch{Epoch: 8}); r.at.Over == "" {
		t.Error("did not end two epochs after the phase's best")
	}
	r.at.Over, r.Recipe.Epochs = "", 4
	if r.decide(&Epoch{Epoch: 8}); r.at.Over != "" {
		t.Errorf("the last epoch was ended by something else: %s", r.at.Over)
	}
}

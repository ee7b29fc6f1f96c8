package train

import (
	"context"
	"math"
	"strings"
	"testing"
)

func TestRangeGrowsUntilItDiverges(t *testing.T) {
	g, net := tiny(t)
	var told []RangePoint
	c := RangeConfig{Low: 1e-4, High: 1e5, Steps: 60, Tell: func(p RangePoint) { told = append(told, p) }}
	r, err := TestRange(context.Background(), Job{Net: net, Graph: g, Recipe: recipe(), Train: source(16, nil)}, c)
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != len(r.Points) || !r.Diverged || len(r.Points) == 60 {
		t.Fatalf("%d points, %d told, diverged %t", len(r.Points), len(told), r.Diverged)
	}
	for i, p := range r.Points {
		if want := 1e-4 * math.Pow(1e9, float64(i)/59); math.Abs(p.Rate/want-1) > 1e-9 {
			t.Errorf("step %d is at rate %g, want %g", i, p.Rate, want)
		}
	}
	// The rate to use learns: a run at it ends below its first loss.
	g, net = tiny(t)
	learn := recipe()
	learn.LR = r.Valley
	var losses []float64
	_, err = Run(context.Background(), Job{Net: net, Graph: g, Recipe: learn, Train: source(16, nil), Test: source(6, nil), Emit: func(e Event) {
		if e, ok := e.(Epoch); ok {
			losses = append(losses, e.Loss)
		}
	}})
	if err != nil || losses[len(losses)-1] >= losses[0] {
		t.Errorf("at rate %g: losses %v, %v", r.Valley, losses, err)
	}
}

func TestRangeSuggestions(t *testing.T) {
	// Flat to 1e-3, falling to 1e-1, rising behind: the valley and the steepest fall lie in the fall.
	r := &RangeTest{}
	for i := range 100 {
		rate := math.Pow(10, -6+7*float64(i)/99)
		loss := 1.0
		if x := math.Log10(rate); x > -3 && x <= -1 {
			loss = 1 - 0.3*(x+3) - 0.1*math.Exp(-20*(x+2)*(x+2))
		} else if x > -1 {
			loss = 0.4 + (x+1)*(x+1)
		}
		r.Points = append(r.Points, RangePoint{rate, loss, loss})
	}
	if err := r.suggest(100); err != nil {
		t.Fatal(err)
	}
	if r.Valley < 1e-3 || r.Valley > 1e-1 || r.Steepest < 4e-3 || r.Steepest > 1e-2 {
		t.Errorf("valley %g, steepest %g", r.Valley, r.Steepest)
	}
	rising := &RangeTest{}
	for i := range 100 {
		rising.Points = append(rising.Points, RangePoint{1e-3 * float64(i+1), float64(i), float64(i)})
	}
	if err := rising.suggest(100); err == nil || !strings.Contains(err.Error(), "never fell") {
		t.Errorf("error %v", err)
	}
	if err := (&RangeTest{Points: rising.Points[:12]}).suggest(100); err == nil || !strings.Contains(err.Error(), "smaller rate") {
		t.Errorf("error %v", err)
	}
}

func TestRangeConfig(t *testing.T) {
	for text, c := range map[string]RangeConfig{"rise": {Low: 1, High: 0.1, Steps: 100}, "at least 20": {Low: 1, High: 2, Steps: 3}, "above 0": {High: 2, Steps: 100}} {
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: error %v, want one that says %q", c, err, text)
		}
	}
}

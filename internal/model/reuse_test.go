package model

import (
	"slices"
	"strings"
	"testing"

	"graft/internal/weights"
)

func squeezenetHead(t *testing.T) *weights.StateDict {
	m, err := Find("squeezenet1_1")
	if err != nil {
		t.Fatal(err)
	}
	s, err := LoadWeights(t.Context(), m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReuseHead: a class that ImageNet knows, under any spelling or synonym, begins with that
// row to the last bit, several with their mean, the others with Xavier's.
func TestReuseHead(t *testing.T) {
	source := squeezenetHead(t)
	m, _ := Find("squeezenet1_1")
	classes := []string{"Hot-Dogs", "not-hotdog", "t_shirt", "crane", "foxes"}
	g := m.Build(len(classes), 224)
	values, err := Graft(g, source, 1)
	if err != nil {
		t.Fatal(err)
	}
	w := g.Param(g.Head + ".weight")
	xavier := slices.Clone(values[w])
	matches, err := ReuseHead(g, values, source, classes, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range matches {
		got = append(got, m.Class+"="+strings.Join(m.From, "+"))
	}
	if want := []string{"Hot-Dogs=hotdog", "t_shirt=jersey", "crane=crane+crane"}; !slices.Equal(got, want) {
		t.Errorf("matched %v, want %v", got, want)
	}
	old, _ := source.Get(g.Head + ".weight")
	row := len(old.Data) / 1000
	at := func(v []float32, i int) []float32 { return v[i*row : (i+1)*row] }
	if !slices.Equal(at(values[w], 0), at(old.Data, 934)) {
		t.Error("the row of hotdog differs")
	}
	if !slices.Equal(at(values[w], 1), at(xavier, 1)) || !slices.Equal(at(values[w], 4), at(xavier, 4)) {
		t.Error("a class that did not match changed")
	}
	for j, v := range at(values[w], 3) {
		if mean := at(old.Data, 134)[j]/2 + at(old.Data, 517)[j]/2; v != mean {
			t.Fatalf("crane[%d] is %g, the mean of both %g", j, v, mean)
		}
	}
	bias, _ := source.Get(g.Head + ".bias")
	if b := values[g.Param(g.Head+".bias")]; b[0] != bias.Data[934] || b[1] != 0 {
		t.Errorf("the biases are %v", b)
	}
}

func TestReuseHeadByMap(t *testing.T) {
	source := squeezenetHead(t)
	m, _ := Find("squeezenet1_1")
	classes := []string{"food", "hotdog"}
	g := m.Build(len(classes), 224)
	for text, want := range map[string]string{
		"# mine\nfood = pizza, Cheeseburger\n": "food", "dish = pizza": "no class is called \"dish\"", "food = pizzza": "no class \"pizzza\"", "food": "line 1", "food = pizza\nfood = bagel": "line 2",
	} {
		mapping, err := ParseMap(text)
		var matches []Match
		if err == nil {
			values, _ := Graft(g, source, 1)
			matches, err = ReuseHead(g, values, source, classes, mapping)
		}
		if want == "food" {
			if err != nil || len(matches) != 1 || !slices.Equal(matches[0].From, []string{"pizza", "cheeseburger"}) && !slices.Equal(matches[0].From, []string{"cheeseburger", "pizza"}) {
				t.Errorf("%v, %v", matches, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one of %q", text, err, want)
		}
	}
}

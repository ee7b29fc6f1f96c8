package spelling

import "testing"

func TestSuggestion(t *testing.T) {
	names := []string{"epochs", "batch", "lr", "head-lr-x", "model"}
	for typed, want := range map[string]string{
		"epoch":    "; did you mean epochs?",
		"epcohs":   "; did you mean epochs?",
		"modell":   "; did you mean model?",
		"rl":       "; did you mean lr?",
		"teepee":   "",
		"headlr-x": "; did you mean head-lr-x?",
		"":         "",
	} {
		if got := Suggestion(typed, names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

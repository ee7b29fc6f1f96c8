package transform

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// TestMagnitudesEqualTorchvision holds the tables of TrivialAugmentWide and RandAugment.
func TestMagnitudesEqualTorchvision(t *testing.T) {
	b, err := os.ReadFile("../../testdata/golden/augment/magnitudes.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]map[string][2]json.RawMessage
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for name, all := range map[string][]manipulation{"trivial": trivialOperations(), "rand_48x40": randOperations(48, 40)} {
		if len(all) != len(want[name]) {
			t.Errorf("%s: %d operations, torchvision has %d", name, len(all), len(want[name]))
		}
		for i := range all {
			m := &all[i]
			var values []float64
			var signed bool
			row, ok := want[name][m.op]
			if !ok || json.Unmarshal(row[0], &values) != nil || json.Unmarshal(row[1], &signed) != nil {
				t.Errorf("%s: no %s in torchvision", name, m.op)
				continue
			}
			if signed != m.signed {
				t.Errorf("%s %s: signed is %t", name, m.op, m.signed)
			}
			for bin, v := range values {
				if got := m.at(bin); math.Abs(got-v) > 1e-4 {
					t.Errorf("%s %s bin %d: %g, torchvision has %g", name, m.op, bin, got, v)
				}
			}
		}
	}
}

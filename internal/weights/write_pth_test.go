package weights

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestPTHComesBack: what is written as torch.save does is read as it was, and twice the same bytes.
// bench/onnx has PyTorch itself open one.
func TestPTHComesBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.pth")
	rapid.Check(t, func(r *rapid.T) {
		var tensors []Tensor
		for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]+(\.[a-z0-9é]+){0,3}`), 1, 6, rapid.ID).Draw(r, "names") {
			x := Tensor{Name: name, Shape: rapid.SliceOfN(rapid.IntRange(1, 5), 0, 4).Draw(r, "shape"), DType: rapid.SampledFrom([]DType{F32, F16, I64}).Draw(r, "type")}
			count := 1
			for _, d := range x.Shape {
				count *= d
			}
			for range count {
				x.Data = append(x.Data, float32(rapid.IntRange(-1000, 1000).Draw(r, "value")))
			}
			tensors = append(tensors, x)
		}
		var one, two bytes.Buffer
		if err := WritePTH(&one, tensors); err != nil {
			r.Fatal(err)
		}
		if err := WritePTH(&two, tensors); err != nil || !bytes.Equal(one.Bytes(), two.Bytes()) {
			r.Fatalf("other bytes the second time (%v)", err)
		}
		if err := os.WriteFile(file, one.Bytes(), 0o644); err != nil {
			r.Fatal(err)
		}
		state, err := Open(file)
		if err != nil {
			r.Fatal(err)
		}
		if d := cmp.Diff(tensors, state.Tensors()); d != "" {
			r.Fatal(d)
		}
	})
}

func TestPTHRefuses(t *testing.T) {
	for what, bad := range map[string][]Tensor{
		"a shape that is not the data's": {{Name: "a", Shape: []int{3}, Data: []float32{1}}},
		"a name twice":                   {{Name: "a", Data: []float32{1}}, {Name: "a", Data: []float32{1}}},
		"bytes":                          {{Name: "a", Data: []float32{1}, DType: U8}},
	} {
		if err := WritePTH(&bytes.Buffer{}, bad); err == nil {
			t.Errorf("%s was written", what)
		}
	}
}

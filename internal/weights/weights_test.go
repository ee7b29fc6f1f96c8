package weights

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTorchFiles reads what testdata/make.py had PyTorch write.
func TestTorchFiles(t *testing.T) {
	want := map[string][]float32{}
	b, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"zip.pth", "legacy.pth", "nested.pth", "module.pth", "plain.safetensors", "protocol4.pth"} {
		t.Run(file, func(t *testing.T) {
			s, err := Open(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			if s.Len() != len(want) || len(s.SHA256) != 64 {
				t.Fatalf("%d tensors %v, want %d", s.Len(), s.Names(), len(want))
			}
			for name, values := range want {
				got, ok := s.Get(name)
				if !ok || !slices.Equal(got.Data, values) {
					t.Errorf("%s is %v, want %v", name, got.Data, values)
				}
			}
			if w, _ := s.Get("transposed"); !slices.Equal(w.Shape, []int{3, 2}) {
				t.Errorf("shape %v", w.Shape)
			}
		})
	}
}

func TestRefusesWhatIsNoData(t *testing.T) {
	for file, want := range map[string]string{
		"malicious.pth":        "posix.system",
		"malicious-legacy.pth": "__builtin__.eval",
		"module-object.pth":    "torch.nn.modules.linear.Linear",
		"list.pth":             "not a state dict",
	} {
		_, err := Open(filepath.Join("testdata", file))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: error %v, want one that names the file and %q", file, err, want)
		}
	}
	for name, content := range map[string]string{"empty": "", "text": "hello, no weights here", "page": "<html>404", "pickle": "\x80\x02}."} {
		if _, err := Read(bytes.NewReader([]byte(content)), int64(len(content)), name); err == nil {
			t.Errorf("%s was read", name)
		}
	}
}

// TestCutFiles checks that no beginning of a file is read as if it were whole,
// and none makes the reader fail otherwise than by an error.
func TestCutFiles(t *testing.T) {
	for _, file := range []string{"zip.pth", "legacy.pth", "plain.safetensors"} {
		whole, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(whole)-1; n += 1 + len(whole)/200 {
			if _, err := Read(bytes.NewReader(whole[:n]), int64(n), file); err == nil {
				t.Errorf("%s: its first %d of %d bytes were read", file, n, len(whole))
			}
		}
	}
}

func TestRealFiles(t *testing.T) {
	for file, want := range map[string]struct {
		tensors int
		name    string
		shape   []int
	}{
		"squeezenet1_1-imagenet.pth":   {52, "classifier.1.weight", []int{1000, 512, 1, 1}},
		"resnet20-cifar10-12fca82f.th": {0, "linear.weight", []int{10, 64}},
	} {
		path := filepath.Join("../../../shared/weights", file)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("missing: %s", path)
		}
		s, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Get(want.name); !ok || !slices.Equal(got.Shape, want.shape) || want.tensors > 0 && s.Len() != want.tensors {
			t.Errorf("%s: %d tensors, %s of shape %v", file, s.Len(), want.name, got.Shape)
		}
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var in []Tensor
		for i := range rapid.IntRange(0, 5).Draw(t, "tensors") {
			shape := rapid.SliceOfN(rapid.IntRange(0, 4), 0, 3).Draw(t, "shape")
			n := 1
			for _, d := range shape {
				n *= d
			}
			x := Tensor{Name: string(rune('a'+i)) + rapid.String().Draw(t, "name"), Shape: shape, DType: rapid.SampledFrom([]DType{F32, F16, I64}).Draw(t, "type")}
			for range n {
				x.Data = append(x.Data, float32(rapid.IntRange(-2000, 2000).Draw(t, "value")))
			}
			in = append(in, x)
		}
		meta := map[string]string{"a": "b\n\"", "c": ""}
		var b, again bytes.Buffer
		if err := WriteSafetensors(&b, in, meta); err != nil {
			t.Fatal(err)
		}
		if err := WriteSafetensors(&again, in, meta); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Fatal("the same tensors give other bytes")
		}
		if len(in) == 0 {
			return
		}
		s, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x")
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range in {
			got, ok := s.Get(x.Name)
			if !ok || !slices.Equal(got.Data, x.Data) || len(got.Shape) != len(x.Shape) || got.DType != x.DType {
				t.Fatalf("%q came back as %+v", x.Name, got)
			}
		}
		if s.Metadata["a"] != meta["a"] {
			t.Fatal("the metadata changed")
		}
	})
}

func TestHalfPrecision(t *testing.T) {
	for h := range 1 << 16 {
		f := fromF16(uint16(h))
		if back := toF16(f); back != uint16(h) && f == f {
			t.Fatalf("%#x becomes %g becomes %#x", h, f, back)
		}
	}
	for _, c := range []struct{ in, want float64 }{{1 + 1.0/2048, 1}, {1 + 3.0/2048, 1 + 2.0/1024}, {65519, 65504}, {65520, math.Inf(1)}, {1e-8, 0}} {
		if got := fromF16(toF16(float32(c.in))); float64(got) != c.want {
			t.Errorf("%g rounds to %g, want %g", c.in, got, c.want)
		}
	}
}

func TestMatchListsEverything(t *testing.T) {
	var b bytes.Buffer
	in := []Tensor{{Name: "a", Shape: []int{1}, Data: []float32{1}}, {Name: "b", Shape: []int{2}, Data: []float32{1, 2}}, {Name: "bn.num_batches_tracked", Data: []float32{3}, DType: I64}}
	if err := WriteSafetensors(&b, in, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x")
	if err != nil {
		t.Fatal(err)
	}
	if err := Match([]Spec{{"a", []int{1}}, {"b", []int{2}}}, s); err != nil {
		t.Error(err)
	}
	err = Match([]Spec{{"b", []int{3}}, {"c", []int{1}}}, s)
	for _, part := range []string{"1 missing: c", "1 extra: a", "b is [2], the network has [3]"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v lacks %q", err, part)
		}
	}
}

func seeds(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(b)
		}
	}
}

func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Read(bytes.NewReader(b), int64(len(b)), "x")
		if err != nil {
			return
		}
		for _, x := range s.Tensors() {
			n := 1
			for _, d := range x.Shape {
				n *= d
			}
			if n != len(x.Data) {
				t.Fatalf("%v with %d elements", x.Shape, len(x.Data))
			}
		}
	})
}

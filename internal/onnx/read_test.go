package onnx_test

import (
	"bytes"
	"strings"
	"testing"

	"graft/internal/graph"
	"graft/internal/onnx"
	"graft/internal/transform"
)

// tiny is a file with most operators, as bytes.
func tiny(t testing.TB, pixels bool) []byte {
	b := graph.NewBuilder("tiny", graph.Shape{H: 8, W: 8, C: 3})
	x := b.ReLU(b.BatchNorm("bn", b.Conv("conv", 0, 4, graph.Window{Kernel: 3, Stride: 2, Pad: 1}, false)))
	x = b.Shortcut("shortcut", x, 6, 2)
	x = b.Concat("both", x, b.Activation(graph.SiLU, x))
	x = b.LayerNorm("norm", x, 1e-6)
	x = b.Linear("wide", x, 6)
	x = b.MaxPool("max", x, graph.Window{Kernel: 2, Stride: 2, Ceil: true})
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("pool", x), 3), "fc")
	o := onnx.Options{Metadata: []onnx.Entry{{Key: "graft.classes", Value: `["a","b","c"]`}}, Version: "test"}
	if pixels {
		o.Preprocess = &transform.Preprocess{Resize: 9, Crop: 8, Interpolation: "bilinear", Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.2, .2, .2}, EXIF: "apply"}
	}
	m, err := onnx.Build(g, parameters(g), o)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := m.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestRefusals: what is not in the subset is named, not run.
func TestRefusals(t *testing.T) {
	for what, c := range map[string]struct {
		change func(m *onnx.Model)
		want   string
	}{
		"operator":     {func(m *onnx.Model) { m.Graph.Nodes[0].Op = "Loop" }, `"Loop"`},
		"attribute":    {func(m *onnx.Model) { m.Graph.Nodes[0].Attrs[0].Name = "auto_pad" }, `"auto_pad"`},
		"order":        {func(m *onnx.Model) { m.Graph.Nodes[0].In[0] = "logits" }, "nothing before it"},
		"name":         {func(m *onnx.Model) { m.Graph.Nodes[1].Out[0] = "input" }, `"input"`},
		"output":       {func(m *onnx.Model) { m.Graph.Outputs[0].Name = "loss" }, `"loss"`},
		"inputs":       {func(m *onnx.Model) { m.Graph.Inputs = nil }, "0 inputs"},
		"input number": {func(m *onnx.Model) { m.Graph.Nodes[0].In = nil }, "0 inputs"},
	} {
		m, err := onnx.Read(tiny(t, false))
		if err != nil {
			t.Fatal(err)
		}
		c.change(m)
		if _, err := onnx.NewSession(m); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", what, err, c.want)
		}
	}
	good := tiny(t, false)
	for what, bad := range map[string][]byte{
		"empty":        nil,
		"cut short":    good[:len(good)-10],
		"other opset":  bytes.Replace(good, []byte("B\x04\n\x00\x10\x1c"), []byte("B\x04\n\x00\x10\x1d"), 1),
		"a wrong type": bytes.Replace(good, []byte("\x10\x01B"), []byte("\x10\x0bB"), 1), // float64 for float32
		"not protobuf": []byte("PK\x03\x04 a zip archive"),
	} {
		if m, err := onnx.Read(bad); err == nil {
			t.Errorf("%s: read as opset %d", what, m.Opset)
		}
	}
}

// FuzzRead: whatever the bytes, no panic; what is accepted is written as it was read, and runs or says why not.
func FuzzRead(f *testing.F) {
	onnx.LimitElements(1 << 14)
	f.Add(tiny(f, false))
	f.Add(tiny(f, true))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Read(data)
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := m.Write(&b); err != nil {
			t.Fatal(err)
		}
		if back, err := onnx.Read(b.Bytes()); err != nil || back.Opset != m.Opset || len(back.Graph.Nodes) != len(m.Graph.Nodes) {
			t.Fatalf("written otherwise: %v", err)
		}
		s, err := onnx.NewSession(m)
		if err != nil || len(data) > 1<<16 {
			return
		}
		in := onnx.Array{Dims: []int{1, 3, 8, 8}, Floats: make([]float32, 192)}
		if m.Graph.Inputs[0].Elem == onnx.Uint8 {
			in = onnx.Array{Dims: []int{1, 12, 11, 3}, Bytes: make([]uint8, 396)}
		}
		if _, err := s.Run(in); err != nil && len(err.Error()) == 0 {
			t.Fatal("an error without words")
		}
	})
}

package onnx

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxBytes is what a protobuf message may have: its sizes are signed 32-bit numbers.
const maxBytes = math.MaxInt32

// A TooLargeError refuses a network whose weights no ONNX file holds.
type TooLargeError struct{ Bytes int64 }

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the weights take %.2f GB, and an ONNX file (a protobuf message) holds less than 2 GB: export to safetensors or pth", float64(e.Bytes)/1e9)
}

// message is a protobuf message that is being written.
type message []byte

func (b *message) number(field protowire.Number, v int64) {
	*b = protowire.AppendVarint(protowire.AppendTag(*b, field, protowire.VarintType), uint64(v))
}

func (b *message) text(field protowire.Number, v string) {
	*b = protowire.AppendString(protowire.AppendTag(*b, field, protowire.BytesType), v)
}

func (b *message) inner(field protowire.Number, v message) {
	*b = protowire.AppendBytes(protowire.AppendTag(*b, field, protowire.BytesType), v)
}

// Write writes the model; the same model gives the same bytes. Weights pass
// through, nothing holds them twice.
func (m *Model) Write(w io.Writer) error {
	if m.Opset < OldestOpset || m.Opset > Opset {
		return fmt.Errorf("opset %d: this program writes %d to %d", m.Opset, OldestOpset, Opset)
	}
	graph, total, heads := m.Graph.head(), int64(0), make([]message, len(m.Graph.Tensors))
	for i := range heads {
		t := &m.Graph.Tensors[i]
		heads[i] = t.head()
		body := protowire.SizeBytes(len(heads[i]) + t.bytes())
		heads[i] = append(protowire.AppendVarint(protowire.AppendTag(nil, 5, protowire.BytesType), uint64(len(heads[i])+t.bytes())), heads[i]...)
		total += int64(protowire.SizeTag(5) + body)
	}
	if total += int64(len(graph)); total > maxBytes-1<<20 {
		return &TooLargeError{total}
	}
	out := bufio.NewWriterSize(w, 1<<20)
	out.Write(m.head())
	out.Write(protowire.AppendVarint(protowire.AppendTag(nil, 7, protowire.BytesType), uint64(total)))
	out.Write(graph)
	for i := range heads {
		out.Write(heads[i])
		m.Graph.Tensors[i].write(out)
	}
	return out.Flush()
}

// head is ModelProto without its graph.
func (m *Model) head() message {
	var b, set message
	b.number(1, irVersions[m.Opset-OldestOpset])
	b.text(2, m.Producer)
	b.text(3, m.Version)
	set.text(1, "") // the operators' own domain
	set.number(2, int64(m.Opset))
	b.inner(8, set)
	for _, e := range m.Metadata {
		var entry message
		entry.text(1, e.Key)
		entry.text(2, e.Value)
		b.inner(14, entry)
	}
	return b
}

// head is GraphProto without its initializers.
func (g *Graph) head() message {
	var b message
	for i := range g.Nodes {
		b.inner(1, g.Nodes[i].message())
	}
	b.text(2, g.Name)
	for _, v := range g.Inputs {
		b.inner(11, v.message())
	}
	for _, v := range g.Outputs {
		b.inner(12, v.message())
	}
	return b
}

func (n *Node) message() message {
	var b message
	for _, v := range n.In {
		b.text(1, v)
	}
	for _, v := range n.Out {
		b.text(2, v)
	}
	b.text(3, n.Name)
	b.text(4, n.Op)
	for _, a := range n.Attrs {
		var at message
		at.text(1, a.Name)
		switch a.Kind {
		case FloatAttr:
			at = protowire.AppendFixed32(protowire.AppendTag(at, 2, protowire.Fixed32Type), math.Float32bits(a.F))
		case IntAttr:
			at.number(3, a.I)
		case StringAttr:
			at.text(4, a.S)
		case IntsAttr:
			for _, v := range a.Ints {
				at.number(8, v)
			}
		}
		at.number(20, int64(a.Kind))
		b.inner(5, at)
	}
	return b
}

func (v *Value) message() message {
	var shape, tensor, kind, b message
	for _, d := range v.Dims {
		var dim message
		if d.Name != "" {
			dim.text(2, d.Name)
		} else {
			dim.number(1, int64(d.Size))
		}
		shape.inner(1, dim)
	}
	tensor.number(1, int64(v.Elem))
	tensor.inner(2, shape)
	kind.inner(1, tensor)
	b.text(1, v.Name)
	b.inner(2, kind)
	return b
}

// head is TensorProto up to the bytes of its elements.
func (t *Tensor) head() message {
	var b message
	for _, d := range t.Dims {
		b.number(1, int64(d))
	}
	elem := Float32
	if t.Ints != nil {
		elem = Int64
	}
	b.number(2, int64(elem))
	b.text(8, t.Name)
	return protowire.AppendVarint(protowire.AppendTag(b, 9, protowire.BytesType), uint64(t.bytes()))
}

func (t *Tensor) bytes() int { return 4*len(t.Floats) + 8*len(t.Ints) }

// write gives the elements, little-endian; the writer keeps its first error.
func (t *Tensor) write(w *bufio.Writer) {
	var b [8]byte
	for _, v := range t.Floats {
		binary.LittleEndian.PutUint32(b[:], math.Float32bits(v))
		w.Write(b[:4])
	}
	for _, v := range t.Ints {
		binary.LittleEndian.PutUint64(b[:], uint64(v))
		w.Write(b[:])
	}
}

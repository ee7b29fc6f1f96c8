package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Read reads a file that Write wrote, or one in the same subset of ONNX; it
// refuses what it does not know, by name. Tensors are copied out of data.
func Read(data []byte) (*Model, error) {
	m := &Model{}
	var ir int64
	err := fields(data, func(f protowire.Number, v field) (err error) {
		switch f {
		case 1:
			ir, err = v.number()
		case 2:
			m.Producer, err = v.text()
		case 3:
			m.Version, err = v.text()
		case 7:
			err = v.inside("graph", m.Graph.read)
		case 8:
			err = v.inside("opset_import", m.readOpset)
		case 14:
			var e Entry
			err = v.inside("metadata_props", e.read)
			m.Metadata = append(m.Metadata, e)
		default:
			err = unknown(f)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ONNX file: %w", err)
	}
	if m.Opset < OldestOpset || m.Opset > Opset {
		return nil, fmt.Errorf("ONNX file: opset %d is not between %d and %d", m.Opset, OldestOpset, Opset)
	}
	if want := irVersions[m.Opset-OldestOpset]; ir != want {
		return nil, fmt.Errorf("ONNX file: ir_version %d, opset %d goes with %d", ir, m.Opset, want)
	}
	return m, nil
}

// A field is the value of one: a number of its own or bytes.
type field struct {
	kind  protowire.Type
	n     uint64
	bytes []byte
}

// fields calls visit for each field of a message.
func fields(b []byte, visit func(protowire.Number, field) error) error {
	for len(b) > 0 {
		f, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("damaged: %w", protowire.ParseError(n))
		}
		b = b[n:]
		v := field{kind: kind}
		switch kind {
		case protowire.VarintType:
			v.n, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(b)
			v.n = uint64(bits)
		case protowire.BytesType:
			v.bytes, n = protowire.ConsumeBytes(b)
		default:
			return fmt.Errorf("refused: field %d has wire type %d", f, kind)
		}
		if n < 0 {
			return fmt.Errorf("damaged: field %d: %w", f, protowire.ParseError(n))
		}
		b = b[n:]
		if err := visit(f, v); err != nil {
			return err
		}
	}
	return nil
}

var errKind = errors.New("damaged: a value of another kind than its field's")

func unknown(f protowire.Number) error {
	return fmt.Errorf("refused: field %d is not among those that this program writes", f)
}

func (v field) number() (int64, error) {
	if v.kind != protowire.VarintType {
		return 0, errKind
	}
	return int64(v.n), nil
}

func (v field) text() (string, error) {
	if v.kind != protowire.BytesType {
		return "", errKind
	}
	return string(v.bytes), nil
}

// inside reads the message that the field holds; what names it in errors.
func (v field) inside(what string, read func(protowire.Number, field) error) error {
	if v.kind != protowire.BytesType {
		return errKind
	}
	if err := fields(v.bytes, read); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (m *Model) readOpset(f protowire.Number, v field) error {
	switch f {
	case 1:
		domain, err := v.text()
		if err == nil && domain != "" {
			err = fmt.Errorf("refused: operators of %q", domain)
		}
		return err
	case 2:
		n, err := v.number()
		m.Opset = int(min(max(n, 0), 1<<20))
		return err
	}
	return unknown(f)
}

func (e *Entry) read(f protowire.Number, v field) (err error) {
	switch f {
	case 1:
		e.Key, err = v.text()
	case 2:
		e.Value, err = v.text()
	default:
		err = unknown(f)
	}
	return err
}

func (g *Graph) read(f protowire.Number, v field) (err error) {
	switch f {
	case 1:
		var n Node
		err = v.inside("node", n.read)
		g.Nodes = append(g.Nodes, n)
	case 2:
		g.Name, err = v.text()
	case 5:
		var t Tensor
		if err = t.parse(v); err != nil {
			err = fmt.Errorf("initializer %q: %w", t.Name, err)
		}
		g.Tensors = append(g.Tensors, t)
	case 11, 12:
		to := &g.Inputs
		if f == 12 {
			to = &g.Outputs
		}
		var x Value
		err = v.inside("value", x.read)
		*to = append(*to, x)
	default:
		err = unknown(f)
	}
	return err
}

func (n *Node) read(f protowire.Number, v field) error {
	text, err := v.text()
	switch f {
	case 1:
		n.In = append(n.In, text)
	case 2:
		n.Out = append(n.Out, text)
	case 3:
		n.Name = text
	case 4:
		n.Op = text
	case 5:
		var a Attr
		err = v.inside("attribute", a.read)
		n.Attrs = append(n.Attrs, a)
	default:
		err = unknown(f)
	}
	return err
}

func (a *Attr) read(f protowire.Number, v field) (err error) {
	var n int64
	switch f {
	case 1:
		a.Name, err = v.text()
	case 2:
		if v.kind != protowire.Fixed32Type {
			return errKind
		}
		a.F = math.Float32frombits(uint32(v.n))
	case 3:
		a.I, err = v.number()
	case 4:
		a.S, err = v.text()
	case 8:
		a.Ints, err = v.numbers(a.Ints)
	case 20:
		n, err = v.number()
		a.Kind = AttrKind(n)
		if k := a.Kind; k != FloatAttr && k != IntAttr && k != StringAttr && k != IntsAttr {
			err = fmt.Errorf("refused: attribute %q of type %d", a.Name, n)
		}
	default:
		err = unknown(f)
	}
	return err
}

// numbers adds a number, or several that are packed.
func (v field) numbers(to []int64) ([]int64, error) {
	if v.kind == protowire.VarintType {
		return append(to, int64(v.n)), nil
	}
	if v.kind != protowire.BytesType {
		return to, errKind
	}
	for b := v.bytes; len(b) > 0; {
		x, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return to, fmt.Errorf("damaged: %w", protowire.ParseError(n))
		}
		to, b = append(to, int64(x)), b[n:]
	}
	return to, nil
}

func (x *Value) read(f protowire.Number, v field) (err error) {
	switch f {
	case 1:
		x.Name, err = v.text()
	case 2:
		err = v.inside("type", func(f protowire.Number, v field) error {
			if f != 1 {
				return fmt.Errorf("refused: a value that is no tensor (field %d)", f)
			}
			return v.inside("tensor_type", x.readTensor)
		})
	default:
		err = unknown(f)
	}
	return err
}

func (x *Value) readTensor(f protowire.Number, v field) error {
	switch f {
	case 1:
		n, err := v.number()
		x.Elem = Elem(n)
		return err
	case 2:
		return v.inside("shape", func(f protowire.Number, v field) error {
			if f != 1 {
				return unknown(f)
			}
			var d Dim
			err := v.inside("dim", d.read)
			x.Dims = append(x.Dims, d)
			return err
		})
	}
	return unknown(f)
}

func (d *Dim) read(f protowire.Number, v field) (err error) {
	switch f {
	case 1:
		var n int64
		n, err = v.number()
		if d.Size = int(n); err == nil && (n < 0 || n > int64(maxElements)) {
			err = fmt.Errorf("refused: a dimension of %d", n)
		}
	case 2:
		d.Name, err = v.text()
	default:
		err = unknown(f)
	}
	return err
}

// parse reads a TensorProto whose elements are raw_data.
func (t *Tensor) parse(v field) error {
	var dims []int64
	var elem int64
	var raw []byte
	err := v.inside("tensor", func(f protowire.Number, v field) (err error) {
		switch f {
		case 1:
			dims, err = v.numbers(dims)
		case 2:
			elem, err = v.number()
		case 8:
			t.Name, err = v.text()
		case 9:
			if raw = v.bytes; v.kind != protowire.BytesType {
				err = errKind
			}
		default:
			err = unknown(f)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, d := range dims {
		t.Dims = append(t.Dims, int(min(max(d, -1), int64(maxElements)+1)))
	}
	n := elements(t.Dims)
	switch width := len(raw) / max(n, 1); {
	case n < 0 || len(t.Dims) > 8 || len(raw) != n*width:
	case Elem(elem) == Float32 && (width == 4 || n == 0):
		t.Floats = make([]float32, n)
		for i := range t.Floats {
			t.Floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		}
		return nil
	case Elem(elem) == Int64 && (width == 8 || n == 0):
		t.Ints = make([]int64, n)
		for i := range t.Ints {
			t.Ints[i] = int64(binary.LittleEndian.Uint64(raw[8*i:]))
		}
		return nil
	}
	return fmt.Errorf("damaged: %d bytes for %s of shape %v", len(raw), Elem(elem), dims)
}

package weights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// maxHeader is the longest header read, safetensors' own limit.
const maxHeader = 100_000_000

// header is an entry of a safetensors header.
type header struct {
	DType   DType    `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// readSafetensors reads the format of github.com/huggingface/safetensors: the
// length of a JSON header, the header, and the elements, without gaps.
func readSafetensors(r io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	n, err := newSource(r, 0, size).uint(8)
	if err != nil {
		return nil, nil, err
	}
	if n > maxHeader || n > uint64(max(size-8, 0)) {
		return nil, nil, fmt.Errorf("damaged safetensors: a header of %d bytes in a file of %d", n, size)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	raw, err := members(text)
	if err != nil {
		return nil, nil, fmt.Errorf("damaged safetensors header: %w", err)
	}
	var meta map[string]string
	entries := map[string]header{}
	var names []string
	for name, b := range raw {
		if name == "__metadata__" {
			if err := json.Unmarshal(b, &meta); err != nil {
				return nil, nil, fmt.Errorf("damaged safetensors metadata: %w", err)
			}
			continue
		}
		var h header
		if err := json.Unmarshal(b, &h); err != nil {
			return nil, nil, fmt.Errorf("damaged safetensors header at %q: %w", name, err)
		}
		entries[name] = h
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(
			cmp.Compare(entries[a].Offsets[0], entries[b].Offsets[0]),
			cmp.Compare(entries[a].Offsets[1], entries[b].Offsets[1]), // one without elements first
			cmp.Compare(a, b))
	})
	data, at := size-8-int64(n), int64(0)
	var out []Tensor
	for _, name := range names {
		h := entries[name]
		count, err := elements(h.Shape)
		if err != nil || h.DType.size() == 0 {
			return nil, nil, fmt.Errorf("safetensors: tensor %s has shape %v and element type %q", name, h.Shape, string(h.DType))
		}
		if h.Offsets[0] != at || h.Offsets[1] > data || h.Offsets[1]-at != count*int64(h.DType.size()) {
			return nil, nil, fmt.Errorf("damaged safetensors: tensor %s of shape %v lies at bytes %d to %d of %d", name, h.Shape, h.Offsets[0], h.Offsets[1], data)
		}
		at = h.Offsets[1]
		t := Tensor{Name: name, Shape: make([]int, len(h.Shape)), Data: make([]float32, count), DType: h.DType}
		for i, d := range h.Shape {
			t.Shape[i] = int(d)
		}
		if err := decode(t.Data, io.NewSectionReader(r, 8+int64(n)+h.Offsets[0], count*int64(h.DType.size())), h.DType); err != nil {
			return nil, nil, fmt.Errorf("safetensors: tensor %s: %w", name, err)
		}
		out = append(out, t)
	}
	if at != data {
		return nil, nil, fmt.Errorf("damaged safetensors: %d bytes of data, %d belong to tensors", data, at)
	}
	return out, meta, nil
}

// members are those of the JSON object that text is; a name that stands twice is an error.
func members(text []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil {
		return nil, err
	} else if start != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	m := map[string]json.RawMessage{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // the decoder lets nothing else stand before a colon
		if _, twice := m[name]; twice {
			return nil, fmt.Errorf("%q stands twice", name)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		m[name] = value
	}
	if _, err := d.Token(); err != nil { // }
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows it")
	}
	return m, nil
}

// elements is the product of a shape, checked.
func elements(shape []int64) (int64, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 || d > math.MaxInt32 || d > 0 && n > math.MaxInt64/16/d {
			return 0, fmt.Errorf("shape %v", shape)
		}
		n *= d
	}
	return n, nil
}

// WriteSafetensors writes the tensors in their order, with meta as __metadata__
// (left out when empty). Each is stored as its DType says: F32 (or ""), F16 or I64.
// The same input gives the same bytes.
func WriteSafetensors(w io.Writer, tensors []Tensor, meta map[string]string) error {
	var head bytes.Buffer
	head.WriteByte('{')
	if len(meta) > 0 {
		b, err := json.Marshal(meta) // sorts its keys
		if err != nil {
			return err
		}
		fmt.Fprintf(&head, `"__metadata__":%s`, b)
	}
	at := int64(0)
	seen := map[string]bool{}
	for i, t := range tensors {
		d := t.stored()
		if d != F32 && d != F16 && d != I64 {
			return fmt.Errorf("safetensors: tensor %s: elements of type %q are not written", t.Name, string(d))
		}
		count := int64(1)
		for _, n := range t.Shape {
			count *= int64(n)
		}
		if count != int64(len(t.Data)) || seen[t.Name] || t.Name == "__metadata__" {
			return fmt.Errorf("safetensors: tensor %s of shape %v with %d elements, or named twice", t.Name, t.Shape, len(t.Data))
		}
		seen[t.Name] = true
		shape := make([]int64, len(t.Shape))
		for k, n := range t.Shape {
			shape[k] = int64(n)
		}
		end := at + count*int64(d.size())
		name, err := json.Marshal(t.Name)
		if err != nil {
			return err
		}
		b, err := json.Marshal(header{d, shape, [2]int64{at, end}})
		if err != nil {
			return err
		}
		if i > 0 || len(meta) > 0 {
			head.WriteByte(',')
		}
		fmt.Fprintf(&head, "%s:%s", name, b)
		at = end
	}
	head.WriteByte('}')
	for head.Len()%8 != 0 {
		head.WriteByte(' ')
	}
	out := bufio.NewWriterSize(w, 1<<16)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(head.Len()))
	out.Write(length[:])
	out.Write(head.Bytes())
	for _, t := range tensors {
		if err := encode(out, t.Data, t.stored()); err != nil {
			return err
		}
	}
	return out.Flush()
}

func (t *Tensor) stored() DType {
	if t.DType == "" {
		return F32
	}
	return t.DType
}

// encode writes elements, little-endian.
func encode(w io.Writer, data []float32, d DType) error {
	const most = 1 << 14 // elements
	le := binary.LittleEndian
	buf := make([]byte, min(most, len(data))*d.size())
	for chunk := range slices.Chunk(data, most) {
		b := buf[:len(chunk)*d.size()]
		switch d {
		case F32:
			for i, v := range chunk {
				le.PutUint32(b[4*i:], math.Float32bits(v))
			}
		case F16:
			for i, v := range chunk {
				le.PutUint16(b[2*i:], toF16(v))
			}
		case I64:
			for i, v := range chunk {
				le.PutUint64(b[8*i:], uint64(int64(v)))
			}
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

package serve

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// The tensors of the Open Inference Protocol (github.com/kserve/open-inference-protocol),
// and their binary form (Triton's binary tensor data extension): row major, little-endian;
// of a BYTES tensor, each element's length in 4 bytes before it.

// A tensorV2 is a tensor of a request or an answer.
type tensorV2 struct {
	Name       string          `json:"name"`
	Shape      []int64         `json:"shape"`
	Datatype   string          `json:"datatype"`
	Parameters *parametersV2   `json:"parameters,omitempty"`
	Data       json.RawMessage `json:"data,omitempty"`

	binary []byte // instead of Data
}

// parametersV2 are the parameters that are understood; others are passed over, as the protocol has it.
type parametersV2 struct {
	BinaryDataSize   *int64 `json:"binary_data_size,omitempty"`
	BinaryData       *bool  `json:"binary_data,omitempty"`
	BinaryDataOutput bool   `json:"binary_data_output,omitempty"`
	Classification   int    `json:"classification,omitempty"`
}

// A requestV2 is an inference request.
type requestV2 struct {
	ID         string        `json:"id,omitempty"`
	Parameters *parametersV2 `json:"parameters,omitempty"`
	Inputs     []tensorV2    `json:"inputs"`
	Outputs    []struct {
		Name       string        `json:"name"`
		Parameters *parametersV2 `json:"parameters,omitempty"`
	} `json:"outputs,omitempty"`
}

// parseV2 reads a request: JSON, of which the first header bytes if binary data follow
// it; header is below 0 where none do.
func parseV2(body []byte, header int) (*requestV2, error) {
	rest := []byte(nil)
	if header >= 0 {
		if header > len(body) {
			return nil, fmt.Errorf("Inference-Header-Content-Length is %d, the body has %d bytes", header, len(body))
		}
		body, rest = body[:header], body[header:]
	}
	var r requestV2
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, fmt.Errorf("the request is no JSON of the protocol's: %w", err)
	}
	for k := range r.Inputs {
		t := &r.Inputs[k]
		if t.Parameters == nil || t.Parameters.BinaryDataSize == nil {
			if len(t.Data) == 0 {
				return nil, fmt.Errorf("input %s has no data", t.Name)
			}
			continue
		}
		n := *t.Parameters.BinaryDataSize
		if n < 0 || n > int64(len(rest)) {
			return nil, fmt.Errorf("input %s has binary_data_size %d, of the body's binary part %d bytes are left", t.Name, n, len(rest))
		}
		if len(t.Data) > 0 {
			return nil, fmt.Errorf("input %s has data in JSON and in binary", t.Name)
		}
		t.binary, rest = rest[:n:n], rest[n:]
		if t.binary == nil {
			t.binary = []byte{}
		}
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes follow the binary data of the inputs", len(rest))
	}
	return &r, nil
}

// rows is the tensor's first dimension, the others being as they must be; a dimension of
// -1 in want stands for any number of pictures up to most.
func (t *tensorV2) rows(datatype string, most int, want ...int64) (int, error) {
	if t.Datatype != datatype {
		return 0, fmt.Errorf("input %s has the datatype %s, not %s", t.Name, t.Datatype, datatype)
	}
	fits := len(t.Shape) == len(want)
	for k := 1; fits && k < len(want); k++ {
		fits = t.Shape[k] == want[k]
	}
	if !fits || t.Shape[0] < 1 {
		return 0, fmt.Errorf("input %s has the shape %v, not %v", t.Name, t.Shape, want)
	}
	if t.Shape[0] > int64(most) {
		return 0, refuse(413, "request", "input %s has %d pictures; a request may have %d", t.Name, t.Shape[0], most)
	}
	return int(t.Shape[0]), nil
}

// floats are the values of an FP32 tensor that has n of them.
func (t *tensorV2) floats(n int) ([]float32, error) {
	wrong := func(got int) error {
		return fmt.Errorf("input %s of the shape %v has %d values, not %d", t.Name, t.Shape, got, n)
	}
	if t.binary != nil {
		if len(t.binary) != 4*n {
			return nil, fmt.Errorf("input %s of the shape %v has %d bytes, not %d", t.Name, t.Shape, len(t.binary), 4*n)
		}
		values := make([]float32, n)
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.binary[4*i:]))
		}
		return values, t.finite(values)
	}
	// The JSON is valid; nested lists and a flat one have the same numbers in the same order.
	var values []float32
	for at := 0; at < len(t.Data); {
		switch c := t.Data[at]; {
		case c == '[' || c == ']' || c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r':
			at++
		case c == '-' || c >= '0' && c <= '9':
			end := at + 1
			for end < len(t.Data) && numeric(t.Data[end]) {
				end++
			}
			v, err := strconv.ParseFloat(string(t.Data[at:end]), 32)
			if err != nil {
				return nil, fmt.Errorf("input %s: %s is no FP32", t.Name, t.Data[at:end])
			}
			if len(values) == n {
				return nil, wrong(n + 1)
			}
			values = append(values, float32(v))
			at = end
		default:
			return nil, fmt.Errorf("input %s has something else than numbers among its data", t.Name)
		}
	}
	if len(values) != n {
		return nil, wrong(len(values))
	}
	return values, nil
}

func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

func (t *tensorV2) finite(values []float32) error {
	for i, v := range values {
		if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
			return fmt.Errorf("input %s has %v as its value %d", t.Name, v, i)
		}
	}
	return nil
}

// elements are the values of a BYTES tensor that has n of them. In JSON, where bytes have
// no form of their own, they are strings in base64.
func (t *tensorV2) elements(n int) ([][]byte, error) {
	var values [][]byte
	if t.binary != nil {
		for rest := t.binary; len(rest) > 0; {
			if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
				return nil, fmt.Errorf("input %s: element %d is longer than its data", t.Name, len(values))
			}
			end := 4 + int(binary.LittleEndian.Uint32(rest))
			values, rest = append(values, rest[4:end:end]), rest[end:]
			if len(values) > n {
				break
			}
		}
	} else {
		var err error
		if values, err = t.texts(); err != nil {
			return nil, err
		}
	}
	if len(values) != n {
		return nil, fmt.Errorf("input %s of the shape %v has other than %d elements", t.Name, t.Shape, n)
	}
	return values, nil
}

func (t *tensorV2) texts() ([][]byte, error) {
	var flat []string
	if json.Unmarshal(t.Data, &flat) != nil {
		flat = nil // of what it read so far
		var nested [][]string
		if json.Unmarshal(t.Data, &nested) != nil {
			return nil, fmt.Errorf("input %s has something else than strings as its data", t.Name)
		}
		for _, row := range nested {
			flat = append(flat, row...)
		}
	}
	values := make([][]byte, len(flat))
	for i, text := range flat {
		var err error
		if values[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("input %s: element %d is not in base64, as pictures in JSON must be: %w", t.Name, i, err)
		}
	}
	return values, nil
}

// floatTensor and textTensor make tensors of an answer.
func floatTensor(name string, shape []int64, values []float32, inBinary bool) (tensorV2, error) {
	t := tensorV2{Name: name, Shape: shape, Datatype: "FP32"}
	if !inBinary {
		data, err := json.Marshal(values)
		t.Data = data
		return t, err
	}
	b := make([]byte, 0, 4*len(values))
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	t.setBinary(b)
	return t, nil
}

func textTensor(name string, shape []int64, values []string, inBinary bool) (tensorV2, error) {
	t := tensorV2{Name: name, Shape: shape, Datatype: "BYTES"}
	if !inBinary {
		data, err := json.Marshal(values)
		t.Data = data
		return t, err
	}
	b := []byte{}
	for _, v := range values {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(v))), v...)
	}
	t.setBinary(b)
	return t, nil
}

func (t *tensorV2) setBinary(b []byte) {
	n := int64(len(b))
	t.binary, t.Parameters = b, &parametersV2{BinaryDataSize: &n}
}

package weights

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// A storage is a run of elements in the file that tensors are views of.
type storage struct {
	key   string
	dtype DType
	numel int64 // as declared; 0 until known, where the file says it later

	data   func() (io.ReadCloser, int64, error) // the bytes and how many there are
	values map[DType][]float32                  // once decoded
}

// A stored is a tensor before its elements are read.
type stored struct {
	storage        *storage
	dtype          DType
	offset         int64
	shape, strides []int64
}

// storage enters the storage that a persistent identifier names:
// ('storage', class, key, location, number of elements, ...).
func (m *machine) storage(id any) (*storage, error) {
	t, ok := id.(tuple)
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return nil, errors.New("damaged: a persistent identifier that names no storage")
	}
	class, _ := t[1].(global)
	key, ok := t[2].(string)
	numel, ok2 := t[4].(int64)
	if k := constructors[class]; k.kind != isStorage || !ok || !ok2 || numel < 0 {
		return nil, errors.New("damaged: a storage without class, key or size")
	}
	s := m.storages[key]
	if s == nil {
		s = &storage{key: key, dtype: constructors[class].dtype, numel: numel}
		m.storages[key] = s
	}
	return s, nil
}

// newStored checks the arguments of torch._utils._rebuild_tensor*: storage,
// offset, shape, strides. dtype is that of the storage unless named.
func newStored(a tuple, dtype DType) (any, error) {
	if len(a) < 4 {
		return nil, fmt.Errorf("damaged: a tensor of %d arguments", len(a))
	}
	s, ok := a[0].(*storage)
	offset, ok2 := a[1].(int64)
	shape, err := numbers(a[2])
	strides, err2 := numbers(a[3])
	if !ok || !ok2 || offset < 0 || err != nil || err2 != nil || len(shape) != len(strides) {
		return nil, errors.New("damaged: a tensor without storage, offset, shape or strides")
	}
	if dtype == "" {
		dtype = s.dtype
	}
	return &stored{s, dtype, offset, shape, strides}, nil
}

func numbers(v any) ([]int64, error) {
	t, ok := v.(tuple)
	if !ok || len(t) > 16 {
		return nil, errors.New("damaged: not a tuple of numbers")
	}
	out := make([]int64, len(t))
	for i, x := range t {
		n, ok := x.(int64)
		if !ok || n < 0 || n > math.MaxInt32 {
			return nil, fmt.Errorf("damaged: a size or stride of %v", x)
		}
		out[i] = n
	}
	return out, nil
}

// floats are the storage's elements; they are read once.
func (s *storage) floats(d DType) ([]float32, error) {
	if v, ok := s.values[d]; ok {
		return v, nil
	}
	if s.data == nil {
		return nil, fmt.Errorf("storage %q is not in the file", s.key)
	}
	r, bytes, err := s.data()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if width := int64(s.dtype.size()); s.numel > bytes/width {
		return nil, fmt.Errorf("storage %q declares %d elements of %d bytes, the file has %d bytes", s.key, s.numel, width, bytes)
	}
	v := make([]float32, s.numel*int64(s.dtype.size())/int64(d.size()))
	if err := decode(v, r, d); err != nil {
		return nil, fmt.Errorf("storage %q: %w", s.key, err)
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // the end shows whether the checksum is right
		return nil, fmt.Errorf("storage %q: %w", s.key, err)
	}
	if s.values == nil {
		s.values = map[DType][]float32{}
	}
	s.values[d] = v
	return v, nil
}

// read gathers the tensor's elements in C order.
func (t *stored) read(name string) (Tensor, error) {
	values, err := t.storage.floats(t.dtype)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: %w", name, err)
	}
	count, err := elements(t.shape)
	if err != nil {
		return Tensor{}, fmt.Errorf("tensor %s: refused: %w", name, err)
	}
	shape := make([]int, len(t.shape))
	last, total := min(t.offset, int64(len(values))), int64(len(values)) // last stops growing once it is too large
	for i, n := range t.shape {
		shape[i] = int(n)
		last = min(last+max(n-1, 0)*t.strides[i], total) // below 2^31 * 2^31 + total
	}
	if count > 0 && (last >= total || count > total) {
		return Tensor{}, fmt.Errorf("tensor %s: shape %v with strides %v from %d reaches beyond its storage of %d elements", name, t.shape, t.strides, t.offset, len(values))
	}
	out := Tensor{Name: name, Shape: shape, Data: make([]float32, count), DType: t.dtype}
	if t.contiguous() {
		copy(out.Data, values[min(t.offset, int64(len(values))):])
		return out, nil
	}
	index := make([]int64, len(shape))
	for i := range out.Data {
		at := t.offset
		for d, k := range index {
			at += k * t.strides[d]
		}
		out.Data[i] = values[at]
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < t.shape[d] {
				break
			}
			index[d] = 0
		}
	}
	return out, nil
}

func (t *stored) contiguous() bool {
	step := int64(1)
	for i := len(t.shape) - 1; i >= 0; i-- {
		if t.shape[i] != 1 && t.strides[i] != step {
			return false
		}
		step *= t.shape[i]
	}
	return true
}

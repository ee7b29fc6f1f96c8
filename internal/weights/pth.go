package weights

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// readZip reads PyTorch's archive: NAME/data.pkl describes the tensors, and
// NAME/data/KEY holds each storage, uncompressed.
func readZip(r io.ReaderAt, size int64) ([]Tensor, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("damaged zip archive: %w", err)
	}
	files := map[string]*zip.File{}
	root := ""
	for _, f := range z.File {
		if files[f.Name] != nil {
			return nil, fmt.Errorf("damaged: %s stands twice in the archive", f.Name)
		}
		files[f.Name] = f
		if dir, ok := strings.CutSuffix(f.Name, "/data.pkl"); ok && !strings.Contains(dir, "/") {
			root = dir
		}
	}
	if root == "" {
		if files["constants.pkl"] != nil || slices.ContainsFunc(z.File, func(f *zip.File) bool { return strings.HasSuffix(f.Name, "/constants.pkl") }) {
			return nil, errors.New("refused: a TorchScript program, not a state dict; save model.state_dict()")
		}
		return nil, errors.New("a zip archive without data.pkl: not a PyTorch file")
	}
	// open returns an entry whose checksum is compared when its end is read.
	open := func(name string) (io.ReadCloser, int64, error) {
		f := files[name]
		if f == nil {
			return nil, 0, fmt.Errorf("%s is missing from the archive", name)
		}
		if f.Method != zip.Store || f.UncompressedSize64 > uint64(size) {
			return nil, 0, fmt.Errorf("refused: %s is compressed or larger than its archive", name)
		}
		content, err := f.Open()
		return content, int64(f.UncompressedSize64), err
	}
	content := func(name string) ([]byte, error) {
		c, n, err := open(name)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		if n > maxPickle {
			return nil, fmt.Errorf("refused: %s has %d bytes, at most %d are read", name, n, maxPickle)
		}
		b, err := io.ReadAll(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return b, nil
	}
	if files[root+"/byteorder"] != nil {
		order, err := content(root + "/byteorder")
		if err != nil {
			return nil, err
		}
		if string(order) != "little" {
			return nil, fmt.Errorf("refused: byte order %.16q, only little is read", order)
		}
	}
	pickle, err := content(root + "/data.pkl")
	if err != nil {
		return nil, err
	}
	storages := map[string]*storage{}
	v, err := unpickle(newSource(bytes.NewReader(pickle), 0, int64(len(pickle))), storages)
	if err != nil {
		return nil, err
	}
	for key, s := range storages {
		s.data = func() (io.ReadCloser, int64, error) { return open(root + "/data/" + key) }
	}
	return stateDict(v)
}

// legacyMagic is the number that begins files of PyTorch before 1.6, as a pickle.
const legacyMagic = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

// readLegacy reads the stream of pickles of PyTorch before 1.6: magic number,
// protocol, machine, the tensors, the storages' keys; then each storage, its
// number of elements before its bytes.
func readLegacy(r io.ReaderAt, size int64) ([]Tensor, error) {
	src := newSource(r, int64(len(legacyMagic)), size-int64(len(legacyMagic)))
	storages := map[string]*storage{}
	next := func(what string) (any, error) {
		v, err := unpickle(src, storages)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		return v, nil
	}
	if v, err := next("protocol version"); err != nil || v != any(int64(1001)) {
		return nil, errors.Join(err, fmt.Errorf("protocol version %v is not 1001", v))
	}
	machine, err := next("machine")
	if err != nil {
		return nil, err
	}
	if d, ok := machine.(*dict); ok {
		if little, ok := d.get("little_endian"); ok && little != any(true) {
			return nil, errors.New("refused: big-endian data")
		}
	}
	v, err := next("tensors")
	if err != nil {
		return nil, err
	}
	keys, err := next("storage keys")
	if err != nil {
		return nil, err
	}
	l, ok := keys.(*list)
	if !ok {
		return nil, errors.New("damaged: no list of storages")
	}
	at := src.pos
	for _, k := range l.items {
		key, _ := k.(string)
		s := storages[key]
		if s == nil {
			return nil, fmt.Errorf("damaged: storage %q belongs to no tensor", key)
		}
		numel, err := newSource(r, at, size-at).uint(8)
		if err != nil {
			return nil, fmt.Errorf("storage %q: %w", key, err)
		}
		left, width := size-at-8, int64(s.dtype.size())
		if numel != uint64(s.numel) || s.numel > left/width {
			return nil, fmt.Errorf("storage %q declares %d elements, its tensors %d, the file has %d bytes left", key, numel, s.numel, left)
		}
		from, length := at+8, s.numel*width
		s.data = func() (io.ReadCloser, int64, error) {
			return io.NopCloser(io.NewSectionReader(r, from, length)), length, nil
		}
		at = from + length
	}
	if at != size {
		return nil, fmt.Errorf("damaged: %d bytes follow the last storage", size-at)
	}
	return stateDict(v)
}

// stateDict finds the tensors in a file's value: a dict of them, or a
// checkpoint with one under a usual key. "module." before all names is removed.
func stateDict(v any) ([]Tensor, error) {
	d, ok := v.(*dict)
	if !ok {
		return nil, fmt.Errorf("holds %s, not a state dict; save model.state_dict()", kindOf(v))
	}
	for _, key := range []string{"state_dict", "model", "model_state_dict", "state_dict_ema", "net"} {
		if inner, ok := d.get(key); ok {
			if s, ok := inner.(*dict); ok && s.tensors() > 0 {
				d = s
				break
			}
		}
	}
	if d.tensors() == 0 {
		return nil, errors.New("holds no tensors, at its top or under state_dict or model")
	}
	prefixed := true
	for i, k := range d.keys {
		if _, ok := d.vals[i].(*stored); ok {
			name, _ := k.(string)
			prefixed = prefixed && strings.HasPrefix(name, "module.")
		}
	}
	var out []Tensor
	for i, k := range d.keys {
		t, ok := d.vals[i].(*stored)
		if !ok {
			continue
		}
		name, ok := k.(string)
		if !ok {
			return nil, fmt.Errorf("damaged: a tensor named by %s", kindOf(k))
		}
		if prefixed {
			name = strings.TrimPrefix(name, "module.")
		}
		tensor, err := t.read(name)
		if err != nil {
			return nil, err
		}
		out = append(out, tensor)
	}
	return out, nil
}

func (d *dict) tensors() int {
	n := 0
	for _, v := range d.vals {
		if _, ok := v.(*stored); ok {
			n++
		}
	}
	return n
}

package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// Open reads the state dict in the file at path, in any of the formats that the
// package knows.
func Open(path string) (*StateDict, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder, not a weight file", path)
	}
	return Read(f, info.Size(), path)
}

// Read is Open for size bytes of r; name stands for the file in errors.
func Read(r io.ReaderAt, size int64, name string) (*StateDict, error) {
	tensors, meta, err := read(r, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s := &StateDict{Metadata: meta, tensors: tensors, index: map[string]int{}}
	for i, t := range tensors {
		if _, twice := s.index[t.Name]; twice {
			return nil, fmt.Errorf("%s: tensor %s stands twice", name, t.Name)
		}
		s.index[t.Name] = i
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(r, 0, size)); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s.SHA256 = hex.EncodeToString(h.Sum(nil))
	return s, nil
}

func read(r io.ReaderAt, size int64) ([]Tensor, map[string]string, error) {
	head := make([]byte, 512)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, nil, err
	}
	head = head[:n]
	begins := func(s string) bool { return len(head) >= len(s) && string(head[:len(s)]) == s }
	switch {
	case n == 0:
		return nil, nil, errors.New("the file is empty")
	case begins("PK\x03\x04"):
		t, err := readZip(r, size)
		return t, nil, err
	case begins(legacyMagic):
		t, err := readLegacy(r, size)
		return t, nil, err
	case n > 262 && string(head[257:262]) == "ustar":
		return nil, nil, errors.New("refused: PyTorch's tar format of before 2017; load and save it with a newer PyTorch")
	case n > 9 && head[8] == '{':
		return readSafetensors(r, size)
	case begins("\x80"):
		return nil, nil, errors.New("refused: a plain pickle, not written by torch.save")
	case begins("\x89HDF"):
		return nil, nil, errors.New("a Keras file (HDF5): convert it to safetensors")
	case begins("<"):
		return nil, nil, errors.New("a web page, not weights: the download answered with an error page")
	}
	return nil, nil, errors.New("no weight file that is read (PyTorch .pth, safetensors)")
}

package weights

import (
	"bufio"
	"fmt"
	"io"
)

// source hands out a file's bytes in order and knows how many are left, so that a
// declared length is checked before anything is allocated for it.
type source struct {
	r    *bufio.Reader
	pos  int64 // of the next byte
	left int64 // bytes until the end
}

func newSource(r io.ReaderAt, off, size int64) *source {
	return &source{r: bufio.NewReader(io.NewSectionReader(r, off, size)), pos: off, left: size}
}

func (s *source) byte() (byte, error) {
	b, err := s.r.ReadByte()
	if err == io.EOF {
		return 0, io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, err
	}
	s.pos++
	s.left--
	return b, nil
}

// bytes returns the next n bytes as a new slice.
func (s *source) bytes(n uint64) ([]byte, error) {
	if n > uint64(max(s.left, 0)) {
		return nil, fmt.Errorf("%d bytes are declared, %d are left", n, s.left)
	}
	if n > maxPickle {
		return nil, fmt.Errorf("%d bytes are declared in one piece, at most %d are read", n, maxPickle)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s.r, b); err != nil {
		return nil, err
	}
	s.pos += int64(n)
	s.left -= int64(n)
	return b, nil
}

// line returns the bytes up to the next newline, without it.
func (s *source) line() (string, error) {
	const longest = 4096
	var b []byte
	for len(b) <= longest {
		c, err := s.byte()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return string(b), nil
		}
		b = append(b, c)
	}
	return "", fmt.Errorf("a line of text longer than %d bytes", longest)
}

// uint reads a little-endian number of n bytes, n at most 8.
func (s *source) uint(n int) (uint64, error) {
	var v uint64
	for i := range n {
		b, err := s.byte()
		if err != nil {
			return 0, err
		}
		v |= uint64(b) << (8 * i)
	}
	return v, nil
}

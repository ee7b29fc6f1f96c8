package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDamagedElements flips one bit of a tensor in a zip archive: the checksum shows it.
func TestDamagedElements(t *testing.T) {
	whole, err := os.ReadFile("testdata/zip.pth")
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		if !strings.Contains(f.Name, "/data") || f.UncompressedSize64 == 0 {
			continue
		}
		at, err := f.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		b := slices.Clone(whole)
		b[at+int64(f.UncompressedSize64)-1] ^= 1
		if _, err := Read(bytes.NewReader(b), int64(len(b)), "x"); err == nil {
			t.Errorf("%s was read with a bit flipped", f.Name)
		}
	}
}

// pickled is a legacy file whose only tensor is as given.
func pickled(numel, offset, size, stride int64) []byte {
	var b bytes.Buffer
	long := func(v int64) {
		b.WriteString("\x8a\x08")
		binary.Write(&b, binary.LittleEndian, v)
	}
	b.WriteString(legacyMagic)
	b.WriteString("\x80\x02M\xe9\x03.")          // 1001
	b.WriteString("\x80\x02}.")                  // machine
	b.WriteString("\x80\x02}X\x01\x00\x00\x00w") // {"w":
	b.WriteString("ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu")
	long(numel)
	b.WriteString("NtQ")
	long(offset)
	long(size)
	b.WriteString("\x85")
	long(stride)
	b.WriteString("\x85\x89}tRs.")
	b.WriteString("\x80\x02]X\x01\x00\x00\x000a.") // keys
	binary.Write(&b, binary.LittleEndian, numel)
	b.Write(make([]byte, 16))
	return b.Bytes()
}

// TestDeclaredSizes declares numbers whose products do not fit 64 bits.
func TestDeclaredSizes(t *testing.T) {
	b := pickled(4, 1, 3, 1)
	s, err := Read(bytes.NewReader(b), int64(len(b)), "whole")
	if err != nil {
		t.Fatal(err)
	}
	if w, ok := s.Get("w"); !ok || len(w.Data) != 3 {
		t.Fatalf("read %v", w)
	}
	for _, c := range [][4]int64{
		{math.MaxInt64, 0, 3, 1},
		{math.MaxInt64/4 + 2, 0, 3, 1},
		{4, math.MaxInt64, 3, 1},
		{4, math.MaxInt64 - 1, 2, 2},
		{4, 2, 3, 1},
		{4, 0, math.MaxInt32, math.MaxInt32},
		{4, 0, 2, math.MaxInt32},
		{4, 0, math.MaxInt32, 0},
		{4, -1, 2, 1},
		{-1, 0, 2, 1},
	} {
		b := pickled(c[0], c[1], c[2], c[3])
		if _, err := Read(bytes.NewReader(b), int64(len(b)), "x"); err == nil {
			t.Errorf("a storage of %d elements, a tensor at %d of size %d and stride %d was read", c[0], c[1], c[2], c[3])
		}
	}
}

func TestSafetensorsHeaders(t *testing.T) {
	const whole = `{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"c":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`
	read := func(head string) error {
		var b bytes.Buffer
		binary.Write(&b, binary.LittleEndian, int64(len(head)))
		fmt.Fprint(&b, head)
		b.Write(make([]byte, 8))
		_, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x")
		return err
	}
	if err := read(whole); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{
		{`"c":`, `"a":`},
		{`[0,4]`, `[-9223372036854775808,-9223372036854775804]`},
		{`[4,8]`, `[4,9223372036854775807]`},
		{`[4,8]`, `[9223372036854775804,9223372036854775807]`},
		{`[4,8]`, `[5,9]`},
		{`[1]`, `[2147483647,2147483647,2147483647]`},
		{`[1]`, `[-1]`},
		{`F32`, `F4`},
	} {
		if err := read(strings.Replace(whole, c[0], c[1], 1)); err == nil {
			t.Errorf("%s for %s was read", c[1], c[0])
		}
	}
}

// TestArchiveNames writes an archive in which a name stands twice.
func TestArchiveNames(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for range 2 {
		f, err := w.CreateHeader(&zip.FileHeader{Name: "x/data.pkl"})
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, "\x80\x02}.")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "x"); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("error %v", err)
	}
}

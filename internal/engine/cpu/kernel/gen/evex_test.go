package main

import (
	"bytes"
	"testing"
)

// TestEncode compares with what LLVM's assembler writes (llvm-mc --show-encoding).
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		e                  evex
		v                  vec
		dst, first, second int
		want               []byte
	}{
		{dpBF16, zmm, 1, 2, 3, []byte{0x62, 0xf2, 0x6e, 0x48, 0x52, 0xcb}},
		{dpBF16, zmm, 9, 17, 31, []byte{0x62, 0x12, 0x76, 0x40, 0x52, 0xcf}},
		{dpBF16, ymm, 23, 15, 8, []byte{0x62, 0xc2, 0x06, 0x28, 0x52, 0xf8}},
		{cvtBF16, zmm, 5, 0, 20, []byte{0x62, 0xb2, 0x7e, 0x48, 0x72, 0xec}},
		{cvtBF16, ymm, 12, 0, 9, []byte{0x62, 0x52, 0x7e, 0x28, 0x72, 0xe1}},
		{cvt2BF16, zmm, 0, 26, 10, []byte{0x62, 0xd2, 0x2f, 0x40, 0x72, 0xc2}},
		{cvt2BF16, ymm, 3, 2, 1, []byte{0x62, 0xf2, 0x6f, 0x28, 0x72, 0xd9}},
	} {
		if got := c.e.encode(c.v, c.dst, c.first, c.second); !bytes.Equal(got, c.want) {
			t.Errorf("%s %d, %d, %d: %#x, want %#x", c.e.name, c.dst, c.first, c.second, got, c.want)
		}
	}
}

package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// DType names how a tensor's elements are stored in a file, as safetensors
// spells it. In memory elements are always float32.
type DType string

// The element types that are read. F32, F16 and I64 are also written.
// Integers beyond 2^24 and doubles lose digits on their way to float32.
const (
	F64  DType = "F64"
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U64  DType = "U64"
	U32  DType = "U32"
	U16  DType = "U16"
	U8   DType = "U8"
	Bool DType = "BOOL"
)

// size is the number of bytes of one element, 0 for a type that is not read.
func (d DType) size() int {
	switch d {
	case F64, I64, U64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool:
		return 1
	}
	return 0
}

// decode fills dst with len(dst) little-endian elements of type d from r.
func decode(dst []float32, r io.Reader, d DType) error {
	const chunk = 1 << 14 // elements
	es := d.size()
	if es == 0 {
		return fmt.Errorf("elements of type %q are not read", string(d))
	}
	buf := make([]byte, min(chunk, len(dst))*es)
	for len(dst) > 0 {
		n := min(chunk, len(dst))
		b := buf[:n*es]
		if _, err := io.ReadFull(r, b); err != nil {
			return err
		}
		decodeChunk(dst[:n], b, d)
		dst = dst[n:]
	}
	return nil
}

func decodeChunk(dst []float32, b []byte, d DType) {
	le := binary.LittleEndian
	switch d {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(b[4*i:]))
		}
	case F64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(b[8*i:])))
		}
	case F16:
		for i := range dst {
			dst[i] = fromF16(le.Uint16(b[2*i:]))
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16)
		}
	case I64:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(b[8*i:])))
		}
	case U64:
		for i := range dst {
			dst[i] = float32(le.Uint64(b[8*i:]))
		}
	case I32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(b[4*i:])))
		}
	case U32:
		for i := range dst {
			dst[i] = float32(le.Uint32(b[4*i:]))
		}
	case I16:
		for i := range dst {
			dst[i] = float32(int16(le.Uint16(b[2*i:])))
		}
	case U16:
		for i := range dst {
			dst[i] = float32(le.Uint16(b[2*i:]))
		}
	case I8:
		for i := range dst {
			dst[i] = float32(int8(b[i]))
		}
	case U8:
		for i := range dst {
			dst[i] = float32(b[i])
		}
	case Bool:
		for i := range dst {
			dst[i] = 0
			if b[i] != 0 {
				dst[i] = 1
			}
		}
	}
}

// fromF16 widens an IEEE half-precision number; every one is exact in float32.
func fromF16(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exp {
	case 0: // zero and subnormal: frac * 2^-24
		f := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(sign | math.Float32bits(f))
	case 31: // infinity and not-a-number
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// toF16 rounds to the nearest half-precision number, ties to even.
func toF16(f float32) uint16 {
	b := math.Float32bits(f)
	sign, abs := uint16(b>>16&0x8000), b&0x7fffffff
	switch {
	case abs > 0x7f800000: // not-a-number stays one
		return sign | 0x7e00
	case abs >= 0x477ff000: // 65520 and above round to infinity
		return sign | 0x7c00
	case abs < 0x38800000: // below 2^-14: a multiple of 2^-24
		m := math.RoundToEven(float64(math.Float32frombits(abs)) * (1 << 24))
		return sign | uint16(m)
	}
	abs += 0xfff + abs>>13&1 // half a unit of the last place that stays
	return sign | uint16((abs-112<<23)>>13)
}

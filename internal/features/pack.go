package features

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
)

// Packed features are a bit for each value, set where its bits are not all 0, in words of 64, then the values
// whose bit is set: ReLU leaves few. Where bfloat16 holds all of them, two bytes each will do.

// mostPacked is what so many values can take.
func mostPacked(values int) int { return 8*words(values) + 4*values }

func words(values int) int { return (values + 63) / 64 }

// pack appends values to a list and reports whether they were halved.
func pack(to []byte, v []float32) (packed []byte, halved bool) {
	from := len(to)
	to = slices.Grow(to, mostPacked(len(v)))
	all := uint32(0)
	for at := 0; at < len(v); at += 64 {
		word := uint64(0)
		for i, x := range v[at:min(at+64, len(v))] {
			b := math.Float32bits(x)
			all |= b
			word |= uint64((b|-b)>>31) << i // without a branch, which would be foreseen too seldom
		}
		to = binary.LittleEndian.AppendUint64(to, word)
	}
	halved = all&0xffff == 0
	for at := 0; at < len(v); at += 64 {
		for word := binary.LittleEndian.Uint64(to[from+at/8:]); word != 0; word &= word - 1 {
			b := math.Float32bits(v[at+bits.TrailingZeros64(word)])
			if halved {
				to = binary.LittleEndian.AppendUint16(to, uint16(b>>16))
			} else {
				to = binary.LittleEndian.AppendUint32(to, b)
			}
		}
	}
	return to, halved
}

// unpack writes the values that were packed.
func unpack(v []float32, packed []byte, halved bool) {
	clear(v)
	kept := packed[8*words(len(v)):]
	for at := 0; at < len(v); at += 64 {
		for word := binary.LittleEndian.Uint64(packed[at/8:]); word != 0; word &= word - 1 {
			b := uint32(0)
			if halved {
				b, kept = uint32(binary.LittleEndian.Uint16(kept))<<16, kept[2:]
			} else {
				b, kept = binary.LittleEndian.Uint32(kept), kept[4:]
			}
			v[at+bits.TrailingZeros64(word)] = math.Float32frombits(b)
		}
	}
}

package main

import (
	"fmt"
	"strings"
)

// Go's assembler knows none of AVX512_BF16. Its three instructions are written as
// bytes, with registers for all operands.

// An evex is an instruction of map 0F38 with its mandatory prefix, W = 0.
type evex struct {
	name   string
	prefix byte // 2 is F3, 3 is F2
	opcode byte
}

var (
	// dot adds to each float of dst the product of the odd halves, then that of the
	// even halves of the operands' 32 bits.
	dpBF16 = evex{"VDPBF16PS", 2, 0x52}
	// cvtBF16 rounds a vector to half as many bytes; its middle operand is none.
	cvtBF16 = evex{"VCVTNEPS2BF16", 2, 0x72}
	// cvt2BF16 rounds two vectors into one: the last operand becomes the low half.
	cvt2BF16 = evex{"VCVTNE2PS2BF16", 3, 0x72}
)

// encode returns the bytes for vectors of v's width, operands as in Intel's manual:
// dst, first, second.
func (e evex) encode(v vec, dst, first, second int) []byte {
	inverted := func(r, bit int) byte { return byte(^r>>bit) & 1 }
	long := byte(1) // 256 bits
	if v.reg == "Z" {
		long = 2
	}
	return []byte{
		0x62,
		inverted(dst, 3)<<7 | inverted(second, 4)<<6 | inverted(second, 3)<<5 | inverted(dst, 4)<<4 | 2,
		byte(^first&15)<<3 | 4 | e.prefix,
		long<<5 | inverted(first, 4)<<3,
		e.opcode,
		0xc0 | byte(dst&7)<<3 | byte(second&7),
	}
}

// bytes writes an instruction that the assembler does not know.
func (a *asm) bytes(e evex, v vec, dst, first, second int) {
	var text []string
	for _, b := range e.encode(v, dst, first, second) {
		text = append(text, fmt.Sprintf("BYTE $%#02x", b))
	}
	fmt.Fprintf(&a.text, "\t%s // %s %s, %s, %s\n", strings.Join(text, "; "), e.name, v.r(dst), v.r(first), v.r(second))
}

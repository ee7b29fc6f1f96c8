package jpeg

import "encoding/binary"

// lookBits is how many bits of the stream a look-up takes.
const lookBits = 10

// A huffman is a table of codes. look answers for the next lookBits bits:
//
//	bits 0-4    how many to consume; an entry of 0 stands for a longer code
//	bits 5-8    the run of zeros before the value
//	bits 9-12   how many bits of value follow; 0 where the value is in the entry or there is none
//	bit 13      there is no value: the end of a block, or a run alone
//	bits 16-31  the value, signed, if it was among the bits looked at
type huffman struct {
	look   [1 << lookBits]int32
	limit  [17]int32 // the first code beyond those of a length, at 16 bits
	offset [17]int32 // of a length's symbols, less its first code
	symbol [256]uint8
}

const noValue = 1 << 13

// entry describes a symbol of an AC table whose code has n bits.
func entry(symbol uint8, n int) int32 {
	e := int32(n) | int32(symbol>>4)<<5 | int32(symbol&15)<<9
	if symbol&15 == 0 {
		e |= noValue
	}
	return e
}

// newHuffman makes a table of the numbers of codes of each length and their
// symbols; nil if there are more codes than a length has.
func newHuffman(counts, symbols []byte) *huffman {
	t := &huffman{}
	copy(t.symbol[:], symbols)
	code, at := 0, 0
	for n := 1; n <= 16; n++ {
		t.offset[n] = int32(at - code)
		for range counts[n-1] {
			if code >= 1<<n {
				return nil
			}
			if n <= lookBits {
				t.fill(code<<(lookBits-n), n, symbols[at])
			}
			code++
			at++
		}
		t.limit[n] = int32(code << (16 - n))
		code <<= 1
	}
	return t
}

// fill answers for all bits that begin with a code of n bits.
func (t *huffman) fill(first, n int, symbol uint8) {
	plain := entry(symbol, n)
	s := int(symbol & 15)
	for i := range 1 << (lookBits - n) {
		e := plain
		if left := lookBits - n; s > 0 && s <= left {
			v := extend(uint64(i>>(left-s)), s)
			e = int32(n+s) | int32(symbol>>4)<<5 | v<<16
		}
		t.look[first+i] = e
	}
}

// long finds a code that is longer than lookBits at the top of w; 0 if there is none.
func (t *huffman) long(w uint64) int32 {
	top := int32(w >> 48)
	for n := lookBits + 1; n <= 16; n++ {
		if top < t.limit[n] {
			return entry(t.symbol[uint8(top>>(16-n)+t.offset[n])], n)
		}
	}
	return 0
}

// extend is the value of s bits, whose upper half is positive (F.2.2.1, EXTEND).
func extend(v uint64, s int) int32 {
	x := int32(v)
	if x < 1<<(s-1) {
		x -= 1<<s - 1
	}
	return x
}

// slack is more than a block can consume: so much may be read beyond a segment
// before it is noticed.
const slack = 512

// bits is a segment of coded data, without stuffing, and slack behind it.
type bits struct {
	buf []byte
	pos uint // in bits
	end uint
}

// peek is the next 57 bits or more, at the top of a word.
func (b *bits) peek() uint64 { return binary.BigEndian.Uint64(b.buf[b.pos>>3:]) << (b.pos & 7) }

// take reads n bits, up to 32.
func (b *bits) take(n uint) uint32 {
	v := uint32(b.peek() >> 32 >> (32 - n))
	b.pos += n
	return v
}

// over says that more was read than there was.
func (b *bits) over() bool { return b.pos > b.end }

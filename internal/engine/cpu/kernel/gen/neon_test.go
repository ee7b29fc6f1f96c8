package main

import "testing"

// TestEncodeNEON compares with what GNU's assembler writes.
func TestEncodeNEON(t *testing.T) {
	for _, c := range []struct {
		what      string
		got, want uint32
	}{
		{"fadd v1.4s, v2.4s, v3.4s", encode3(fadd, 1, 2, 3), 0x4e23d441},
		{"fmul v31.4s, v17.4s, v9.4s", encode3(fmul, 31, 17, 9), 0x6e29de3f},
		{"fmla v4.4s, v24.4s, v26.4s", encode3(fmla, 4, 24, 26), 0x4e3acf04},
		{"fmax v0.4s, v0.4s, v16.4s", encode3(fmax, 0, 0, 16), 0x4e30f400},
		{"fmin v15.4s, v15.4s, v17.4s", encode3(fmin, 15, 15, 17), 0x4eb1f5ef},
		{"eor v7.16b, v7.16b, v7.16b", encode3(eor, 7, 7, 7), 0x6e271ce7},
		{"orr v2.16b, v30.16b, v30.16b", encode3(orr, 2, 30, 30), 0x4ebe1fc2},
		{"dup v18.4s, v18.s[0]", encode3(dup, 18, 18, 0), 0x4e040652},
		{"fmla v0.4s, v24.4s, v16.s[0]", encodeElement(0, 24, 16, 0), 0x4f901300},
		{"fmla v5.4s, v25.4s, v18.s[1]", encodeElement(5, 25, 18, 1), 0x4fb21325},
		{"fmla v15.4s, v31.4s, v23.s[2]", encodeElement(15, 31, 23, 2), 0x4f971bef},
		{"fmla v9.4s, v28.4s, v7.s[3]", encodeElement(9, 28, 7, 3), 0x4fa71b89},
	} {
		if c.got != c.want {
			t.Errorf("%s: %#x, want %#x", c.what, c.got, c.want)
		}
	}
}

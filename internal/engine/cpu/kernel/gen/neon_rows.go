package main

import "fmt"

func (a *neon) scaleShift() {
	a.args("y", "R0", "x", "R1", "r", "R2", "rows", "R3", "c", "R4", "scale", "R5", "shift", "R6", "ys", "R7", "xs", "R8", "rs", "R9", "lo", "F16")
	a.fill(16)
	a.eachRow([]stride{{"R0", "R7"}, {"R1", "R8"}, {"R2", "R9"}}, func() {
		a.op("MOVD", "R5", "R13")
		a.op("MOVD", "R6", "R14")
	}, func() {
		plain := a.label("plain")
		a.op("FLDPQ.P", "32(R14)", "(F0, F1)")
		a.op("FLDPQ.P", "32(R11)", "(F24, F25)")
		a.op("FLDPQ.P", "32(R13)", "(F26, F27)")
		a.v(fmla, 0, 24, 26)
		a.v(fmla, 1, 25, 27)
		a.op("CBZ", "R2", plain)
		a.op("FLDPQ.P", "32(R12)", "(F28, F29)")
		a.v(fadd, 0, 0, 28)
		a.v(fadd, 1, 1, 29)
		a.mark(plain)
		a.v(fmax, 0, 0, 16)
		a.v(fmax, 1, 1, 16)
		a.op("FSTPQ.P", "(F0, F1)", "32(R10)")
	})
}

func (a *neon) addRows() {
	a.args("y", "R0", "a", "R1", "b", "R2", "rows", "R3", "c", "R4", "ys", "R7", "as", "R8", "bs", "R9")
	a.eachRow([]stride{{"R0", "R7"}, {"R1", "R8"}, {"R2", "R9"}}, func() {}, func() {
		a.op("FLDPQ.P", "32(R11)", "(F24, F25)")
		a.op("FLDPQ.P", "32(R12)", "(F26, F27)")
		a.v(fadd, 0, 24, 26)
		a.v(fadd, 1, 25, 27)
		a.op("FSTPQ.P", "(F0, F1)", "32(R10)")
	})
}

func (a *neon) clampRows() {
	a.args("y", "R0", "x", "R1", "rows", "R3", "c", "R4", "ys", "R7", "xs", "R8", "lo", "F16", "hi", "F17")
	a.fill(16)
	a.fill(17)
	a.eachRow([]stride{{"R0", "R7"}, {"R1", "R8"}}, func() {}, func() {
		a.op("FLDPQ.P", "32(R11)", "(F0, F1)")
		a.clampTo(0, 16, 17)
		a.clampTo(1, 16, 17)
		a.op("FSTPQ.P", "(F0, F1)", "32(R10)")
	})
}

// hardSwish is x * min(max(x/6 + 1/2, 0), 1).
func (a *neon) hardSwish() {
	a.args("y", "R0", "x", "R1", "rows", "R3", "c", "R4", "ys", "R7", "xs", "R8")
	a.clear(16)
	for _, c := range []struct {
		r    int
		bits uint32
	}{{17, 0x3f800000}, {18, 0x3e2aaaab}, {19, 0x3f000000}} { // 1, 1/6, 1/2
		a.op("MOVW", fmt.Sprintf("$%#x", c.bits), "R5")
		a.op("FMOVS", "R5", fmt.Sprintf("F%d", c.r))
		a.fill(c.r)
	}
	a.eachRow([]stride{{"R0", "R7"}, {"R1", "R8"}}, func() {}, func() {
		a.op("FLDPQ.P", "32(R11)", "(F24, F25)")
		for i := range 2 {
			a.copy(i, 19)
			a.v(fmla, i, 24+i, 18)
			a.clampTo(i, 16, 17)
			a.v(fmul, i, i, 24+i)
		}
		a.op("FSTPQ.P", "(F0, F1)", "32(R10)")
	})
}

func (a *neon) avgRow() {
	a.args("out", "R0", "x", "R1", "c", "R4", "xs", "R8", "scale", "F16")
	a.fill(16)
	a.loop("R4", 8, func() {
		a.clear(0)
		a.clear(1)
		a.op("MOVD", "R1", "R11")
		a.args("rows", "R3")
		a.loop("R3", 1, func() {
			a.loadPair("(R11)", 24)
			a.v(fadd, 0, 0, 24)
			a.v(fadd, 1, 1, 25)
			a.op("ADD", "R8", "R11", "R11")
		})
		a.v(fmul, 0, 0, 16)
		a.v(fmul, 1, 1, 16)
		a.op("FSTPQ.P", "(F0, F1)", "32(R0)")
		a.op("ADD", 32, "R1", "R1")
	})
}

// maxPool computes the values alone, for inference: args is nil.
func (a *neon) maxPool() {
	a.args("y", "R0", "x", "R1", "table", "R2", "pixels", "R3", "n", "R5", "c", "R7")
	a.loop("R3", 1, func() {
		a.op("MOVW", "(R2)", "R10")
		a.op("ADD", "R0", "R10", "R10")
		a.op("ADD", 8, "R2", "R2") // past the places
		a.op("MOVD", 0, "R6")      // bytes to the current channels
		a.op("MOVD", "R7", "R4")
		a.loop("R4", 8, func() {
			a.op("ADD", "R1", "R6", "R13")
			a.op("MOVD", "R2", "R11")
			a.op("MOVW", "(R11)", "R12")
			a.op("ADD", "R13", "R12", "R12")
			a.loadPair("(R12)", 0)
			a.op("MOVD", "R5", "R14")
			a.loop("R14", 1, func() {
				a.op("MOVW.P", "4(R11)", "R12")
				a.op("ADD", "R13", "R12", "R12")
				a.loadPair("(R12)", 24)
				a.v(fmax, 0, 0, 24)
				a.v(fmax, 1, 1, 25)
			})
			a.op("FSTPQ.P", "(F0, F1)", "32(R10)")
			a.op("ADD", 32, "R6", "R6")
		})
		a.op("ADD", "R5<<2", "R2", "R2")
	})
}

// depthwise goes by four pixels, whose sums share the taps' weights, then by one.
func (a *neon) depthwise() {
	a.args("a", "R0")
	a.field("DepthwiseArgs_Pixels", "R1")
	a.field("DepthwiseArgs_RowStep", "R2")
	a.field("DepthwiseArgs_OutStep", "R3")
	a.field("DepthwiseArgs_Out", "R4")
	a.op("MOVD", 0, "R5") // bytes from the first pixel's rows
	a.limits("DepthwiseArgs")
	fours, few, done := a.label("fours"), a.label("few"), a.label("done")
	a.op("SUBS", 4, "R1", "R1")
	a.op("BLT", few)
	a.mark(fours)
	a.pixels(4)
	a.op("SUBS", 4, "R1", "R1")
	a.op("BGE", fours)
	a.mark(few)
	a.op("ADDS", 4, "R1", "R1")
	a.op("BEQ", done)
	a.loop("R1", 1, func() { a.pixels(1) })
	a.mark(done)
}

// pixels computes n pixels side by side and moves on to the next.
func (a *neon) pixels(n int) {
	a.field("DepthwiseArgs_C", "R6")
	a.field("DepthwiseArgs_Bias", "R7")
	a.op("MOVD", 0, "R8") // bytes to the current channels
	a.loop("R6", 8, func() {
		none, start, empty := a.label("nobias"), a.label("start"), a.label("empty")
		a.op("CBZ", "R7", none)
		a.op("FLDPQ.P", "32(R7)", "(F0, F1)")
		a.op("B", start)
		a.mark(none)
		a.clear(0)
		a.clear(1)
		a.mark(start)
		for r := 2; r < 2*n; r++ {
			a.copy(r, r%2)
		}
		a.field("DepthwiseArgs_Rows", "R9")
		a.field("DepthwiseArgs_Weights", "R10")
		a.field("DepthwiseArgs_Taps", "R11")
		a.op("CBZ", "R11", empty)
		a.loop("R11", 1, func() {
			a.op("MOVD.P", "8(R9)", "R12")
			a.op("MOVD.P", "8(R10)", "R13")
			a.op("ADD", "R8", "R12", "R12")
			a.op("ADD", "R5", "R12", "R12")
			a.op("ADD", "R8", "R13", "R13")
			a.loadPair("(R13)", 24)
			for i := range n {
				a.loadPair("(R12)", 26)
				a.v(fmla, 2*i, 26, 24)
				a.v(fmla, 2*i+1, 27, 25)
				if i < n-1 {
					a.op("ADD", "R2", "R12", "R12")
				}
			}
		})
		a.mark(empty)
		a.op("ADD", "R8", "R4", "R14")
		for i := range n {
			a.clampTo(2*i, 16, 17)
			a.clampTo(2*i+1, 16, 17)
			a.storePair(2*i, "(R14)")
			if i < n-1 {
				a.op("ADD", "R3", "R14", "R14")
			}
		}
		a.op("ADD", 32, "R8", "R8")
	})
	for range n {
		a.op("ADD", "R2", "R5", "R5")
		a.op("ADD", "R3", "R4", "R4")
	}
}

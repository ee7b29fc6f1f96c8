package main

import "fmt"

// tile writes the multiplication of rows gathered rows with a panel of 8 columns.
func (a *neon) tile(rows int) {
	a.begin(function{fmt.Sprintf("tile%d", rows), []arg{{"a", "*TileArgs", 0}}}, 0)
	a.args("a", "R0")
	a.field("TileArgs_Rows", "R1")
	a.field("TileArgs_Taps", "R2")
	a.field("TileArgs_B", "R3")
	a.startSums(rows)
	a.loop("R2", 1, func() { a.tap(rows) })
	a.finish(rows)
	a.op("RET")
}

// startSums makes the sums the bias or 0: those of row r are V(2r) and V(2r+1).
func (a *neon) startSums(rows int) {
	none, done := a.label("nobias"), a.label("bias")
	a.field("TileArgs_Bias", "R4")
	a.op("CBZ", "R4", none)
	a.loadPair("(R4)", 0)
	a.op("B", done)
	a.mark(none)
	a.clear(0)
	a.clear(1)
	a.mark(done)
	for r := 2; r < 2*rows; r++ {
		a.copy(r, r%2)
	}
}

// tap adds a tap's products: four channels at a time, then one.
func (a *neon) tap(rows int) {
	row := func(r int) string { return fmt.Sprintf("R%d", 8+r) }
	for r := range rows {
		a.op("MOVD", fmt.Sprintf("%d(R1)", 8*r), row(r))
	}
	a.op("MOVD", fmt.Sprintf("%d(R1)", 8*rows), "R5")
	a.op("ADD", "R3", "R5", "R5")
	a.op("ADD", 8*(rows+1), "R1", "R1")
	a.field("TileArgs_K", "R4")
	quads, few, one, done := a.label("quads"), a.label("few"), a.label("one"), a.label("tap")
	a.op("SUBS", 4, "R4", "R4")
	a.op("BLT", few)
	a.mark(quads)
	for r := range rows {
		a.op("FMOVQ.P", "16("+row(r)+")", fmt.Sprintf("F%d", 16+r))
	}
	for k := range 4 {
		a.loadPair(fmt.Sprintf("%d(R5)", 32*k), 24+2*k)
		for r := range rows {
			a.element(2*r, 24+2*k, 16+r, k)
			a.element(2*r+1, 25+2*k, 16+r, k)
		}
	}
	a.op("ADD", 128, "R5", "R5")
	a.op("SUBS", 4, "R4", "R4")
	a.op("BGE", quads)
	a.mark(few)
	a.op("ADDS", 4, "R4", "R4")
	a.op("BEQ", done)
	a.mark(one)
	a.op("FLDPQ.P", "32(R5)", "(F24, F25)")
	for r := range rows {
		a.op("FMOVS.P", "4("+row(r)+")", fmt.Sprintf("F%d", 16+r))
		a.element(2*r, 24, 16+r, 0)
		a.element(2*r+1, 25, 16+r, 0)
	}
	a.op("SUBS", 1, "R4", "R4")
	a.op("BNE", one)
	a.mark(done)
}

// finish adds what is to be added, limits and stores.
func (a *neon) finish(rows int) {
	a.limits("TileArgs")
	a.field("TileArgs_Out", "R1")
	a.field("TileArgs_OutOff", "R2")
	a.field("TileArgs_AddFlag", "R3")
	a.field("TileArgs_AddDelta", "R4")
	for r := range rows {
		a.op("MOVD", fmt.Sprintf("%d(R1)", 8*r), "R5")
		a.op("ADD", "R2", "R5", "R5")
		plain := a.label("plain")
		a.op("CBZ", "R3", plain)
		a.op("ADD", "R4", "R5", "R6")
		a.loadPair("(R6)", 24)
		a.v(fadd, 2*r, 2*r, 24)
		a.v(fadd, 2*r+1, 2*r+1, 25)
		a.mark(plain)
		a.clampTo(2*r, 16, 17)
		a.clampTo(2*r+1, 16, 17)
		a.storePair(2*r, "(R5)")
	}
}

// peak runs sixteen chains of multiplications and additions.
func (a *neon) peak() {
	a.args("n", "R0")
	for r := range 24 {
		a.clear(r)
	}
	a.loop("R0", 1, func() {
		for r := range 16 {
			a.element(r, 16+r%8, 23-r%8, r%4)
		}
	})
}

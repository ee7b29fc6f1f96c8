package main

import "fmt"

// rowRegs hold the addresses of rows of A. What a tile needs besides is R13 for
// the panel, R14 for the channel and R15 for the table.
var rowRegs = []string{"AX", "BX", "CX", "DX", "SI", "DI", "BP", "R8", "R9", "R10", "R11", "R12"}

// A tileShape is rows by nv vectors of sums, in the first registers, and above
// them nv for a row of the panel; the others take turns with values of A.
type tileShape struct {
	*asm
	rows, nv int
	masked   bool // K1 limits the last vector
}

func (t tileShape) sum(r, v int) string { return t.wide.r(r*t.nv + v) }
func (t tileShape) panel(v int) string  { return t.wide.r(t.rows*t.nv + v) }
func (t tileShape) vecAt(v int) string  { return offset(v * t.wide.bytes()) }
func (t tileShape) mask(v int) bool     { return t.masked && v == t.nv-1 }
func (t tileShape) each(f func(r, v int)) {
	for r := range t.rows {
		for v := range t.nv {
			f(r, v)
		}
	}
}

// valueReg is the number of a register for row r's value of A.
func (t tileShape) valueReg(r int) int {
	first := (t.rows + 1) * t.nv
	return first + r%min(6, t.regs-first)
}

func (t tileShape) value(r int) string { return t.wide.r(t.valueReg(r)) }

// multiply adds row r's value of A times vector v of the panel.
func (t tileShape) multiply(r, v int) {
	if !t.pairs {
		t.op("VFMADD231PS", t.panel(v), t.value(r), t.sum(r, v))
		return
	}
	t.bytes(dpBF16, t.wide, r*t.nv+v, t.valueReg(r), t.rows*t.nv+v)
}

// addRow and putRow are add and put of a vector of a row of values.
func (t tileShape) addRow(base, index string, r, v int) {
	if !t.half {
		t.add(t.vecAt(v)+"("+base+")("+index+"*1)", r, v)
		return
	}
	mem := offset(v*t.wide.bytes()/2) + "(" + base + ")(" + index + "*1)"
	if t.mask(v) {
		t.op("VPMOVZXWD.Z", mem, "K1", t.panel(v))
	} else {
		t.op("VPMOVZXWD", mem, t.panel(v))
	}
	t.op("VPSLLD", "$16", t.panel(v), t.panel(v))
	t.op("VADDPS", t.panel(v), t.sum(r, v), t.sum(r, v))
}

func (t tileShape) putRow(r, v int, base, index string) {
	if !t.half {
		t.put(r, v, t.vecAt(v)+"("+base+")("+index+"*1)")
		return
	}
	mem, sum := offset(v*t.wide.bytes()/2)+"("+base+")("+index+"*1)", r*t.nv+v
	t.bytes(cvtBF16, t.wide, sum, 0, sum)
	if t.mask(v) {
		t.op("VMOVDQU16", t.wide.half(sum), "K1", mem)
	} else {
		t.op("VMOVDQU16", t.wide.half(sum), mem)
	}
}

// add adds memory to a sum, the last vector under the mask.
func (t tileShape) add(mem string, r, v int) {
	if t.mask(v) {
		t.op("VADDPS", mem, t.sum(r, v), "K1", t.sum(r, v))
	} else {
		t.op("VADDPS", mem, t.sum(r, v), t.sum(r, v))
	}
}

func (t tileShape) put(r, v int, mem string) {
	if t.mask(v) {
		t.op("VMOVUPS", t.sum(r, v), "K1", mem)
	} else {
		t.op("VMOVUPS", t.sum(r, v), mem)
	}
}

// widths writes body for panels of two vectors and, since half a panel takes
// little more than half the time, for one. CX holds the valid columns; on
// AVX-512 K1 becomes the mask of the last vector.
func (a *asm) widths(rows int, body func(t tileShape)) {
	mask := func() {
		if a.masks {
			a.op("MOVL", 1, "DX")
			a.op("SHLL", "CX", "DX")
			a.op("DECL", "DX")
			a.op("KMOVW", "DX", "K1")
		}
	}
	a.op("SUBQ", a.lanes, "CX")
	a.op("JLE", "narrow")
	mask()
	body(tileShape{a, rows, 2, a.masks})
	a.mark("narrow")
	a.op("ADDQ", a.lanes, "CX")
	mask()
	body(tileShape{a, rows, 1, a.masks})
}

func (a *asm) tile(rows int) {
	// The frame is not empty, so the assembler saves BP.
	a.begin(function{fmt.Sprintf("Tile%d", rows), []arg{{"a", "*TileArgs", 0}}}, 48)
	a.get("a", "AX")
	a.op("MOVQ", "TileArgs_Width(AX)", "CX")
	a.widths(rows, tileShape.tile)
}

const unroll = 4

// panelAhead is how many bytes before it is multiplied a panel is fetched: Winograd's weights, and all
// weights at small batches, come from memory, page by page where hardware does not foresee them.
const panelAhead = 4096

// tile is the multiplication; AX holds the arguments.
func (t tileShape) tile() {
	// NR is two vectors whatever nv is.
	panelRow := 2 * t.wide.bytes()
	step := func(u int) {
		for v := range t.nv {
			t.op("VMOVUPS", offset(u*panelRow+v*t.wide.bytes())+"(R13)", t.panel(v))
		}
		for at := 0; at < t.nv*t.wide.bytes(); at += 64 {
			t.op("PREFETCHT0", offset(u*panelRow+at+panelAhead)+"(R13)")
		}
		for r := range t.rows {
			t.op("VBROADCASTSS", fmt.Sprintf("%s(%s)(R14*4)", offset(4*u), rowRegs[r]), t.value(r))
			for v := range t.nv {
				t.multiply(r, v)
			}
		}
	}

	unbiased, ready := t.label("unbiased"), t.label("ready")
	t.op("MOVQ", "TileArgs_Bias(AX)", "BX")
	t.op("TESTQ", "BX", "BX")
	t.op("JEQ", unbiased)
	t.each(func(r, v int) {
		if r == 0 {
			t.op("VMOVUPS", t.vecAt(v)+"(BX)", t.sum(0, v))
		} else {
			t.op("VMOVAPS", t.sum(0, v), t.sum(r, v))
		}
	})
	t.op("JMP", ready)
	t.mark(unbiased)
	t.each(func(r, v int) { t.op("VXORPS", t.sum(r, v), t.sum(r, v), t.sum(r, v)) })
	t.mark(ready)
	if t.carries {
		t.carry(panelRow)
	}
	t.prefetch()
	t.op("MOVQ", "TileArgs_Taps(AX)", "BX")
	t.op("MOVQ", "BX", "taps-16(SP)")
	t.op("MOVQ", "TileArgs_B(AX)", "BX")
	t.op("MOVQ", "BX", "b-24(SP)")
	t.op("MOVQ", "TileArgs_K(AX)", "BX")
	t.op("MOVQ", "BX", "k-32(SP)")
	t.op("ANDQ", -unroll, "BX")
	t.op("MOVQ", "BX", "whole-8(SP)")
	t.op("MOVQ", "TileArgs_Rows(AX)", "R15")
	t.op("MOVQ", "TileArgs_Ahead(AX)", "BX")
	t.op("TESTQ", "BX", "BX")
	t.op("CMOVQEQ", "TileArgs_B(AX)", "BX") // to fetch what is not there would walk the page table
	t.op("MOVQ", "BX", "ahead-40(SP)")

	tap, loop, rest, next := t.label("tap"), t.label("loop"), t.label("rest"), t.label("next")
	t.mark(tap)
	for r := range t.rows {
		t.op("MOVQ", offset(8*r)+"(R15)", rowRegs[r])
	}
	t.op("MOVQ", offset(8*t.rows)+"(R15)", "R13")
	t.op("ADDQ", "b-24(SP)", "R13")
	t.op("ADDQ", 8*(t.rows+1), "R15")
	t.op("XORL", "R14", "R14")
	t.op("CMPQ", "whole-8(SP)", 0)
	t.op("JEQ", rest)
	t.op("MOVQ", "R15", "table-48(SP)")
	t.op("MOVQ", "ahead-40(SP)", "R15")
	t.op("PCALIGN", 64)
	t.mark(loop)
	for u := range unroll {
		step(u)
	}
	t.fetch()
	t.op("ADDQ", unroll*panelRow, "R13")
	t.op("ADDQ", unroll, "R14")
	t.op("CMPQ", "R14", "whole-8(SP)")
	t.op("JLT", loop)
	t.op("MOVQ", "R15", "ahead-40(SP)")
	t.op("MOVQ", "table-48(SP)", "R15")
	t.mark(rest)
	t.op("CMPQ", "R14", "k-32(SP)")
	t.op("JGE", next)
	step(0)
	t.op("ADDQ", panelRow, "R13")
	t.op("INCQ", "R14")
	t.op("JMP", rest)
	t.mark(next)
	t.op("DECQ", "taps-16(SP)")
	t.op("JNZ", tap)

	t.get("a", "AX")
	t.op("MOVQ", "TileArgs_Out(AX)", "DX")
	t.op("MOVQ", "TileArgs_OutOff(AX)", "BX")
	skip := t.label("added")
	t.op("CMPQ", "TileArgs_AddFlag(AX)", 0)
	t.op("JEQ", skip)
	t.op("MOVQ", "TileArgs_AddDelta(AX)", "SI")
	t.op("ADDQ", "BX", "SI")
	for r := range t.rows {
		t.op("MOVQ", offset(8*r)+"(DX)", "DI")
		for v := range t.nv {
			t.addRow("DI", "SI", r, v)
		}
	}
	t.mark(skip)
	// Limits that are infinite cost nothing.
	bound := t.rows * t.nv
	t.limit("TileArgs_Lo(AX)", "$0xff800000", func(v vec, r int) { t.max(v, bound, r) })
	t.limit("TileArgs_Hi(AX)", "$0x7f800000", func(v vec, r int) { t.min(v, bound, r) })
	for r := range t.rows {
		t.op("MOVQ", offset(8*r)+"(DX)", "DI")
		for v := range t.nv {
			t.putRow(r, v, "DI", "BX")
		}
	}
	t.ret()
}

// fetch asks for as much of what lies at R15 as the loop has used of its rows, whole lines.
func (t tileShape) fetch() {
	const cacheLine = 64
	used := 4 * unroll * t.rows
	n := (used + cacheLine - 1) / cacheLine
	for i := range n {
		t.op("PREFETCHT1", offset(i*used/n)+"(R15)")
	}
	t.op("ADDQ", used, "R15")
}

// carry adds what other products left, rows of NR values.
func (t tileShape) carry(row int) {
	for i := range 2 {
		none := t.label("carried")
		t.op("MOVQ", fmt.Sprintf("(TileArgs_Carry+%d)(AX)", 8*i), "BX")
		t.op("TESTQ", "BX", "BX")
		t.op("JEQ", none)
		t.each(func(r, v int) {
			t.op("VADDPS", offset(r*row+v*t.wide.bytes())+"(BX)", t.sum(r, v), t.sum(r, v))
		})
		t.mark(none)
	}
}

// prefetch asks for the lines that the next tile will write, and for those of what it
// adds to them from elsewhere.
func (t tileShape) prefetch() {
	const cacheLine = 64
	skip := t.label("last")
	t.op("MOVQ", "TileArgs_Next(AX)", "DX")
	t.op("TESTQ", "DX", "DX")
	t.op("JEQ", skip)
	t.op("MOVQ", "TileArgs_OutOff(AX)", "BX")
	each := func(line func(at int)) {
		for r := range t.rows {
			t.op("MOVQ", offset(8*r)+"(DX)", "DI")
			for at := 0; at < t.nv*t.wide.bytes(); at += cacheLine {
				line(at)
			}
		}
	}
	each(func(at int) {
		// PREFETCHW at(DI)(BX*1), which the assembler does not know
		if at == 0 {
			t.op("LONG", "$0x1f0c0d0f")
		} else {
			t.op("LONG", "$0x1f4c0d0f")
			t.op("BYTE", at)
		}
	})
	t.op("CMPQ", "TileArgs_AddFlag(AX)", 0)
	t.op("JEQ", skip)
	t.op("ADDQ", "TileArgs_AddDelta(AX)", "BX")
	each(func(at int) { t.op("PREFETCHT0", offset(at)+"(DI)(BX*1)") })
	t.mark(skip)
}

// limit applies a bound to all sums, in the register above them, unless its bits
// say that there is none.
func (t tileShape) limit(mem, none string, apply func(v vec, r int)) {
	skip := t.label("unlimited")
	t.op("CMPL", mem, none)
	t.op("JEQ", skip)
	t.op("VBROADCASTSS", mem, t.panel(0))
	t.each(func(r, v int) { apply(t.wide, r*t.nv+v) })
	t.mark(skip)
}

func (a *asm) tileGrad(rows int) {
	a.begin(function{fmt.Sprintf("TileGrad%d", rows), []arg{{"a", "*GradArgs", 0}}}, 0)
	a.get("a", "R11")
	a.op("MOVQ", "GradArgs_Width(R11)", "CX")
	a.widths(rows, tileShape.tileGrad)
}

// tileGrad is the sum of outer products; R11 holds the arguments.
func (t tileShape) tileGrad() {
	step := func(u int) {
		t.op("MOVQ", offset(8*u)+"(SI)", "AX")
		for v := range t.nv {
			if t.mask(v) {
				t.op("VMOVUPS.Z", t.vecAt(v)+"(DI)", "K1", t.panel(v))
			} else {
				t.op("VMOVUPS", t.vecAt(v)+"(DI)", t.panel(v))
			}
		}
		t.op("ADDQ", "R8", "DI")
		t.op("PREFETCHT1", "(R12)")
		t.op("ADDQ", "R13", "R12")
		for r := range t.rows {
			t.op("VBROADCASTSS", offset(4*r)+"(AX)(DX*1)", t.value(r))
			for v := range t.nv {
				t.multiply(r, v)
			}
		}
	}
	t.each(func(r, v int) { t.op("VXORPS", t.sum(r, v), t.sum(r, v), t.sum(r, v)) })
	for _, p := range []struct{ field, reg string }{{"X", "SI"}, {"XOff", "DX"}, {"Y", "DI"}, {"YStride", "R8"}, {"C", "R9"}, {"CStride", "R10"}, {"P", "CX"}, {"Next", "R12"}, {"NextStride", "R13"}} {
		t.op("MOVQ", "GradArgs_"+p.field+"(R11)", p.reg)
	}
	t.op("MOVQ", "R9", "AX") // what the sums are added to comes meanwhile
	for range t.rows {
		for at := 0; at < t.nv*t.wide.bytes(); at += 64 {
			t.op("PREFETCHT0", offset(at)+"(AX)")
		}
		t.op("ADDQ", "R10", "AX")
	}
	loop, rest, one, done := t.label("loop"), t.label("rest"), t.label("one"), t.label("done")
	t.op("SUBQ", unroll, "CX")
	t.op("JLT", rest)
	t.op("PCALIGN", 64)
	t.mark(loop)
	for u := range unroll {
		step(u)
	}
	t.op("ADDQ", 8*unroll, "SI")
	t.op("SUBQ", unroll, "CX")
	t.op("JGE", loop)
	t.mark(rest)
	t.op("ADDQ", unroll, "CX")
	t.op("JEQ", done)
	t.mark(one)
	step(0)
	t.op("ADDQ", 8, "SI")
	t.op("DECQ", "CX")
	t.op("JNZ", one)
	t.mark(done)

	skip := t.label("fresh")
	t.op("CMPQ", "GradArgs_Acc(R11)", 0)
	t.op("JEQ", skip)
	t.op("MOVQ", "R9", "AX")
	for r := range t.rows {
		for v := range t.nv {
			t.add(t.vecAt(v)+"(AX)", r, v)
		}
		t.op("ADDQ", "R10", "AX")
	}
	t.mark(skip)
	for r := range t.rows {
		for v := range t.nv {
			t.put(r, v, t.vecAt(v)+"(R9)")
		}
		t.op("ADDQ", "R10", "R9")
	}
	t.ret()
}

// peakSteps is how often peak multiplies into each of its sums an iteration.
const peakSteps = 2

// peakSums is as many as the largest tile has.
func (s *isa) peakSums() int { return 2 * s.rows[0] }

func (s *isa) peakFlops() int {
	n := 2 * s.lanes * peakSteps * s.peakSums()
	if s.pairs {
		n *= 2
	}
	return n
}

func (a *asm) peak() {
	x, y := a.regs-1, a.regs-2
	for r := range a.peakSums() {
		a.zero(r)
	}
	a.zero(x)
	a.zero(y)
	a.get("n", "AX")
	a.op("PCALIGN", 64)
	a.mark("loop")
	for range peakSteps {
		for r := range a.peakSums() {
			if a.pairs {
				a.bytes(dpBF16, a.wide, r, y, x)
			} else {
				a.op("VFMADD231PS", a.wide.r(x), a.wide.r(y), a.wide.r(r))
			}
		}
	}
	a.op("DECQ", "AX")
	a.op("JNZ", "loop")
	a.ret()
}

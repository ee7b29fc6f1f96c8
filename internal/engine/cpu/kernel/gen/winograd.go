package main

import (
	"fmt"
	"math"
)

// Winograd's transforms work on one tile, a vector of channels at a time, in
// two passes of the same one-dimensional transform: columns into scratch
// memory, then rows from there. 36 values fit no register file; the scratch
// lies in the first-level cache.

// The points of interpolation are 0, ±wa, ±wb and infinity. Multiples of 3/4 lose
// half as much as the usual 1 and 2: see docs/performance.md.
const (
	wa, wb   = 3. / 4, 3. / 2
	wa2, wb2 = wa * wa, wb * wb
	wna, wnb = 2 * wa2 * (wa2 - wb2), 2 * wb2 * (wb2 - wa2)
)

// Those of the forms for stride 2 are ±sa, ±sb and infinity, which round no more
// than direct convolution does.
const (
	sa, sb   = 1. / 2, 5. / 4
	sa2, sb2 = sa * sa, sb * sb
	sna, snb = 2 * sa * (sa2 - sb2), 2 * sb * (sb2 - sa2)
)

// A pass transforms one line of a tile. Its values come through load, which
// names a register that holds value i, and leave through store. Registers from
// free upward are its own.
type pass func(a *asm, v vec, free int, load func(i int) int, store func(i, r int))

// winograd emits the two passes for every block of channels: n x n values become
// m x m. from loads value (i, j) of the source, to stores value (i, j) of the
// result.
func (a *asm) winograd(n, m int, line pass, from func(v vec, i, j, r int), to func(v vec, i, j, r int)) {
	widths := []block{{a.wide, 1}}
	if a.wide == zmm {
		widths = append(widths, block{ymm, 1})
	}
	a.op("XORL", "BX", "BX")
	a.blocks("CX", widths, func(b block) {
		scratch := func(i, j int) string { return offset((i*n+j)*a.wide.bytes()) + "(R15)" }
		for j := range n {
			line(a, b.vec, n, func(i int) int {
				from(b.vec, i, j, i)
				return i
			}, func(i, r int) { a.store(b.vec, r, scratch(i, j)) })
		}
		for i := range m {
			line(a, b.vec, n, func(j int) int {
				a.load(b.vec, scratch(i, j), j)
				return j
			}, func(j, r int) { to(b.vec, i, j, r) })
		}
	})
	a.ret()
}

func (a *asm) add(v vec, x, y, to int) { a.op("VADDPS", v.r(y), v.r(x), v.r(to)) }
func (a *asm) sub(v vec, x, y, to int) { a.op("VSUBPS", v.r(y), v.r(x), v.r(to)) } // x - y
func (a *asm) fma(v vec, x, y, to int) { a.op("VFMADD231PS", v.r(x), v.r(y), v.r(to)) }
func (a *asm) fms(v vec, x, y, to int) { a.op("VFNMADD231PS", v.r(x), v.r(y), v.r(to)) } // to - x*y
func (a *asm) mul(v vec, x, y, to int) { a.op("VMULPS", v.r(x), v.r(y), v.r(to)) }
func (a *asm) copy(v vec, x, to int)   { a.op("VMOVAPS", v.r(x), v.r(to)) }

// constants fills registers from regs-1 down and returns their numbers.
func (a *asm) constants(values ...float32) []int {
	var regs []int
	for i, x := range values {
		r := a.regs - 1 - i
		a.op("MOVL", hexFloat(x), "AX")
		a.op("VMOVD", "AX", "X0")
		a.op("VBROADCASTSS", "X0", a.wide.r(r))
		regs = append(regs, r)
	}
	return regs
}

// table is value (i, j) of a tile whose pixels a table of n columns addresses; the
// table's second half says what to fetch meanwhile.
func (a *asm) table(n int) func(v vec, i, j, r int) {
	return func(v vec, i, j, r int) {
		a.op("MOVQ", offset(8*(i*n+j))+"(SI)", "AX")
		a.loadRow(v, "AX", 0, r)
		a.op("MOVQ", offset(8*(n*n+i*n+j))+"(SI)", "AX")
		a.op("PREFETCHT1", "(AX)(BX*1)")
	}
}

// planes stores a tile's values in order, a plane each: R9 goes from one to the next.
func (a *asm) planes() func(v vec, i, j, r int) {
	return func(v vec, i, j, r int) {
		if i == 0 && j == 0 {
			a.op("LEAQ", a.row("DI", v, 0), "R9")
		}
		if a.half {
			const rounded = 20
			a.bytes(cvtBF16, v, rounded, 0, r)
			a.op("VMOVUPS", v.half(rounded), "(R9)")
		} else {
			a.store(v, r, "(R9)")
		}
		a.op("ADDQ", "R8", "R9")
	}
}

// fromPlanes loads value (i, j) of n x n planes, column by column: R10 is n strides.
func (a *asm) fromPlanes(n int) func(v vec, i, j, r int) {
	return func(v vec, i, j, r int) {
		switch {
		case i == 0 && j == 0:
			a.op("LEAQ", a.at("SI", v, 0), "R11")
			a.op("MOVQ", "R11", "R9")
		case i == 0:
			a.op("ADDQ", "R8", "R11")
			a.op("MOVQ", "R11", "R9")
		default:
			a.op("ADDQ", "R10", "R9")
		}
		a.load(v, "(R9)", r)
	}
}

func (a *asm) winoInput()        { a.tileInput(6, 6, a.inputLine()) }
func (a *asm) winoStridedInput() { a.tileInput(9, 9, a.stridedInputLine()) }
func (a *asm) winoSpreadInput()  { a.tileInput(5, 9, a.spreadInputLine()) }

// tileInput transforms the n x n pixels of a table to m x m planes.
func (a *asm) tileInput(n, m int, line pass) {
	a.get("dst", "DI", "ds", "R8", "src", "SI", "c", "CX", "scratch", "R15")
	a.rowBytes("CX")
	a.winograd(n, m, line, a.table(n), a.planes())
}

// inputLine is winoInput's transform of a line.
func (a *asm) inputLine() pass {
	c := a.constants(wa2*wb2, wa2+wb2, wa, wa2, wb, wb2)
	product, sum := c[0], c[1]
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		d := []int{load(0), load(1), load(2), load(3), load(4), load(5)}
		t, u, w := free, free+1, free+2
		a.copy(v, d[4], t)
		a.fma(v, d[0], product, t)
		a.fms(v, d[2], sum, t)
		store(0, t)
		for i, p := range []struct{ point, other2 int }{{c[2], c[5]}, {c[4], c[3]}} {
			a.copy(v, d[4], t)
			a.fms(v, d[2], p.other2, t)
			a.copy(v, d[3], u)
			a.fms(v, d[1], p.other2, u)
			a.copy(v, t, w)
			a.fma(v, u, p.point, w)
			store(1+2*i, w)
			a.fms(v, u, p.point, t)
			store(2+2*i, t)
		}
		a.fma(v, d[1], product, d[5])
		a.fms(v, d[3], sum, d[5])
		store(5, d[5])
	}
}

// stridedInputLine: a line's odd pixels meet one tap each, so they stay as they are;
// the even ones meet two.
func (a *asm) stridedInputLine() pass {
	points := a.stridedPoints()
	return func(a *asm, v vec, _ int, load func(int) int, store func(i, r int)) {
		for i := range 4 {
			store(i, load(2*i+1))
		}
		points(v, []int{load(0), load(2), load(4), load(6), load(8)}, 1, 3, 5, store)
	}
}

// spreadInputLine is that of an output gradient on its way to the input's, whose even
// pixels want its values as they are and whose odd ones those of two taps.
func (a *asm) spreadInputLine() pass {
	points := a.stridedPoints()
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		d := []int{load(0), load(1), load(2), load(3), load(4)}
		for i := range 4 {
			store(i, d[i])
		}
		points(v, d, free, free+1, free+2, store)
	}
}

// stridedPoints transforms five values to values 4 to 8 of a line; t, u and w are free.
func (a *asm) stridedPoints() func(v vec, d []int, t, u, w int, store func(i, r int)) {
	c := a.constants(sa2*sb2, sa2+sb2, sa, sa2, sb, sb2)
	return func(v vec, d []int, t, u, w int, store func(i, r int)) {
		for i, p := range []struct{ point, other2 int }{{c[2], c[5]}, {c[4], c[3]}} {
			a.copy(v, d[3], t)
			a.fms(v, d[1], p.other2, t)
			a.copy(v, d[2], u)
			a.fms(v, d[0], p.other2, u)
			a.copy(v, t, w)
			a.fma(v, u, p.point, w)
			store(4+2*i, w)
			a.fms(v, u, p.point, t)
			store(5+2*i, t)
		}
		a.fma(v, d[0], c[0], d[4])
		a.fms(v, d[2], c[1], d[4])
		store(8, d[4])
	}
}

// powers are the first three of both points.
func (a *asm) powers(x, y float32) (p, q [4]int) {
	c := a.constants(x, x*x, x*x*x, y, y*y, y*y*y)
	return [4]int{0, c[0], c[1], c[2]}, [4]int{0, c[3], c[4], c[5]}
}

func (a *asm) winoOutput()        { a.tileOutput(6, 4, a.outputLine()) }
func (a *asm) winoStridedOutput() { a.tileOutput(9, 4, a.stridedOutputLine()) }
func (a *asm) winoSpreadOutput()  { a.tileOutput(9, 8, a.spreadOutputLine()) }

// outputLine is winoOutput's transform of a line.
func (a *asm) outputLine() pass {
	p, q := a.powers(wa, wb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		m := []int{load(0), load(1), load(2), load(3), load(4), load(5)}
		s, d := free, free+1
		a.add(v, m[1], m[2], s)
		a.sub(v, m[1], m[2], d)
		a.add(v, m[3], m[4], m[1])
		a.sub(v, m[3], m[4], m[2])
		a.add(v, m[0], s, m[0])
		a.add(v, m[0], m[1], m[0])
		store(0, m[0])
		a.mul(v, d, p[1], m[3])
		a.fma(v, m[2], q[1], m[3])
		store(1, m[3])
		a.mul(v, s, p[2], m[3])
		a.fma(v, m[1], q[2], m[3])
		store(2, m[3])
		a.fma(v, d, p[3], m[5])
		a.fma(v, m[2], q[3], m[5])
		store(3, m[5])
	}
}

// nine are the values of a strided line: four as they are, those of five points.
func nine(load func(int) int) (raw, m []int) {
	for i := range 9 {
		raw = append(raw, load(i))
	}
	return raw[:4], raw[4:]
}

// sumsAndDifferences turns the first three of m, values at ±sa and ±sb, to the difference of those at
// ±sa, the sum and the difference of those at ±sb, and s to the sum of those at ±sa.
func (a *asm) sumsAndDifferences(v vec, m []int, s int) {
	a.add(v, m[0], m[1], s)
	a.sub(v, m[0], m[1], m[0])
	a.add(v, m[2], m[3], m[1])
	a.sub(v, m[2], m[3], m[2])
}

// stridedOutputLine adds what the values of both kinds come to.
func (a *asm) stridedOutputLine() pass {
	p, q := a.powers(sa, sb)
	return func(a *asm, v vec, _ int, load func(int) int, store func(i, r int)) {
		y, m := nine(load)
		for _, r := range m[:4] {
			a.add(v, y[0], r, y[0])
		}
		store(0, y[0])
		s := y[0]
		a.sumsAndDifferences(v, m, s)
		a.fma(v, m[0], p[1], y[1])
		a.fma(v, m[2], q[1], y[1])
		store(1, y[1])
		a.fma(v, s, p[2], y[2])
		a.fma(v, m[1], q[2], y[2])
		store(2, y[2])
		a.add(v, y[3], m[4], y[3])
		a.fma(v, m[0], p[3], y[3])
		a.fma(v, m[2], q[3], y[3])
		store(3, y[3])
	}
}

// spreadOutputLine puts them side by side.
func (a *asm) spreadOutputLine() pass {
	p, q := a.powers(sa, sb)
	return func(a *asm, v vec, _ int, load func(int) int, store func(i, r int)) {
		raw, m := nine(load)
		for i, r := range raw {
			store(2*i, r)
		}
		s, y := raw[0], raw[1]
		a.sumsAndDifferences(v, m, s)
		a.add(v, s, m[1], y)
		store(1, y)
		a.mul(v, m[0], p[1], y)
		a.fma(v, m[2], q[1], y)
		store(3, y)
		a.mul(v, s, p[2], y)
		a.fma(v, m[1], q[2], y)
		store(5, y)
		a.fma(v, m[0], p[3], m[4])
		a.fma(v, m[2], q[3], m[4])
		store(7, m[4])
	}
}

// strides puts n times the bytes from plane to plane in R10.
func (a *asm) strides(n int) {
	switch n {
	case 6:
		a.op("LEAQ", "(R8)(R8*2)", "R10")
		a.op("ADDQ", "R10", "R10")
	case 9:
		a.op("LEAQ", "(R8)(R8*8)", "R10")
	}
}

// tileOutput transforms n x n planes back to the m x m pixels of a table.
func (a *asm) tileOutput(n, m int, line pass) {
	const spare = 9 // of rows of bfloat16 only
	lo := a.regs - 7
	a.broadcast("lo", lo)
	a.get("dst", "DI", "src", "SI", "ss", "R8", "c", "CX", "scratch", "R15", "bias", "R12", "add", "R13")
	a.rowBytes("CX")
	a.strides(n)
	loop := func(add bool) {
		a.winograd(n, m, line, a.fromPlanes(n), func(v vec, i, j, r int) {
			a.op("MOVQ", offset(8*(i*m+j))+"(DI)", "AX")
			a.op("VADDPS", a.at("R12", v, 0), v.r(r), v.r(r))
			if add {
				a.op("MOVQ", offset(8*(i*m+j))+"(R13)", "R14")
				a.opRow("VADDPS", "R14", v, 0, spare, v.r(r), v.r(r))
			}
			a.max(v, lo, r)
			a.storeRow(v, r, "AX", 0)
			if add {
				a.op("SUBQ", "AX", "R14") // from a pixel to its residual, of the next tile too
			}
			a.op("MOVQ", offset(8*(m*m+i*m+j))+"(DI)", "AX")
			a.op("LONG", "$0x180c0d0f") // PREFETCHW (AX)(BX*1), which the assembler does not know
			if add {
				a.op("ADDQ", "R14", "AX")
				a.op("PREFETCHT0", "(AX)(BX*1)")
			}
		})
	}
	a.op("TESTQ", "R13", "R13")
	plain := a.label("plain")
	a.op("JEQ", plain)
	loop(true)
	a.mark(plain)
	loop(false)
}

func (a *asm) winoWeight()        { a.tileWeight(a.weightLine()) }
func (a *asm) winoStridedWeight() { a.tileWeight(a.stridedWeightLine()) }

// tileWeight transforms 3 x 3 taps to 6 x 6 planes.
func (a *asm) tileWeight(line pass) {
	a.get("dst", "DI", "ds", "R8", "src", "SI", "ss", "R13", "n", "CX", "scratch", "R15")
	a.rowBytes("CX")
	a.op("LEAQ", "(R13)(R13*2)", "R10")
	a.winograd(3, 6, line, func(v vec, i, j, r int) {
		switch {
		case i == 0 && j == 0:
			a.op("LEAQ", a.at("SI", v, 0), "R11")
			a.op("MOVQ", "R11", "R9")
		case i == 0:
			a.op("ADDQ", "R13", "R11")
			a.op("MOVQ", "R11", "R9")
		default:
			a.op("ADDQ", "R10", "R9")
		}
		a.load(v, "(R9)", r)
	}, a.planes())
}

// weightLine is winoWeight's transform of a line.
func (a *asm) weightLine() pass {
	c := a.constants(1/(wa2*wb2), 1/wna, wa/wna, wa2/wna, 1/wnb, wb/wnb, wb2/wnb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		g := []int{load(0), load(1), load(2)}
		t, u, w := free, free+1, free+2
		a.mul(v, g[0], c[0], t)
		store(0, t)
		for i, p := range [][]int{c[1:4], c[4:7]} {
			a.mul(v, g[0], p[0], t)
			a.fma(v, g[2], p[2], t)
			a.mul(v, g[1], p[1], u)
			a.add(v, t, u, w)
			store(1+2*i, w)
			a.sub(v, t, u, w)
			store(2+2*i, w)
		}
		store(5, g[2])
	}
}

// stridedWeightLine: the middle tap meets values as they are, the others those of points.
func (a *asm) stridedWeightLine() pass {
	c := a.constants(1/sna, sa/sna, 1/snb, sb/snb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		g := []int{load(0), load(1), load(2)}
		t, u, w := free, free+1, free+2
		store(0, g[1])
		for i := range 2 {
			a.mul(v, g[0], c[2*i], t)
			a.mul(v, g[2], c[2*i+1], u)
			a.add(v, u, t, w)
			store(1+2*i, w)
			a.sub(v, u, t, w)
			store(2+2*i, w)
		}
		store(5, g[2])
	}
}

func (a *asm) winoGradOutput()        { a.tileInput(4, 6, a.gradOutputLine()) }
func (a *asm) winoStridedGradOutput() { a.tileInput(4, 9, a.stridedGradOutputLine()) }

// gradOutputLine is winoGradOutput's transform of a line.
func (a *asm) gradOutputLine() pass {
	p, q := a.powers(wa, wb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		y := []int{load(0), load(1), load(2), load(3)}
		store(0, y[0])
		a.evaluate(v, y, p, q, free, 1, store)
		store(5, y[3])
	}
}

func (a *asm) stridedGradOutputLine() pass {
	p, q := a.powers(sa, sb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		y := []int{load(0), load(1), load(2), load(3)}
		for i, r := range y {
			store(i, r)
		}
		a.evaluate(v, y, p, q, free, 4, store)
		store(8, y[3])
	}
}

// evaluate stores, from value first on, the polynomial with coefficients y at ± both points.
func (a *asm) evaluate(v vec, y []int, p, q [4]int, free, first int, store func(i, r int)) {
	t, u, w := free, free+1, free+2
	for i, p := range [][4]int{p, q} {
		a.copy(v, y[0], t)
		a.fma(v, y[2], p[2], t)
		a.mul(v, y[1], p[1], u)
		a.fma(v, y[3], p[3], u)
		a.add(v, t, u, w)
		store(first+2*i, w)
		a.sub(v, t, u, w)
		store(first+1+2*i, w)
	}
}

func (a *asm) winoGradWeight()        { a.tileGradWeight(a.gradWeightLine()) }
func (a *asm) winoStridedGradWeight() { a.tileGradWeight(a.stridedGradWeightLine()) }

// gradWeightLine is winoGradWeight's transform of a line.
func (a *asm) gradWeightLine() pass {
	c := a.constants(1/(wa2*wb2), 1/wna, wa/wna, wa2/wna, 1/wnb, wb/wnb, wb2/wnb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		p := []int{load(0), load(1), load(2), load(3), load(4), load(5)}
		s, d, t := free, free+1, free+2
		a.add(v, p[1], p[2], s)
		a.sub(v, p[1], p[2], d)
		a.add(v, p[3], p[4], p[1])
		a.sub(v, p[3], p[4], p[2])
		a.mul(v, p[0], c[0], t)
		a.fma(v, s, c[1], t)
		a.fma(v, p[1], c[4], t)
		store(0, t)
		a.mul(v, d, c[2], t)
		a.fma(v, p[2], c[5], t)
		store(1, t)
		a.fma(v, s, c[3], p[5])
		a.fma(v, p[1], c[6], p[5])
		store(2, p[5])
	}
}

func (a *asm) stridedGradWeightLine() pass {
	c := a.constants(1/sna, sa/sna, 1/snb, sb/snb)
	return func(a *asm, v vec, free int, load func(int) int, store func(i, r int)) {
		p := []int{load(0), load(1), load(2), load(3), load(4), load(5)}
		s, t := free, free+1
		a.sumsAndDifferences(v, p[1:], s)
		a.mul(v, p[1], c[0], t)
		a.fma(v, p[3], c[2], t)
		store(0, t)
		store(1, p[0])
		a.fma(v, s, c[1], p[5])
		a.fma(v, p[2], c[3], p[5])
		store(2, p[5])
	}
}

// tileGradWeight transforms 6 x 6 planes of sums back to 3 x 3 taps.
func (a *asm) tileGradWeight(line pass) {
	a.get("dst", "DI", "ds", "R13", "src", "SI", "ss", "R8", "n", "CX", "scratch", "R15")
	a.rowBytes("CX")
	a.strides(6)
	loop := func(acc bool) {
		a.winograd(6, 3, line, a.fromPlanes(6), func(v vec, i, j, r int) {
			if i == 0 && j == 0 {
				a.op("LEAQ", a.row("DI", v, 0), "R9")
			}
			if acc {
				a.op("VADDPS", "(R9)", v.r(r), v.r(r))
			}
			a.store(v, r, "(R9)")
			a.op("ADDQ", "R13", "R9")
		})
	}
	a.op("CMPB", a.arg("acc"), 0)
	plain := a.label("plain")
	a.op("JEQ", plain)
	loop(true)
	a.mark(plain)
	loop(false)
}

func hexFloat(x float32) string { return fmt.Sprintf("$%#x", math.Float32bits(x)) }

package main

import "fmt"

// pools are blocks of channels for the kernels over windows.
func (a *asm) pools() []block {
	wide := []block{{a.wide, 2}, {a.wide, 1}}
	if a.wide == zmm {
		wide = append(wide, block{ymm, 1})
	}
	return wide
}

// argAt is the bytes that belong to vector i of the current block: a byte a lane.
func argAt(base string, v vec, i int) string { return fmt.Sprintf("%s(%s)", offset(i*v.lanes), base) }

// poolAhead is how many pixels ahead of the current one inputs are fetched into the
// cache: nine rows at a time are more than the processor foresees.
const poolAhead = 8

// fetch asks for the cache lines of a block of the row at base.
func (a *asm) fetch(b block, base string) {
	for i := 0; i < b.n; i += 16 / b.lanes {
		a.op("PREFETCHT0", a.row(base, b.vec, i))
	}
}

// maxPool has in R9 the current row of the table, in R14 the one of a pixel further on,
// in R15 the bytes of a row, in R13 the pixels left.
func (a *asm) maxPool() {
	one := a.regs - 1
	a.op("MOVL", 1, "AX")
	a.op("VMOVD", "AX", "X0")
	a.op("VPBROADCASTD", "X0", a.wide.r(one))
	a.get("args", "R10", "x", "R11", "table", "R9", "pixels", "R13", "n", "R15")
	a.op("LEAQ", "8(R15*4)", "R15")
	a.op("LEAQ", fmt.Sprintf("(R9)(R15*%d)", poolAhead), "R14")
	a.mark("pixel")
	a.op("MOVLQSX", "(R9)", "DI")
	a.op("ADDQ", a.arg("y"), "DI")
	a.op("MOVLQSX", "4(R9)", "R8")
	a.op("ADDQ", "R10", "R8")
	a.get("c", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", a.pools(), func(b block) {
		// value, arg and scratch of vector i; number is the row's.
		value := func(i int) int { return 4 * i }
		arg := func(i int) int { return 4*i + 1 }
		number := 4 * b.n
		a.op("MOVLQSX", "8(R9)", "SI")
		a.op("ADDQ", "R11", "SI")
		a.op("MOVLQSX", "8(R14)", "AX")
		a.op("ADDQ", "R11", "AX")
		a.fetch(b, "AX")
		for i := range b.n {
			a.loadRow(b.vec, "SI", i, value(i))
			a.zero(arg(i))
		}
		a.zero(number)
		loop, done := a.label("window"), a.label("found")
		a.op("MOVQ", 1, "DX")
		a.mark(loop)
		a.op("CMPQ", "DX", a.arg("n"))
		a.op("JGE", done)
		a.op("MOVLQSX", "8(R9)(DX*4)", "SI")
		a.op("ADDQ", "R11", "SI")
		a.op("MOVLQSX", "8(R14)(DX*4)", "AX")
		a.op("ADDQ", "R11", "AX")
		a.fetch(b, "AX")
		a.op("VPADDD", b.r(one), b.r(number), b.r(number))
		for i := range b.n {
			x, m := 4*i+2, 4*i+3
			a.loadRow(b.vec, "SI", i, x)
			const less, unordered = "$0x11", "$0x03" // LT_OQ, UNORD_Q
			if a.masks {
				a.op("VCMPPS", less, b.r(x), b.r(value(i)), "K1")
				a.op("VCMPPS", unordered, b.r(x), b.r(x), "K2")
				a.op("KORW", "K1", "K2", "K1")
				a.op("VMOVAPS", b.r(x), "K1", b.r(value(i)))
				a.op("VMOVDQA32", b.r(number), "K1", b.r(arg(i)))
				continue
			}
			a.op("VCMPPS", less, b.r(x), b.r(value(i)), b.r(m))
			a.op("VBLENDVPS", b.r(m), b.r(x), b.r(value(i)), b.r(value(i)))
			a.op("VBLENDVPS", b.r(m), b.r(number), b.r(arg(i)), b.r(arg(i)))
			a.op("VCMPPS", unordered, b.r(x), b.r(x), b.r(m))
			a.op("VBLENDVPS", b.r(m), b.r(x), b.r(value(i)), b.r(value(i)))
			a.op("VBLENDVPS", b.r(m), b.r(number), b.r(arg(i)), b.r(arg(i)))
		}
		a.op("INCQ", "DX")
		a.op("JMP", loop)
		a.mark(done)
		for i := range b.n {
			a.storeRow(b.vec, value(i), "DI", i)
		}
		skip := a.label("unwanted")
		a.op("TESTQ", "R10", "R10")
		a.op("JEQ", skip)
		for i := range b.n {
			mem := argAt("R8", b.vec, i)
			if a.masks {
				a.op("VPMOVDB", b.r(arg(i)), mem)
				continue
			}
			x := scalar.r
			a.op("VEXTRACTI128", 1, b.r(arg(i)), x(4*i+2))
			a.op("VPACKUSDW", x(4*i+2), x(arg(i)), x(arg(i)))
			a.op("VPACKUSWB", x(arg(i)), x(arg(i)), x(arg(i)))
			a.op("MOVQ", x(arg(i)), mem)
		}
		a.op("ADDQ", b.n*b.lanes, "R8")
		a.mark(skip)
	})
	a.op("ADDQ", "R15", "R9")
	a.op("ADDQ", "R15", "R14")
	a.op("DECQ", "R13")
	a.op("JNZ", "pixel")
	a.ret()
}

// maxPoolGrad has in R9 the current row of the table, in R15 the bytes of one, in R13 the
// pixels left, in R10 the bytes to the current block of args.
func (a *asm) maxPoolGrad() {
	a.get("dy", "R11", "args", "R12", "table", "R9", "pixels", "R13", "n", "R15")
	a.op("LEAQ", "(R15)(R15*2)", "R15")
	a.op("LEAQ", "4(R15*4)", "R15")
	a.mark("pixel")
	a.op("MOVLQSX", "(R9)", "DI")
	a.op("ADDQ", a.arg("dx"), "DI")
	a.get("c", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.op("XORL", "R10", "R10")
	a.blocks("CX", a.pools(), func(b block) {
		place := 2 * b.n
		for i := range b.n {
			a.zero(2 * i)
		}
		loop, done := a.label("window"), a.label("summed")
		a.op("LEAQ", "4(R9)", "AX")
		a.get("n", "DX")
		a.mark(loop)
		a.op("DECQ", "DX")
		a.op("JLT", done)
		a.op("MOVLQSX", "(AX)", "SI")
		a.op("ADDQ", "R11", "SI")
		a.op("MOVLQSX", "4(AX)", "R8")
		a.op("ADDQ", "R12", "R8")
		a.op("ADDQ", "R10", "R8")
		a.op("VPBROADCASTD", "8(AX)", b.r(place))
		for i := range b.n {
			sum, m := 2*i, 2*i+1
			a.op("VPMOVZXBD", argAt("R8", b.vec, i), b.r(m))
			if a.masks {
				a.op("VPCMPEQD", b.r(place), b.r(m), "K1")
				a.opRow("VADDPS", "SI", b.vec, i, place+1+i, b.r(sum), "K1", b.r(sum))
				continue
			}
			a.op("VPCMPEQD", b.r(place), b.r(m), b.r(m))
			a.op("VANDPS", a.row("SI", b.vec, i), b.r(m), b.r(m))
			a.op("VADDPS", b.r(m), b.r(sum), b.r(sum))
		}
		a.op("ADDQ", 12, "AX")
		a.op("JMP", loop)
		a.mark(done)
		for i := range b.n {
			a.storeRow(b.vec, 2*i, "DI", i)
		}
		a.op("ADDQ", b.n*b.lanes, "R10")
	})
	a.op("ADDQ", "R15", "R9")
	a.op("DECQ", "R13")
	a.op("JNZ", "pixel")
	a.ret()
}

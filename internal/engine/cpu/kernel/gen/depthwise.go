package main

// Depthwise convolution has one multiplication for each value loaded, so its
// kernels are bound by loads: a block of channels of four pixels shares the loads
// of its weights. Registers: R8 the arguments, DI the table of rows, SI that of
// weights, R12 the bytes to the current pixel's row, R13 the step, R15 the output,
// R9 the tap, BX and CX the channels as everywhere.

const depthwisePixels = 4

func (a *asm) depthwiseBlocks() []block {
	if a.half { // a register for each value loaded
		return []block{{zmm, 4}, {zmm, 1}, {ymm, 1}}
	}
	if a.masks {
		return []block{{zmm, 6}, {zmm, 4}, {zmm, 3}, {zmm, 2}, {zmm, 1}, {ymm, 1}}
	}
	return []block{{ymm, 2}, {ymm, 1}}
}

func (a *asm) depthwise() {
	lo, hi := a.regs-1, a.regs-2
	a.get("a", "R8")
	a.op("VBROADCASTSS", "DepthwiseArgs_Lo(R8)", a.wide.r(lo))
	a.op("VBROADCASTSS", "DepthwiseArgs_Hi(R8)", a.wide.r(hi))
	a.op("MOVQ", "DepthwiseArgs_Rows(R8)", "DI")
	a.op("MOVQ", "DepthwiseArgs_Weights(R8)", "SI")
	a.op("MOVQ", "DepthwiseArgs_RowStep(R8)", "R13")
	a.op("MOVQ", "DepthwiseArgs_C(R8)", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", a.depthwiseBlocks(), func(b block) {
		four, one, single, done := a.label("four"), a.label("one"), a.label("single"), a.label("pixels")
		a.op("XORL", "R12", "R12")
		a.op("MOVQ", "DepthwiseArgs_Out(R8)", "R15")
		a.op("MOVQ", "DepthwiseArgs_Pixels(R8)", "DX")
		a.op("SUBQ", depthwisePixels, "DX")
		a.op("JLT", one)
		a.mark(four)
		a.depthwiseGroup(b, lo, hi, depthwisePixels)
		a.op("SUBQ", depthwisePixels, "DX")
		a.op("JGE", four)
		a.mark(one)
		a.op("ADDQ", depthwisePixels, "DX")
		a.op("JEQ", done)
		a.mark(single)
		a.depthwiseGroup(b, lo, hi, 1)
		a.op("DECQ", "DX")
		a.op("JNZ", single)
		a.mark(done)
	})
	a.ret()
}

// depthwiseGroup computes a block of channels of the next pixels.
func (a *asm) depthwiseGroup(b block, lo, hi, pixels int) {
	weight := pixels * b.n
	bias, start, loop, done := a.label("unbiased"), a.label("start"), a.label("tap"), a.label("summed")
	a.op("MOVQ", "DepthwiseArgs_Bias(R8)", "R10")
	a.op("TESTQ", "R10", "R10")
	a.op("JEQ", bias)
	for p := range pixels {
		for v := range b.n {
			a.load(b.vec, a.at("R10", b.vec, v), p*b.n+v)
		}
	}
	a.op("JMP", start)
	a.mark(bias)
	for i := range weight {
		a.zero(i)
	}
	a.mark(start)
	a.op("XORL", "R9", "R9")
	a.mark(loop)
	a.op("CMPQ", "R9", "DepthwiseArgs_Taps(R8)")
	a.op("JGE", done)
	a.op("MOVQ", "(SI)(R9*8)", "R11")
	a.op("MOVQ", "(DI)(R9*8)", "R10")
	a.op("ADDQ", "R12", "R10")
	for v := range b.n {
		a.load(b.vec, a.at("R11", b.vec, v), weight+v)
	}
	for p := range pixels {
		for v := range b.n {
			a.opRow("VFMADD231PS", "R10", b.vec, v, weight+b.n+v, b.r(weight+v), b.r(p*b.n+v))
		}
		if p < pixels-1 {
			a.op("ADDQ", "R13", "R10")
		}
	}
	a.op("INCQ", "R9")
	a.op("JMP", loop)
	a.mark(done)
	for p := range pixels {
		for v := range b.n {
			r := p*b.n + v
			a.max(b.vec, lo, r)
			a.min(b.vec, hi, r)
			a.storeRow(b.vec, r, "R15", v)
		}
		a.op("ADDQ", "DepthwiseArgs_OutStep(R8)", "R15")
		a.op("ADDQ", "R13", "R12")
	}
}

// depthwiseGrad keeps the sums of its taps in registers.
func (a *asm) depthwiseGrad() {
	a.get("a", "R8")
	for _, count := range []int{3, 5, 2, 4, 1} {
		next := a.label("count")
		if count != 1 {
			a.op("CMPQ", "DepthwiseGradArgs_Count(R8)", count)
			a.op("JNE", next)
		}
		a.depthwiseTaps(count)
		a.mark(next)
	}
}

func (a *asm) depthwiseTaps(count int) {
	var widths []block
	most := a.regs / (count + 1)
	if a.half {
		most = a.regs / (count + 2) // a register for each value loaded
	}
	for n := min(6, most); n > 0; n-- {
		widths = append(widths, block{a.wide, n})
	}
	if a.wide == zmm {
		widths = append(widths, block{ymm, 1})
	}
	a.op("MOVQ", "DepthwiseGradArgs_XTap(R8)", "R12")
	a.op("MOVQ", "DepthwiseGradArgs_SumStride(R8)", "R11")
	a.op("MOVQ", "DepthwiseGradArgs_XStep(R8)", "R13")
	a.op("MOVQ", "DepthwiseGradArgs_DYStep(R8)", "R15")
	a.op("MOVQ", "DepthwiseGradArgs_C(R8)", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", widths, func(b block) {
		dy := count * b.n
		clean, start, loop := a.label("clean"), a.label("start"), a.label("pixel")
		a.op("CMPQ", "DepthwiseGradArgs_Acc(R8)", 0)
		a.op("JEQ", clean)
		a.op("MOVQ", "DepthwiseGradArgs_Sum(R8)", "SI")
		for t := range count {
			for v := range b.n {
				a.load(b.vec, a.at("SI", b.vec, v), t*b.n+v)
			}
			a.op("ADDQ", "R11", "SI")
		}
		a.op("JMP", start)
		a.mark(clean)
		for i := range dy {
			a.zero(i)
		}
		a.mark(start)
		a.op("MOVQ", "DepthwiseGradArgs_X(R8)", "DI")
		a.op("MOVQ", "DepthwiseGradArgs_DY(R8)", "R9")
		a.op("MOVQ", "DepthwiseGradArgs_Pixels(R8)", "DX")
		a.mark(loop)
		for v := range b.n {
			a.loadRow(b.vec, "R9", v, dy+v)
		}
		a.op("MOVQ", "DI", "R10")
		for t := range count {
			for v := range b.n {
				a.opRow("VFMADD231PS", "R10", b.vec, v, dy+b.n+v, b.r(dy+v), b.r(t*b.n+v))
			}
			if t < count-1 {
				a.op("ADDQ", "R12", "R10")
			}
		}
		a.op("ADDQ", "R13", "DI")
		a.op("ADDQ", "R15", "R9")
		a.op("DECQ", "DX")
		a.op("JNZ", loop)
		a.op("MOVQ", "DepthwiseGradArgs_Sum(R8)", "SI")
		for t := range count {
			for v := range b.n {
				a.store(b.vec, t*b.n+v, a.at("SI", b.vec, v))
			}
			a.op("ADDQ", "R11", "SI")
		}
	})
	a.ret()
}

package main

// Depthwise convolution by 3x3 taps at every pixel: a column of input pixels is loaded once
// and goes to the sums of the three output pixels that read it, while the weights of a
// vector of channels stay in registers. Two output lines at a time share two of the four
// input lines they read. Registers: R8 the arguments, Q the current pixels of input lines,
// R11, R12 and R13 the steps of the first, the inner and the last of them, R15 and R14 those
// of the one or two lines beside, AX their step, DX columns left, BX and CX as everywhere.

var slideRows = []string{"DI", "SI", "R9", "R10"}

// slideLines is how many lines at a time an instruction set has registers for.
func (s *isa) slideLines() int {
	if s.masks {
		return 2
	}
	return 1
}

// eachLines writes a body for each number of lines and the choice between them.
func (a *asm) eachLines(field string, body func(lines int)) {
	for lines := a.slideLines(); lines > 0; lines-- {
		next := a.label("lines")
		if lines > 1 {
			a.op("CMPQ", field, lines)
			a.op("JNE", next)
		}
		body(lines)
		a.mark(next)
	}
}

// slideBlocks are the vectors of channels, one at a time.
func (a *asm) slideBlocks() []block {
	if a.wide == zmm {
		return []block{{zmm, 1}, {ymm, 1}}
	}
	return []block{{ymm, 1}}
}

// slideInput points at the input lines of the arguments typ.
func (a *asm) slideInput(typ string, lines int) {
	a.op("LEAQ", typ+"_Rows(R8)", "AX")
	for r := range lines + 2 {
		a.op("MOVQ", offset(8*r)+"(AX)", slideRows[r])
	}
	a.op("MOVQ", typ+"_First(R8)", "R11")
	a.op("MOVQ", typ+"_Step(R8)", "R12")
	a.op("MOVQ", typ+"_Last(R8)", "R13")
}

// column loads the next pixel of each input line into one of the registers from value on
// and calls use for each output line that reads it, by the row kh of its taps.
func (a *asm) column(b block, lines, value, values int, use func(line, kh int, x string)) {
	for r := range lines + 2 {
		x := value + r%values
		a.loadRow(b.vec, slideRows[r], 0, x)
		step := "R12"
		if r == 0 {
			step = "R11"
		} else if r == lines+1 {
			step = "R13"
		}
		a.op("ADDQ", step, slideRows[r])
		for line := range lines {
			if kh := r - line; kh >= 0 && kh < 3 {
				use(line, kh, b.r(x))
			}
		}
	}
}

// depthwise3 keeps sums of three output pixels of each line, in registers that change roles
// from column to column.
func (a *asm) depthwise3() {
	lo, hi, bias := a.regs-1, a.regs-2, a.regs-3
	a.get("a", "R8")
	a.op("VBROADCASTSS", "Depthwise3Args_Lo(R8)", a.wide.r(lo))
	a.op("VBROADCASTSS", "Depthwise3Args_Hi(R8)", a.wide.r(hi))
	a.op("MOVQ", "Depthwise3Args_C(R8)", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	outs := []string{"R15", "R14"}
	a.eachLines("Depthwise3Args_Lines(R8)", func(lines int) {
		sum := func(line, role int) int { return 9 + 3*line + role%3 }
		value := 9 + 3*lines
		values := min(4, bias-value)
		a.blocks("CX", a.slideBlocks(), func(b block) {
			a.op("LEAQ", "Depthwise3Args_Weights(R8)", "AX")
			for t := range 9 {
				a.op("MOVQ", offset(8*t)+"(AX)", "DX")
				a.load(b.vec, a.at("DX", b.vec, 0), t)
			}
			a.op("MOVQ", "Depthwise3Args_Bias(R8)", "AX")
			a.load(b.vec, a.at("AX", b.vec, 0), bias)
			a.slideInput("Depthwise3Args", lines)
			a.op("MOVQ", "Depthwise3Args_Out(R8)", "R15")
			if lines == 2 {
				a.op("MOVQ", "Depthwise3Args_OutLine(R8)", "R14")
				a.op("ADDQ", "R15", "R14")
			}
			a.op("MOVQ", "Depthwise3Args_OutStep(R8)", "AX")
			a.op("MOVQ", "Depthwise3Args_Width(R8)", "DX")
			// at does a column: roles are those of the pixels before, at and behind it.
			at := func(before bool, role int) {
				for line := range lines {
					a.op("VMOVAPS", b.r(bias), b.r(sum(line, role+2)))
				}
				a.column(b, lines, value, values, func(line, kh int, x string) {
					if before {
						a.op("VFMADD231PS", x, b.r(3*kh+2), b.r(sum(line, role)))
					}
					a.op("VFMADD231PS", x, b.r(3*kh+1), b.r(sum(line, role+1)))
					a.op("VFMADD231PS", x, b.r(3*kh), b.r(sum(line, role+2)))
				})
			}
			write := func(role int) {
				for line := range lines {
					s := sum(line, role)
					a.max(b.vec, lo, s)
					a.min(b.vec, hi, s)
					a.storeRow(b.vec, s, outs[line], 0)
					a.op("ADDQ", "AX", outs[line])
				}
			}
			loop, done := a.label("column"), a.label("slid")
			ends := []string{a.label("end"), a.label("end"), a.label("end")}
			for line := range lines {
				a.op("VMOVAPS", b.r(bias), b.r(sum(line, 0)))
			}
			at(false, 2)
			a.op("DECQ", "DX")
			a.op("JEQ", ends[0])
			a.mark(loop)
			for role := range 3 {
				at(true, role)
				write(role)
				a.op("DECQ", "DX")
				if role < 2 {
					a.op("JEQ", ends[role+1])
				}
			}
			a.op("JNE", loop)
			for role, end := range ends {
				a.mark(end)
				write(role)
				if role < 2 {
					a.op("JMP", done)
				}
			}
			a.mark(done)
		})
		a.ret()
	})
}

// depthwise3Grad keeps the sums of the nine taps in registers, and the gradients of three
// pixels of each line.
func (a *asm) depthwise3Grad() {
	a.get("a", "R8")
	a.op("MOVQ", "Depthwise3GradArgs_C(R8)", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	from := []string{"R15", "R14"}
	a.eachLines("Depthwise3GradArgs_Lines(R8)", func(lines int) {
		dy := func(line, role int) int { return 9 + 3*line + role%3 }
		value := 9 + 3*lines
		values := min(4, a.regs-value)
		a.blocks("CX", a.slideBlocks(), func(b block) {
			// sums visits the rows of sums, from AX on.
			sums := func(visit func(tap int)) {
				a.op("MOVQ", "Depthwise3GradArgs_Sum(R8)", "AX")
				a.op("MOVQ", "Depthwise3GradArgs_SumStride(R8)", "DX")
				for t := range 9 {
					visit(t)
					if t < 8 {
						a.op("ADDQ", "DX", "AX")
					}
				}
			}
			sums(func(t int) { a.load(b.vec, a.at("AX", b.vec, 0), t) })
			a.slideInput("Depthwise3GradArgs", lines)
			a.op("LEAQ", "Depthwise3GradArgs_DY(R8)", "AX")
			for line := range lines {
				a.op("MOVQ", offset(8*line)+"(AX)", from[line])
			}
			a.op("MOVQ", "Depthwise3GradArgs_DYStep(R8)", "AX")
			a.op("MOVQ", "Depthwise3GradArgs_Width(R8)", "DX")
			next := func(role int) {
				for line := range lines {
					a.loadRow(b.vec, from[line], 0, dy(line, role))
					a.op("ADDQ", "AX", from[line])
				}
			}
			// at does a column, whose own pixel's gradient has that role.
			at := func(role int, behind bool) {
				a.column(b, lines, value, values, func(line, kh int, x string) {
					a.op("VFMADD231PS", x, b.r(dy(line, role+2)), b.r(3*kh+2))
					a.op("VFMADD231PS", x, b.r(dy(line, role)), b.r(3*kh+1))
					if behind {
						a.op("VFMADD231PS", x, b.r(dy(line, role+1)), b.r(3*kh))
					}
				})
			}
			loop, done := a.label("column"), a.label("slid")
			ends := []string{a.label("end"), a.label("end"), a.label("end")}
			for line := range lines {
				a.zero(dy(line, 2))
			}
			next(0)
			a.op("DECQ", "DX")
			a.op("JEQ", ends[0])
			a.mark(loop)
			for role := range 3 {
				next(role + 1)
				at(role, true)
				a.op("DECQ", "DX")
				if role < 2 {
					a.op("JEQ", ends[role+1])
				}
			}
			a.op("JNE", loop)
			for role, end := range ends {
				a.mark(end)
				at(role, false)
				if role < 2 {
					a.op("JMP", done)
				}
			}
			a.mark(done)
			sums(func(t int) { a.store(b.vec, t, a.at("AX", b.vec, 0)) })
		})
		a.ret()
	})
}

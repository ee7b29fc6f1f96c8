package main

// Depthwise convolution by 5x5 taps at every pixel slides as that by 3x3 does, over all lines of a band: a column of
// pixels goes to the sums of the five output pixels that read it, of two lines at a time. There are not registers for
// all 25 weights: the rest lie one upon the other in memory that the caller lends.

// Places in that memory, behind the weights.
const (
	slideStep = 25*64 + 8*iota
	slideOutStep
	slideOutLine
	slideWidth
	slideLeft // lines
	slideTable
	slideOut
)

func lent(at int) string { return offset(at) + "(R8)" }

// depthwise5: registers R8 the memory lent, Q the input lines, R13 the bytes to the current pixel, R15 and R14 the
// output lines, AX the bytes to their pixel, DX columns left.
func (a *asm) depthwise5() {
	lo, hi, bias := a.regs-1, a.regs-2, a.regs-3
	a.get("a", "R9")
	a.op("VBROADCASTSS", "Depthwise5Args_Lo(R9)", a.wide.r(lo))
	a.op("VBROADCASTSS", "Depthwise5Args_Hi(R9)", a.wide.r(hi))
	a.op("MOVQ", "Depthwise5Args_C(R9)", "CX")
	a.op("MOVQ", "Depthwise5Args_Lent(R9)", "R8")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", a.slideBlocks(), func(b block) {
		a.get("a", "R9")
		a.op("LEAQ", "Depthwise5Args_Weights(R9)", "AX")
		for t := range 25 {
			a.op("MOVQ", offset(8*t)+"(AX)", "DX")
			a.load(b.vec, a.at("DX", b.vec, 0), t%4)
			a.store(b.vec, t%4, lent(64*t))
		}
		for _, f := range []struct {
			name string
			at   int
		}{{"Step", slideStep}, {"OutStep", slideOutStep}, {"OutLine", slideOutLine}, {"Width", slideWidth}, {"Lines", slideLeft}, {"Rows", slideTable}, {"Out", slideOut}} {
			a.op("MOVQ", "Depthwise5Args_"+f.name+"(R9)", "AX")
			a.op("MOVQ", "AX", lent(f.at))
		}
		a.op("MOVQ", "Depthwise5Args_Bias(R9)", "AX")
		a.load(b.vec, a.at("AX", b.vec, 0), bias)
		two, one, done := a.label("two"), a.label("one"), a.label("band")
		a.mark(two)
		a.op("CMPQ", lent(slideLeft), 2)
		a.op("JLT", one)
		a.depthwise5Lines(b, 2, lo, hi, bias)
		a.op("SUBQ", 2, lent(slideLeft))
		a.op("ADDQ", 16, lent(slideTable))
		a.op("MOVQ", lent(slideOutLine), "AX")
		a.op("ADDQ", "AX", "AX")
		a.op("ADDQ", "AX", lent(slideOut))
		a.op("JMP", two)
		a.mark(one)
		a.op("CMPQ", lent(slideLeft), 0)
		a.op("JEQ", done)
		a.depthwise5Lines(b, 1, lo, hi, bias)
		a.mark(done)
	})
	a.ret()
}

// depthwise5Lines computes one or two output lines; sums change roles from column to column.
func (a *asm) depthwise5Lines(b block, lines, lo, hi, bias int) {
	rows := []string{"DI", "SI", "R9", "R10", "R11", "R12"}
	outs := []string{"R15", "R14"}
	sum := func(line, role int) int { return 5*line + role%5 }
	value := 5 * lines
	weight := value + 2 // those that there are registers for
	held := min(25, bias-weight)
	for t := range held {
		a.load(b.vec, lent(64*t), weight+t)
	}
	a.op("MOVQ", lent(slideTable), "AX")
	for r := range lines + 4 {
		a.op("MOVQ", offset(8*r)+"(AX)", rows[r])
	}
	a.op("MOVQ", lent(slideOut), "R15")
	if lines == 2 {
		a.op("MOVQ", lent(slideOutLine), "R14")
		a.op("ADDQ", "R15", "R14")
	}
	a.op("MOVQ", lent(slideWidth), "DX")
	a.op("MOVQ", "BX", "R13")
	a.op("MOVQ", "BX", "AX")
	for line := range lines {
		for _, role := range []int{0, 1, 3, 4} { // the last two are never written
			a.op("VMOVAPS", b.r(bias), b.r(sum(line, role)))
		}
	}
	column := func(role int) {
		for line := range lines {
			a.op("VMOVAPS", b.r(bias), b.r(sum(line, role+2)))
		}
		for r := range lines + 4 {
			x := value + r%2
			a.load(b.vec, "("+rows[r]+")(R13*1)", x)
			for line := range lines {
				kh := r - line
				if kh < 0 || kh > 4 {
					continue
				}
				for kw := range 5 {
					t, s := 5*kh+kw, sum(line, role+7-kw)
					if t < held {
						a.op("VFMADD231PS", b.r(x), b.r(weight+t), b.r(s))
					} else {
						a.op("VFMADD231PS", lent(64*t), b.r(x), b.r(s))
					}
				}
			}
		}
		a.op("ADDQ", lent(slideStep), "R13")
		a.op("DECQ", "DX")
	}
	write := func(role int) {
		for line := range lines {
			s := sum(line, role)
			a.max(b.vec, lo, s)
			a.min(b.vec, hi, s)
			a.store(b.vec, s, "("+outs[line]+")(AX*1)")
		}
		a.op("ADDQ", lent(slideOutStep), "AX")
	}
	loop, done := a.label("column"), a.label("slid")
	column(0)
	column(1)
	a.mark(loop)
	ends := make([]string, 5)
	for i := range 5 {
		role := (i + 2) % 5
		ends[role] = a.label("end")
		column(role)
		write(role + 3)
		if i < 4 {
			// The flags are the last addition's: see whether columns are left.
			a.op("TESTQ", "DX", "DX")
			a.op("JEQ", ends[role])
		}
	}
	a.op("TESTQ", "DX", "DX")
	a.op("JNE", loop)
	for i := range 5 {
		role := (6 - i) % 5 // first what the loop falls into
		a.mark(ends[role])
		write(role + 4)
		write(role)
		if i < 4 {
			a.op("JMP", done)
		}
	}
	a.mark(done)
}

// depthwise5Grad keeps the sums of as many rows of taps in registers as there is room for, and the gradients of five
// pixels. Registers: R8 the arguments, Q the input lines, R13 the bytes to the current pixel, R15 the gradients, AX the
// bytes to theirs, R12 the line, DX columns left.
func (a *asm) depthwise5Grad() {
	group := (a.regs - 6) / 5
	a.get("a", "R8")
	a.op("MOVQ", "Depthwise5GradArgs_C(R8)", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", a.slideBlocks(), func(b block) {
		for kh := 0; kh < 5; kh += group {
			a.depthwise5Sums(b, kh, min(group, 5-kh))
		}
	})
	a.ret()
}

// depthwise5Sums adds to the sums of n rows of taps from kh on.
func (a *asm) depthwise5Sums(b block, kh, n int) {
	rows := []string{"DI", "SI", "R9", "R10", "R11"}
	dy := func(role int) int { return 5*n + role%5 }
	value := 5*n + 5
	values := min(2, a.regs-value)
	// sums visits the rows of sums, from AX on.
	sums := func(visit func(tap int)) {
		a.op("MOVQ", "Depthwise5GradArgs_SumStride(R8)", "DX")
		a.op("IMUL3Q", 5*kh, "DX", "AX")
		a.op("ADDQ", "Depthwise5GradArgs_Sum(R8)", "AX")
		for t := range 5 * n {
			visit(t)
			if t < 5*n-1 {
				a.op("ADDQ", "DX", "AX")
			}
		}
	}
	sums(func(t int) { a.load(b.vec, a.at("AX", b.vec, 0), t) })
	line := a.label("line")
	a.op("XORL", "R12", "R12")
	a.mark(line)
	a.op("MOVQ", "Depthwise5GradArgs_Rows(R8)", "AX")
	a.op("LEAQ", "(AX)(R12*8)", "AX")
	for r := range n {
		a.op("MOVQ", offset(8*(kh+r))+"(AX)", rows[r])
	}
	a.op("MOVQ", "Depthwise5GradArgs_DY(R8)", "AX")
	a.op("MOVQ", "(AX)(R12*8)", "R15")
	a.op("MOVQ", "Depthwise5GradArgs_Width(R8)", "DX")
	a.op("SUBQ", 2, "DX")
	a.op("MOVQ", "BX", "R13")
	a.op("MOVQ", "BX", "AX")
	next := func(role int) {
		a.load(b.vec, "(R15)(AX*1)", dy(role))
		a.op("ADDQ", "Depthwise5GradArgs_DYStep(R8)", "AX")
	}
	column := func(role int) {
		for r := range n {
			x := value + r%values
			a.load(b.vec, "("+rows[r]+")(R13*1)", x)
			for kw := range 5 {
				a.op("VFMADD231PS", b.r(x), b.r(dy(role+7-kw)), b.r(5*r+kw))
			}
		}
		a.op("ADDQ", "Depthwise5GradArgs_Step(R8)", "R13")
	}
	a.zero(dy(3))
	a.zero(dy(4))
	next(0)
	next(1)
	loop, done := a.label("column"), a.label("slid")
	ends := make([]string, 5)
	a.mark(loop)
	for role := range 5 {
		ends[role] = a.label("end")
		next(role + 2)
		column(role)
		a.op("DECQ", "DX")
		if role < 4 {
			a.op("JEQ", ends[role])
		}
	}
	a.op("JNE", loop)
	for i := range 5 {
		role := 4 - i // first what the loop falls into
		a.mark(ends[role])
		for tail := 1; tail <= 2; tail++ {
			a.zero(dy(role + tail + 2))
			column(role + tail)
		}
		if i < 4 {
			a.op("JMP", done)
		}
	}
	a.mark(done)
	a.op("INCQ", "R12")
	a.op("CMPQ", "R12", "Depthwise5GradArgs_Lines(R8)")
	a.op("JNE", line)
	sums(func(t int) { a.store(b.vec, t, a.at("AX", b.vec, 0)) })
}

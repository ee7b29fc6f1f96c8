package main

import "fmt"

// Register numbers below leave the low ones to data and take the high ones, from
// regs-1 down, for constants.

func (a *asm) moments() {
	count := a.regs - 1
	a.get("rows", "DX")
	a.op("VCVTSI2SSQ", "DX", "X0", "X0")
	a.op("VBROADCASTSS", "X0", a.wide.r(count))
	a.get("mean", "R8", "m2", "R9")
	x := []stride{{"SI", "xs"}}
	a.eachColumn(func(b block) {
		n := b.n
		mean, sum, value := 0, n, 2*n
		for i := range n {
			a.zero(mean + i)
			a.zero(sum + i)
		}
		a.down([]string{"x"}, x, func() {
			for i := range n {
				a.opRow("VADDPS", "SI", b.vec, i, value+i%3, b.r(mean+i), b.r(mean+i))
			}
		})
		for i := range n {
			a.op("VDIVPS", b.r(count), b.r(mean+i), b.r(mean+i))
			a.store(b.vec, mean+i, a.at("R8", b.vec, i))
		}
		a.down([]string{"x"}, x, func() {
			for i := range n {
				v := value + i%3
				a.loadRow(b.vec, "SI", i, v)
				a.op("VSUBPS", b.r(mean+i), b.r(v), b.r(v))
				a.op("VFMADD231PS", b.r(v), b.r(v), b.r(sum+i))
			}
		})
		for i := range n {
			a.store(b.vec, sum+i, a.at("R9", b.vec, i))
		}
	})
}

func (a *asm) sums(out string, finish func(v vec, r int)) {
	a.get(out, "R8")
	a.eachColumn(func(b block) {
		for i := range b.n {
			a.zero(i)
		}
		a.down([]string{"x"}, []stride{{"SI", "xs"}}, func() {
			for i := range b.n {
				a.opRow("VADDPS", "SI", b.vec, i, b.n+i%3, b.r(i), b.r(i))
			}
		})
		for i := range b.n {
			finish(b.vec, i)
			a.store(b.vec, i, a.at("R8", b.vec, i))
		}
	})
}

func (a *asm) sumRows() { a.sums("sum", func(vec, int) {}) }

func (a *asm) avgRow() {
	scale := a.regs - 1
	a.broadcast("scale", scale)
	a.sums("out", func(v vec, r int) { a.op("VMULPS", v.r(scale), v.r(r), v.r(r)) })
}

func (a *asm) scaleShift() {
	lo := a.regs - 1
	a.broadcast("lo", lo)
	a.get("y", "DI", "x", "SI", "r", "R8", "scale", "R9", "shift", "R10")
	loop := func(residual bool) {
		operands := []stride{{"DI", "ys"}, {"SI", "xs"}}
		if residual {
			operands = append(operands, stride{"R8", "rs"})
		}
		a.wideRows(operands, func(b block) {
			for i := range b.n {
				v, s := i, b.n+i
				a.loadRow(b.vec, "SI", i, v)
				a.load(b.vec, a.at("R9", b.vec, i), s)
				a.op("VFMADD213PS", a.at("R10", b.vec, i), b.r(s), b.r(v))
				if residual {
					a.opRow("VADDPS", "R8", b.vec, i, s, b.r(v), b.r(v))
				}
				a.max(b.vec, lo, v)
				a.storeRow(b.vec, v, "DI", i)
			}
		})
	}
	a.either("R8", "plain", loop)
}

// either writes a body twice: with an optional operand and, where its register
// holds nil, without.
func (a *asm) either(reg, without string, body func(with bool)) {
	label := a.label(without)
	a.op("TESTQ", reg, reg)
	a.op("JEQ", label)
	body(true)
	a.mark(label)
	body(false)
}

// max raises register r to a bound, min lowers it. The bound comes first: of a
// number and NaN these instructions return their second operand.
func (a *asm) max(v vec, bound, r int) { a.op("VMAXPS", v.r(r), v.r(bound), v.r(r)) }
func (a *asm) min(v vec, bound, r int) { a.op("VMINPS", v.r(r), v.r(bound), v.r(r)) }

func (a *asm) normGradSums() {
	zero := a.regs - 1
	a.zero(zero)
	a.get("mean", "R10", "sumDY", "R11", "sumDYX", "R12", "z", "R8")
	loop := func(mask bool) {
		from := []string{"dy", "x"}
		operands := []stride{{"DI", "dys"}, {"SI", "xs"}}
		if mask {
			from, operands = append(from, "z"), append(operands, stride{"R8", "zs"})
		}
		a.eachColumn(func(b block) {
			n := b.n
			s0, s1, mean, temp := 0, n, 2*n, 3*n
			for i := range n {
				a.zero(s0 + i)
				a.zero(s1 + i)
				a.load(b.vec, a.at("R10", b.vec, i), mean+i)
			}
			pairs := min(n, (zero-temp)/2)
			a.down(from, operands, func() {
				for i := range n {
					g := temp + 2*(i%pairs)
					x := g + 1
					if mask {
						a.masked(b.vec, "DI", "R8", i, zero, g)
					} else {
						a.loadRow(b.vec, "DI", i, g)
					}
					a.loadRow(b.vec, "SI", i, x)
					a.op("VSUBPS", b.r(mean+i), b.r(x), b.r(x))
					a.op("VADDPS", b.r(g), b.r(s0+i), b.r(s0+i))
					a.op("VFMADD231PS", b.r(g), b.r(x), b.r(s1+i))
				}
			})
			for i := range n {
				a.store(b.vec, s0+i, a.at("R11", b.vec, i))
				a.store(b.vec, s1+i, a.at("R12", b.vec, i))
			}
		})
	}
	a.either("R8", "unmasked", loop)
}

func (a *asm) normGrad() {
	zero := a.regs - 1
	a.zero(zero)
	a.get("dx", "DI", "dy", "SI", "z", "R8", "x", "R9", "gOut", "R10")
	a.get("a", "R11", "b", "R12", "d", "R13", "mean", "R15")
	loop := func(mask, residual bool) {
		operands := []stride{{"DI", "dxs"}, {"SI", "dys"}, {"R9", "xs"}}
		if mask {
			operands = append(operands, stride{"R8", "zs"})
		}
		if residual {
			operands = append(operands, stride{"R10", "gs"})
		}
		widths := a.stream
		if a.masks && !mask && !residual { // mostly rows in the cache, of what an activation let pass
			widths = []block{{zmm, 4}, {zmm, 1}, {ymm, 1}}
		}
		a.eachRowOf(widths, operands, func(b block) {
			for i := range b.n {
				x, g, t := 3*i, 3*i+1, 3*i+2
				a.loadRow(b.vec, "R9", i, x)
				if mask {
					a.masked(b.vec, "SI", "R8", i, zero, g)
				} else {
					a.loadRow(b.vec, "SI", i, g)
				}
				a.op("VSUBPS", a.at("R15", b.vec, i), b.r(x), b.r(x))
				a.load(b.vec, a.at("R12", b.vec, i), t)
				a.op("VFMADD213PS", a.at("R13", b.vec, i), b.r(t), b.r(x))
				a.op("VFMADD231PS", a.at("R11", b.vec, i), b.r(g), b.r(x))
				if residual {
					a.storeRow(b.vec, g, "R10", i)
				}
				a.storeRow(b.vec, x, "DI", i)
			}
		})
	}
	a.either("R8", "unmasked", func(mask bool) {
		a.either("R10", "plain", func(residual bool) { loop(mask, residual) })
	})
}

func (a *asm) reluGrad() {
	zero := a.regs - 1
	a.zero(zero)
	a.get("dx", "DI", "dy", "SI", "z", "R8")
	a.eachRow([]stride{{"DI", "dxs"}, {"SI", "dys"}, {"R8", "zs"}}, func(b block) {
		for i := range b.n {
			a.masked(b.vec, "SI", "R8", i, zero, i)
			a.storeRow(b.vec, i, "DI", i)
		}
	})
}

// dropout is in instructions that both instruction sets have, so in the first 16
// registers. R9 holds the number of a row's first value.
func (a *asm) dropout() {
	const scale, limit, first, second, high, base, lanes, number = 15, 14, 13, 12, 11, 10, 9, 8
	y := ymm.r
	fill := func(r int) {
		a.op("VMOVD", "AX", scalar.r(r))
		a.op("VPBROADCASTD", scalar.r(r), y(r))
	}
	constant := func(v uint32, r int) {
		a.op("MOVL", fmt.Sprintf("$%#x", v), "AX")
		fill(r)
	}
	a.op("VBROADCASTSS", a.arg("scale"), y(scale))
	a.op("VPBROADCASTD", a.arg("limit"), y(limit))
	constant(0x21f0aaad, first)
	constant(0x735a2d97, second)
	constant(uint32(ymm.lanes), lanes)
	a.get("key", "AX")
	a.op("SHRQ", 32, "AX")
	fill(high)
	a.op("MOVQ", "$0x0706050403020100", "AX")
	a.op("VMOVQ", "AX", scalar.r(base))
	a.op("VPMOVZXBD", scalar.r(base), y(base))
	a.op("VPBROADCASTD", a.arg("key"), y(number))
	a.op("VPADDD", y(number), y(base), y(base))
	a.get("y", "DI", "x", "SI", "rows", "DX", "first", "R9")
	a.mark("row")
	a.op("VMOVD", "R9", scalar.r(number))
	a.op("VPBROADCASTD", scalar.r(number), y(number))
	a.op("VPADDD", y(base), y(number), y(number))
	a.op("XORL", "BX", "BX")
	a.get("c", "CX")
	a.rowBytes("CX")
	a.blocks("CX", []block{{ymm, 4}, {ymm, 1}}, func(b block) {
		for i := range b.n {
			h, t := 2*i, 2*i+1
			a.op("VPSRLD", "$16", y(number), y(t))
			a.op("VPXOR", y(number), y(t), y(h))
			a.op("VPADDD", y(lanes), y(number), y(number))
			a.op("VPMULLD", y(first), y(h), y(h))
			a.op("VPSRLD", "$15", y(h), y(t))
			a.op("VPXOR", y(high), y(h), y(h))
			a.op("VPXOR", y(t), y(h), y(h))
			a.op("VPMULLD", y(second), y(h), y(h))
			a.op("VPSRLD", "$15", y(h), y(t))
			a.op("VPXOR", y(t), y(h), y(h))
			a.op("VPMAXUD", y(limit), y(h), y(t))
			a.op("VPCMPEQD", y(t), y(h), y(h)) // h is no less than the limit
			a.loadRow(b.vec, "SI", i, t)
			a.op("VMULPS", y(scale), y(t), y(t))
			a.op("VANDPS", y(h), y(t), y(t))
			a.storeRow(b.vec, t, "DI", i)
		}
	})
	a.op("ADDQ", a.arg("step"), "R9")
	a.advance([]stride{{"DI", "ys"}, {"SI", "xs"}})
	a.op("DECQ", "DX")
	a.op("JNZ", "row")
	a.ret()
}

func (a *asm) addRows() {
	a.get("y", "DI", "a", "SI", "b", "R8")
	a.eachRow([]stride{{"DI", "ys"}, {"SI", "as"}, {"R8", "bs"}}, func(b block) {
		for i := range b.n {
			a.loadRow(b.vec, "SI", i, i)
			a.opRow("VADDPS", "R8", b.vec, i, b.n+i, b.r(i), b.r(i))
			a.storeRow(b.vec, i, "DI", i)
		}
	})
}

func (a *asm) strassenSums() {
	a.get("s", "DI", "ss", "DX", "a", "SI", "b", "R8", "d", "R9", "e", "R10")
	sums := []string{"DI", "R11", "R12", "R13"}
	for i, s := range sums[1:] {
		a.op("LEAQ", "("+sums[i]+")(DX*1)", s)
	}
	a.columns(a.besides(2, 1), func(b block) {
		const first, sum, difference, temp = 0, 1, 2, 3
		a.ahead(b, "SI", "R8", "R9", "R10")
		for i := range b.n {
			r := 4 * i
			a.loadRow(b.vec, "R9", i, r+difference)
			a.opRow("VADDPS", "R10", b.vec, i, r+temp, b.r(r+difference), b.r(r+sum))
			a.loadRow(b.vec, "SI", i, r+first)
			a.storeRow(b.vec, r+sum, sums[0], i)
			a.sub(b.vec, r+first, r+difference, r+difference)
			a.sub(b.vec, r+sum, r+first, r+sum)
			a.storeRow(b.vec, r+difference, sums[2], i)
			a.storeRow(b.vec, r+sum, sums[1], i)
			a.loadRow(b.vec, "R8", i, r+first)
			a.sub(b.vec, r+first, r+sum, r+first)
			a.storeRow(b.vec, r+first, sums[3], i)
		}
	})
}

func (a *asm) clampRows() {
	lo, hi := a.regs-1, a.regs-2
	a.broadcast("lo", lo)
	a.broadcast("hi", hi)
	a.get("y", "DI", "x", "SI")
	a.eachRow([]stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
		for i := range b.n {
			a.loadRow(b.vec, "SI", i, i)
			a.max(b.vec, lo, i)
			a.min(b.vec, hi, i)
			a.storeRow(b.vec, i, "DI", i)
		}
	})
}

func (a *asm) copyRows() {
	a.get("y", "DI", "x", "SI")
	a.eachRow([]stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
		for i := range b.n {
			a.loadRow(b.vec, "SI", i, i)
			a.storeRow(b.vec, i, "DI", i)
		}
	})
}

// copyAside ends with a fence: who reads y is told so by ordinary stores.
func (a *asm) copyAside() {
	a.get("y", "DI", "x", "SI", "n", "CX")
	a.op("SHLQ", 2, "CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", []block{{a.wide, 4}, {a.wide, 1}}, func(b block) {
		for i := range b.n {
			a.load(b.vec, a.at("SI", b.vec, i), i)
		}
		for i := range b.n {
			a.op("VMOVNTPS", b.r(i), a.at("DI", b.vec, i))
		}
	})
	a.op("SFENCE")
	a.ret()
}

func (a *asm) zeroRows() {
	a.zero(0)
	a.get("y", "DI")
	a.eachRow([]stride{{"DI", "ys"}}, func(b block) {
		for i := range b.n {
			a.storeRow(b.vec, 0, "DI", i)
		}
	})
}

func (a *asm) fillRows() {
	scale := a.regs - 1
	a.broadcast("scale", scale)
	a.get("y", "DI", "v", "SI")
	a.eachRow([]stride{{"DI", "ys"}}, func(b block) {
		for i := range b.n {
			a.op("VMULPS", a.at("SI", b.vec, i), b.r(scale), b.r(i))
			a.storeRow(b.vec, i, "DI", i)
		}
	})
}

// transpose turns blocks of 8 x 8, in 256-bit vectors on both instruction sets.
func (a *asm) transpose() {
	a.get("dst", "DI", "ds", "R8", "src", "SI", "ss", "R9", "rows", "DX")
	a.op("LEAQ", "(R9)(R9*2)", "R10") // three rows of src
	a.op("LEAQ", "(R8)(R8*2)", "R11") // and of dst
	rows, cols := a.label("rows"), a.label("cols")
	a.mark(rows)
	a.get("cols", "CX")
	a.op("MOVQ", "SI", "R12")
	a.op("MOVQ", "DI", "R13")
	a.mark(cols)
	// eight is the addresses of eight rows.
	eight := func(base, half, one, three string) []string {
		return []string{
			"(" + base + ")", "(" + base + ")(" + one + "*1)", "(" + base + ")(" + one + "*2)", "(" + base + ")(" + three + "*1)",
			"(" + half + ")", "(" + half + ")(" + one + "*1)", "(" + half + ")(" + one + "*2)", "(" + half + ")(" + three + "*1)",
		}
	}
	y := ymm.r
	a.op("LEAQ", "(R12)(R9*4)", "AX")
	for i, mem := range eight("R12", "AX", "R9", "R10") {
		a.op("VMOVUPS", mem, y(i))
	}
	for i := 0; i < 8; i += 2 { // pairs of rows
		a.op("VUNPCKLPS", y(i+1), y(i), y(8+i))
		a.op("VUNPCKHPS", y(i+1), y(i), y(9+i))
	}
	for i := 0; i < 8; i += 4 { // fours
		for j := range 2 {
			a.op("VSHUFPS", "$0x44", y(10+i+j), y(8+i+j), y(i+2*j))
			a.op("VSHUFPS", "$0xee", y(10+i+j), y(8+i+j), y(i+2*j+1))
		}
	}
	for i := range 4 { // halves
		a.op("VPERM2F128", "$0x20", y(4+i), y(i), y(8+i))
		a.op("VPERM2F128", "$0x31", y(4+i), y(i), y(12+i))
	}
	a.op("LEAQ", "(R13)(R8*4)", "AX")
	for i, mem := range eight("R13", "AX", "R8", "R11") {
		a.op("VMOVUPS", y(8+i), mem)
	}
	a.op("ADDQ", 32, "R12")
	a.op("LEAQ", "(R13)(R8*8)", "R13")
	a.op("SUBQ", 8, "CX")
	a.op("JNZ", cols)
	a.op("LEAQ", "(SI)(R9*8)", "SI")
	a.op("ADDQ", 32, "DI")
	a.op("SUBQ", 8, "DX")
	a.op("JNZ", rows)
	a.ret()
}

package main

import (
	"fmt"
	"math"
)

// An act is an activation, numbered as kernel.Act.
type act int

const (
	relu act = iota + 1
	relu6
	hardSwish
	hardSigmoid
	silu
	sigmoid
	acts
)

// smooth says that the activation needs the exponential.
func (k act) smooth() bool { return k >= silu }

// constants are vectors of one value in read-only memory, by name.
var constants = []struct {
	name  string
	value float64
}{
	{"zero", 0}, {"one", 1}, {"half", 0.5}, {"two", 2}, {"three", 3}, {"minusThree", -3}, {"six", 6}, {"third", 1.0 / 3}, {"sixth", 1.0 / 6},
	{"most", 87}, {"least", -87}, {"log2e", math.Log2E}, {"ln2", math.Ln2},
	{"c7", 1.0 / 5040}, {"c6", 1.0 / 720}, {"c5", 1.0 / 120}, {"c4", 1.0 / 24}, {"c3", 1.0 / 6},
}

// constantTable writes them, each as wide as the widest vector.
func (a *asm) constantTable() {
	size := a.wide.bytes()
	for i, c := range constants {
		bits := math.Float32bits(float32(c.value))
		for at := 0; at < size; at += 8 {
			fmt.Fprintf(&a.text, "DATA constants<>+%d(SB)/8, $%#016x\n", i*size+at, uint64(bits)<<32|uint64(bits))
		}
	}
	fmt.Fprintf(&a.text, "GLOBL constants<>(SB), RODATA|NOPTR, $%d\n", len(constants)*size)
}

// c is the operand for a constant.
func (a *asm) c(name string) string {
	for i, c := range constants {
		if c.name == name {
			return fmt.Sprintf("constants<>+%d(SB)", i*a.wide.bytes())
		}
	}
	panic("no constant " + name)
}

// keep leaves register r where low < high, and clears it elsewhere. high may be
// memory. temp is scratch.
func (a *asm) keep(v vec, low, high string, r, temp int) {
	const less = "$0x11" // LT_OQ
	if a.masks {
		a.op("VCMPPS", less, high, low, "K1")
		a.op("VMOVAPS.Z", v.r(r), "K1", v.r(r))
		return
	}
	a.op("VCMPPS", less, high, low, v.r(temp))
	a.op("VANDPS", v.r(temp), v.r(r), v.r(r))
}

// clampTo limits r to the constants low and high; NaN stays NaN.
func (a *asm) clampTo(v vec, low, high string, r, temp int) {
	a.load(v, a.c(low), temp)
	a.max(v, temp, r)
	a.load(v, a.c(high), temp)
	a.min(v, temp, r)
}

// logistic sets s to 1/(1+exp(-u)); t and n are scratch. exp(x) is 2^n exp(f), with
// n the whole number nearest to x/ln 2 and f what is left, by its Taylor series. For rows
// of bfloat16 it is off by 1.3e-4 of itself at most, a fifteenth of what rounding takes.
func (a *asm) logistic(v vec, u, s, t, n int) {
	x := t
	a.zero(x)
	a.op("VSUBPS", v.r(u), v.r(x), v.r(x))
	a.clampTo(v, "least", "most", x, n)
	a.op("VMULPS", a.c("log2e"), v.r(x), v.r(n))
	if a.masks {
		a.op("VRNDSCALEPS", "$8", v.r(n), v.r(n))
	} else {
		a.op("VROUNDPS", "$8", v.r(n), v.r(n))
	}
	a.op("VFNMADD231PS", a.c("ln2"), v.r(n), v.r(x)) // f
	series := []string{"c7", "c6", "c5", "c4", "c3", "half", "one", "one"}
	if a.half {
		series = series[3:]
	}
	a.load(v, a.c(series[0]), s)
	for _, c := range series[1:] {
		a.op("VFMADD213PS", a.c(c), v.r(x), v.r(s))
	}
	if a.masks {
		a.op("VSCALEFPS", v.r(n), v.r(s), v.r(s))
	} else {
		a.op("VCVTPS2DQ", v.r(n), v.r(n))
		a.op("VPSLLD", "$23", v.r(n), v.r(n))
		a.op("VPADDD", v.r(n), v.r(s), v.r(s))
	}
	a.op("VADDPS", a.c("one"), v.r(s), v.r(s))
	if a.half {
		a.op("VRCP14PS", v.r(s), v.r(s))
		return
	}
	if a.masks { // an estimate of 14 bits and a step of Newton's: half the time of a division
		a.op("VRCP14PS", v.r(s), v.r(x))
		a.load(v, a.c("two"), n)
		a.op("VFNMADD231PS", v.r(x), v.r(s), v.r(n))
		a.op("VMULPS", v.r(x), v.r(n), v.r(s))
		return
	}
	a.load(v, a.c("one"), x)
	a.op("VDIVPS", v.r(s), v.r(x), v.r(s))
}

// activation replaces u by the activation of it; t0, t1, t2 are scratch.
func (a *asm) activation(k act, v vec, u, t0, t1, t2 int) {
	switch k {
	case relu:
		a.zero(t0)
		a.max(v, t0, u)
	case relu6:
		a.clampTo(v, "zero", "six", u, t0)
	case hardSwish, hardSigmoid:
		a.load(v, a.c("sixth"), t0)
		a.op("VFMADD213PS", a.c("half"), v.r(u), v.r(t0))
		a.clampTo(v, "zero", "one", t0, t1)
		if k == hardSwish {
			a.op("VMULPS", v.r(t0), v.r(u), v.r(u))
		} else {
			a.op("VMOVAPS", v.r(t0), v.r(u))
		}
	case silu:
		a.logistic(v, u, t0, t1, t2)
		a.op("VMULPS", v.r(t0), v.r(u), v.r(u))
	case sigmoid:
		a.logistic(v, u, t0, t1, t2)
		a.op("VMOVAPS", v.r(t0), v.r(u))
	}
}

// slopeTimes sets g to vector i of the row dy times the activation's derivative at u,
// which is lost; t0, t1, t2 are scratch.
func (a *asm) slopeTimes(k act, v vec, dy string, i, u, g, t0, t1, t2 int) {
	above := func(name string) { // keeps g where u is above the constant
		a.load(v, a.c(name), t0)
		a.keep(v, v.r(t0), v.r(u), g, t1)
	}
	switch k {
	case relu, relu6:
		a.loadRow(v, dy, i, g)
		above("zero")
		if k == relu6 {
			a.keep(v, v.r(u), a.c("six"), g, t1)
		}
	case hardSigmoid:
		a.load(v, a.c("sixth"), g)
		a.opRow("VMULPS", dy, v, i, t0, v.r(g), v.r(g))
		above("minusThree")
		a.keep(v, v.r(u), a.c("three"), g, t1)
	case hardSwish:
		const less = "$0x11" // LT_OQ
		a.load(v, a.c("third"), g)
		a.op("VFMADD213PS", a.c("half"), v.r(u), v.r(g))
		a.load(v, a.c("three"), t0)
		a.load(v, a.c("one"), t1)
		if a.masks {
			a.op("VCMPPS", less, v.r(u), v.r(t0), "K1")
			a.op("VMOVAPS", v.r(t1), "K1", v.r(g))
		} else {
			a.op("VCMPPS", less, v.r(u), v.r(t0), v.r(t2))
			a.op("VBLENDVPS", v.r(t2), v.r(t1), v.r(g), v.r(g))
		}
		a.opRow("VMULPS", dy, v, i, t0, v.r(g), v.r(g))
		above("minusThree")
	case silu:
		a.logistic(v, u, t0, t1, t2)
		a.load(v, a.c("one"), g)
		a.op("VSUBPS", v.r(t0), v.r(g), v.r(g))         // 1 - s
		a.op("VFMADD213PS", a.c("one"), v.r(u), v.r(g)) // u (1 - s) + 1
		a.op("VMULPS", v.r(t0), v.r(g), v.r(g))
		a.opRow("VMULPS", dy, v, i, t1, v.r(g), v.r(g))
	case sigmoid:
		a.logistic(v, u, t0, t1, t2)
		a.load(v, a.c("one"), g)
		a.op("VSUBPS", v.r(t0), v.r(g), v.r(g))
		a.op("VMULPS", v.r(t0), v.r(g), v.r(g))
		a.opRow("VMULPS", dy, v, i, t1, v.r(g), v.r(g))
	}
}

// eachAct writes a loop for each activation and the choice between them; the
// loop's body must return.
func (a *asm) eachAct(body func(k act)) {
	for k := relu; k < acts; k++ {
		if k == acts-1 {
			body(k)
			return
		}
		next := a.label("other")
		a.op("CMPQ", a.arg("act"), int(k))
		a.op("JNE", next)
		body(k)
		a.mark(next)
	}
}

// rowsOf is eachRow with blocks that suit the activation: wide where it is bound
// by arithmetic.
func (a *asm) rowsOf(k act, operands []stride, body func(b block)) {
	narrow := a.isa
	if k.smooth() {
		wide := *a.isa
		wide.stream = a.pools()
		a.isa = &wide
	}
	a.eachRow(operands, body)
	a.isa = narrow
}

func (a *asm) activate() {
	a.eachAct(func(k act) {
		a.get("y", "DI", "x", "SI")
		a.rowsOf(k, []stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
			for i := range b.n {
				u := 4 * (i % 3)
				a.loadRow(b.vec, "SI", i, u)
				a.activation(k, b.vec, u, u+1, u+2, u+3)
				a.storeRow(b.vec, u, "DI", i)
			}
		})
	})
}

func (a *asm) activateGrad() {
	a.eachAct(func(k act) {
		a.get("dx", "DI", "dy", "R8", "x", "SI")
		a.rowsOf(k, []stride{{"DI", "dxs"}, {"R8", "dys"}, {"SI", "xs"}}, func(b block) {
			for i := range b.n {
				u := 5 * (i % 3)
				a.loadRow(b.vec, "SI", i, u)
				a.slopeTimes(k, b.vec, "R8", i, u, u+1, u+2, u+3, u+4)
				a.storeRow(b.vec, u+1, "DI", i)
			}
		})
	})
}

func (a *asm) normActivate() {
	a.eachAct(func(k act) {
		a.get("y", "DI", "x", "SI", "scale", "R9", "shift", "R10")
		a.rowsOf(k, []stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
			for i := range b.n {
				u := 4 * (i % 3)
				a.loadRow(b.vec, "SI", i, u)
				a.load(b.vec, a.at("R9", b.vec, i), u+1)
				a.op("VFMADD213PS", a.at("R10", b.vec, i), b.r(u+1), b.r(u))
				a.activation(k, b.vec, u, u+1, u+2, u+3)
				a.storeRow(b.vec, u, "DI", i)
			}
		})
	})
}

// normedGradient sets x to a block's values and g to the gradient behind the
// activation; u, t0, t1, t2 are scratch.
func (a *asm) normedGradient(k act, b block, i, x, g, u, t0, t1, t2 int) {
	a.loadRow(b.vec, "SI", i, x)
	a.op("VMOVAPS", b.r(x), b.r(u))
	a.load(b.vec, a.at("R13", b.vec, i), t0)
	a.op("VFMADD213PS", a.at("R15", b.vec, i), b.r(t0), b.r(u))
	a.slopeTimes(k, b.vec, "DI", i, u, g, t0, t1, t2)
}

func (a *asm) normActGradSums() {
	a.eachAct(func(k act) {
		a.get("mean", "R10", "sumDY", "R11", "sumDYX", "R12", "scale", "R13", "shift", "R15")
		a.eachColumn(func(b block) {
			n := b.n
			for i := range 2 * n {
				a.zero(i)
			}
			temp := 2 * n
			a.down([]string{"dy", "x"}, []stride{{"DI", "dys"}, {"SI", "xs"}}, func() {
				for i := range n {
					x, g := temp, temp+1
					a.normedGradient(k, b, i, x, g, temp+2, temp+3, temp+4, temp+5)
					a.op("VSUBPS", a.at("R10", b.vec, i), b.r(x), b.r(x))
					a.op("VADDPS", b.r(g), b.r(i), b.r(i))
					a.op("VFMADD231PS", b.r(g), b.r(x), b.r(n+i))
				}
			})
			for i := range n {
				a.store(b.vec, i, a.at("R11", b.vec, i))
				a.store(b.vec, n+i, a.at("R12", b.vec, i))
			}
		})
	})
}

func (a *asm) normActGrad() {
	a.eachAct(func(k act) {
		a.get("dx", "R8", "dy", "DI", "x", "SI")
		a.get("a", "R9", "b", "R10", "d", "R11", "mean", "R12", "scale", "R13", "shift", "R15")
		a.rowsOf(k, []stride{{"R8", "dxs"}, {"DI", "dys"}, {"SI", "xs"}}, func(b block) {
			for i := range b.n {
				x := 6 * (i % 2)
				g, t := x+1, x+2
				a.normedGradient(k, b, i, x, g, x+2, x+3, x+4, x+5)
				a.op("VSUBPS", a.at("R12", b.vec, i), b.r(x), b.r(x))
				a.load(b.vec, a.at("R10", b.vec, i), t)
				a.op("VFMADD213PS", a.at("R11", b.vec, i), b.r(t), b.r(x))
				a.op("VFMADD231PS", a.at("R9", b.vec, i), b.r(g), b.r(x))
				a.storeRow(b.vec, x, "R8", i)
			}
		})
	})
}

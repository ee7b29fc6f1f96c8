package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
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
	gelu
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
	{"most", 87}, {"least", -87}, {"minusLog2e", -math.Log2E}, {"ln2", math.Ln2},
	{"e2", 0.49999993373052265}, {"e3", 0.16666519523517234}, {"e4", 0.041668401088329574}, {"e5", 0.008368851135444014}, {"e6", 0.0013814320600981037},
	{"log2e", math.Log2E}, {"minusHalf", -0.5}, {"density", 1 / math.Sqrt(2*math.Pi)}, {"tailp", 0.3275911 / math.Sqrt2},
	{"tail1", 0.254829592 / 2}, {"tail2", -0.284496736 / 2}, {"tail3", 1.421413741 / 2}, {"tail4", -1.453152027 / 2}, {"tail5", 1.061405429 / 2},
}

// constantsOf lists those of an activation and its derivative.
func constantsOf(k act) []string {
	switch k {
	case relu:
		return []string{"zero"}
	case relu6:
		return []string{"zero", "six"}
	case hardSwish, hardSigmoid:
		return []string{"zero", "one", "half", "three", "minusThree", "third", "sixth"}
	}
	if k == gelu {
		return []string{"most", "least", "log2e", "ln2", "e2", "e3", "e4", "e5", "e6", "one", "two"}
	}
	return []string{"most", "least", "minusLog2e", "ln2", "e2", "e3", "e4", "e5", "e6", "one", "two"}
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

// hold loads constants into the highest registers, on the instruction set that has
// enough of them, for as long as body writes.
func (a *asm) hold(names []string, body func()) {
	if a.masks {
		a.held = map[string]int{}
		for i, name := range names {
			r := a.regs - 1 - i
			a.op("VMOVUPS", a.c(a.wide, name), a.wide.r(r))
			a.held[name] = r
		}
	}
	body()
	a.held = nil
}

// c is the operand for a constant: a register that holds it, or memory.
func (a *asm) c(v vec, name string) string {
	if r, ok := a.held[name]; ok {
		return v.r(r)
	}
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
		a.op("VCMPPS", less, high, low, a.k())
		a.op("VMOVAPS.Z", v.r(r), a.k(), v.r(r))
		return
	}
	a.op("VCMPPS", less, high, low, v.r(temp))
	a.op("VANDPS", v.r(temp), v.r(r), v.r(r))
}

// constant returns a register with a constant: the one that holds it, or temp.
func (a *asm) constant(v vec, name string, temp int) int {
	if r, ok := a.held[name]; ok {
		return r
	}
	a.load(v, a.c(v, name), temp)
	return temp
}

// clampTo limits r to the constants low and high; NaN stays NaN.
func (a *asm) clampTo(v vec, low, high string, r, temp int) {
	a.max(v, a.constant(v, low, temp), r)
	a.min(v, a.constant(v, high, temp), r)
}

// logistic sets s to 1/(1+exp(-u)); t, n, p and q are scratch. exp(x) is 2^n exp(f),
// with n the whole number nearest to x/ln 2 and f what is left: 1 + f + f² times a
// polynomial, fitted so that the relative error is at most 3.2e-9 (Remez). Its terms
// go in pairs (Estrin): a chain of seven additions would be waited for. For rows of
// bfloat16 it is off by 1.3e-4 of itself at most, a fifteenth of what rounding takes.
func (a *asm) logistic(v vec, u, s, t, n, p, q int) {
	f := t
	a.op("VMOVAPS", v.r(u), v.r(f))
	a.clampTo(v, "least", "most", f, n)
	a.op("VMULPS", a.c(v, "minusLog2e"), v.r(f), v.r(n))
	if a.masks {
		a.op("VRNDSCALEPS", "$8", v.r(n), v.r(n))
	} else {
		a.op("VROUNDPS", "$8", v.r(n), v.r(n))
	}
	a.op("VFNMSUB231PS", a.c(v, "ln2"), v.r(n), v.r(f))
	a.op("VMULPS", v.r(f), v.r(f), v.r(p))
	a.load(v, a.c(v, "e3"), q)
	a.op("VFMADD213PS", a.c(v, "e2"), v.r(f), v.r(q))
	if a.half {
		a.load(v, a.c(v, "e4"), s)
	} else {
		a.load(v, a.c(v, "e5"), s)
		a.op("VFMADD213PS", a.c(v, "e4"), v.r(f), v.r(s))
		a.op("VFMADD231PS", a.c(v, "e6"), v.r(p), v.r(s))
	}
	a.op("VFMADD213PS", v.r(q), v.r(p), v.r(s))
	a.op("VADDPS", a.c(v, "one"), v.r(f), v.r(f))
	a.op("VFMADD213PS", v.r(f), v.r(p), v.r(s))
	if a.masks {
		a.op("VSCALEFPS", v.r(n), v.r(s), v.r(s))
	} else {
		a.op("VCVTPS2DQ", v.r(n), v.r(n))
		a.op("VPSLLD", "$23", v.r(n), v.r(n))
		a.op("VPADDD", v.r(n), v.r(s), v.r(s))
	}
	a.op("VADDPS", a.c(v, "one"), v.r(s), v.r(s))
	if a.half {
		a.op("VRCP14PS", v.r(s), v.r(s))
		return
	}
	if a.masks { // an estimate of 14 bits and a step of Newton's: half the time of a division
		a.op("VRCP14PS", v.r(s), v.r(t))
		a.load(v, a.c(v, "two"), n)
		a.op("VFNMADD231PS", v.r(t), v.r(s), v.r(n))
		a.op("VMULPS", v.r(t), v.r(n), v.r(s))
		return
	}
	a.load(v, a.c(v, "one"), t)
	a.op("VDIVPS", v.r(s), v.r(t), v.r(s))
}

// activation replaces u by the activation of it; t0 to t4 are scratch.
func (a *asm) activation(k act, v vec, u, t0, t1, t2, t3, t4 int) {
	switch k {
	case relu:
		a.max(v, a.constant(v, "zero", t0), u)
	case relu6:
		a.clampTo(v, "zero", "six", u, t0)
	case hardSwish, hardSigmoid:
		a.load(v, a.c(v, "sixth"), t0)
		a.op("VFMADD213PS", a.c(v, "half"), v.r(u), v.r(t0))
		a.clampTo(v, "zero", "one", t0, t1)
		if k == hardSwish {
			a.op("VMULPS", v.r(t0), v.r(u), v.r(u))
		} else {
			a.op("VMOVAPS", v.r(t0), v.r(u))
		}
	case silu:
		a.logistic(v, u, t0, t1, t2, t3, t4)
		a.op("VMULPS", v.r(t0), v.r(u), v.r(u))
	case sigmoid:
		a.logistic(v, u, t0, t1, t2, t3, t4)
		a.op("VMOVAPS", v.r(t0), v.r(u))
	case gelu:
		a.gelu(v, u, t0, t1, t2)
	}
}

// slopeTimes sets g to vector i of the row dy times the activation's derivative
// at u, which is lost; t0 to t3 are scratch.
func (a *asm) slopeTimes(k act, v vec, dy string, i, u, g, t0, t1, t2, t3 int) {
	above := func(name string) { // keeps g where u is above the constant
		a.keep(v, v.r(a.constant(v, name, t0)), v.r(u), g, t1)
	}
	switch k {
	case relu, relu6:
		a.loadRow(v, dy, i, g)
		above("zero")
		if k == relu6 {
			a.keep(v, v.r(u), a.c(v, "six"), g, t1)
		}
	case hardSigmoid:
		a.load(v, a.c(v, "sixth"), g)
		a.opRow("VMULPS", dy, v, i, t0, v.r(g), v.r(g))
		above("minusThree")
		a.keep(v, v.r(u), a.c(v, "three"), g, t1)
	case hardSwish:
		const less = "$0x11" // LT_OQ
		a.load(v, a.c(v, "third"), g)
		a.op("VFMADD213PS", a.c(v, "half"), v.r(u), v.r(g))
		three, one := a.constant(v, "three", t0), a.constant(v, "one", t1)
		if a.masks {
			a.op("VCMPPS", less, v.r(u), v.r(three), a.k())
			a.op("VMOVAPS", v.r(one), a.k(), v.r(g))
		} else {
			a.op("VCMPPS", less, v.r(u), v.r(three), v.r(t2))
			a.op("VBLENDVPS", v.r(t2), v.r(one), v.r(g), v.r(g))
		}
		a.opRow("VMULPS", dy, v, i, t0, v.r(g), v.r(g))
		above("minusThree")
	case silu:
		a.logistic(v, u, t0, t1, t2, g, t3)
		a.load(v, a.c(v, "one"), g)
		a.op("VSUBPS", v.r(t0), v.r(g), v.r(g))            // 1 - s
		a.op("VFMADD213PS", a.c(v, "one"), v.r(u), v.r(g)) // u (1 - s) + 1
		a.op("VMULPS", v.r(t0), v.r(g), v.r(g))
		a.opRow("VMULPS", dy, v, i, t1, v.r(g), v.r(g))
	case sigmoid:
		a.logistic(v, u, t0, t1, t2, g, t3)
		a.load(v, a.c(v, "one"), g)
		a.op("VSUBPS", v.r(t0), v.r(g), v.r(g))
		a.op("VMULPS", v.r(t0), v.r(g), v.r(g))
		a.opRow("VMULPS", dy, v, i, t1, v.r(g), v.r(g))
	case gelu:
		a.geluSlope(v, u, g, t0, t1, t2)
		a.opRow("VMULPS", dy, v, i, t1, v.r(g), v.r(g))
	}
}

// eachAct writes a loop for each activation and the choice between them; the
// loop's body must return.
func (a *asm) eachAct(body func(k act)) {
	for k := relu; k < acts; k++ {
		next := a.label("other")
		if k < acts-1 {
			a.op("CMPQ", a.arg("act"), int(k))
			a.op("JNE", next)
		}
		a.hold(constantsOf(k), func() { body(k) })
		if k < acts-1 {
			a.mark(next)
		}
	}
}

// besides are blocks of so many of the widest vectors, the first for the instruction set
// with registers enough.
func (a *asm) besides(counts ...int) []block {
	var blocks []block
	for _, n := range counts {
		if a.masks || n <= 2 {
			blocks = append(blocks, block{a.wide, n})
		}
	}
	if a.wide == zmm {
		blocks = append(blocks, block{ymm, 1})
	}
	return blocks
}

// actRegs is how many registers, from r on, a chain of operations around an activation uses.
const actRegs = 6

// chains writes n of them. Those with an exponential are so long that the processor's queues
// hold few that follow one another: they go side by side, instruction by instruction.
func (a *asm) chains(k act, n, first int, chain func(i, r int)) {
	if !k.smooth() {
		turns := min(2, (a.regs-len(a.held)-first)/actRegs)
		for i := range n {
			chain(i, first+actRegs*(i%turns))
		}
		return
	}
	before := a.text
	var texts [][]string
	for i := range n {
		a.text, a.lane = bytes.Buffer{}, i
		chain(i, first+actRegs*i)
		texts = append(texts, strings.SplitAfter(a.text.String(), "\n"))
	}
	a.text, a.lane = before, 0
	for line := range texts[0] {
		for _, t := range texts {
			a.text.WriteString(t[line])
		}
	}
}

// k is the mask register of the current chain.
func (a *asm) k() string { return fmt.Sprint("K", a.lane+1) }

// fetchAhead is how far ahead of themselves, in bytes, passes over rows fetch what comes from
// memory: hardware alone, which begins anew with each chunk, keeps less on the way.
const fetchAhead = 4096

// ahead fetches what lies that far behind a block of rows.
func (a *asm) ahead(b block, rows ...string) {
	for _, r := range rows {
		for at := 0; at < b.n*b.lanes*a.value(); at += 64 {
			a.op("PREFETCHT0", offset(fetchAhead+at)+"("+r+")(BX*1)")
		}
	}
}

// wideRows is eachRow with the widest vectors, for rows that are in the cache.
func (a *asm) wideRows(operands []stride, body func(b block)) {
	a.eachRowOf(a.besides(2, 1), operands, body)
}

// actRows is wideRows in blocks that suit the activation.
func (a *asm) actRows(k act, operands []stride, body func(b block)) {
	if k.smooth() {
		a.eachRowOf(a.besides(3, 2, 1), operands, body)
		return
	}
	a.wideRows(operands, body)
}

func (a *asm) activate() {
	a.eachAct(func(k act) {
		a.get("y", "DI", "x", "SI")
		a.actRows(k, []stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
			a.chains(k, b.n, 0, func(i, u int) {
				a.loadRow(b.vec, "SI", i, u)
				a.activation(k, b.vec, u, u+1, u+2, u+3, u+4, u+5)
				a.storeRow(b.vec, u, "DI", i)
			})
		})
	})
}

func (a *asm) activateGrad() {
	a.eachAct(func(k act) {
		a.get("dx", "DI", "dy", "R8", "x", "SI")
		a.actRows(k, []stride{{"DI", "dxs"}, {"R8", "dys"}, {"SI", "xs"}}, func(b block) {
			a.chains(k, b.n, 0, func(i, u int) {
				a.loadRow(b.vec, "SI", i, u)
				a.slopeTimes(k, b.vec, "R8", i, u, u+1, u+2, u+3, u+4, u+5)
				a.storeRow(b.vec, u+1, "DI", i)
			})
		})
	})
}

func (a *asm) normActivate() {
	a.eachAct(func(k act) {
		a.get("y", "DI", "x", "SI", "scale", "R9", "shift", "R10")
		a.actRows(k, []stride{{"DI", "ys"}, {"SI", "xs"}}, func(b block) {
			a.ahead(b, "SI")
			a.chains(k, b.n, 0, func(i, u int) {
				a.loadRow(b.vec, "SI", i, u)
				a.load(b.vec, a.at("R9", b.vec, i), u+1)
				a.op("VFMADD213PS", a.at("R10", b.vec, i), b.r(u+1), b.r(u))
				a.activation(k, b.vec, u, u+1, u+2, u+3, u+4, u+5)
				a.storeRow(b.vec, u, "DI", i)
			})
		})
	})
}

// normedGradient sets g to vector i's gradient behind the activation and x to its
// value less the mean, read again at the end; t0 to t3 are scratch.
func (a *asm) normedGradient(k act, b block, i, x, g, t0, t1, t2, t3 int, mean string) {
	a.loadRow(b.vec, "SI", i, x)
	a.load(b.vec, a.at("R13", b.vec, i), t0)
	a.op("VFMADD213PS", a.at("R15", b.vec, i), b.r(t0), b.r(x))
	a.slopeTimes(k, b.vec, "DI", i, x, g, t0, t1, t2, t3)
	a.loadRow(b.vec, "SI", i, x)
	a.op("VSUBPS", a.at(mean, b.vec, i), b.r(x), b.r(x))
}

func (a *asm) normActGradSums() {
	a.eachAct(func(k act) {
		a.get("mean", "R10", "sumDY", "R11", "sumDYX", "R12", "scale", "R13", "shift", "R15", "gOut", "R8")
		widths := a.reduce
		if k.smooth() {
			widths = a.besides(2, 1)
		}
		a.either("R8", "summed", func(out bool) {
			from, operands := []string{"dy", "x"}, []stride{{"DI", "dys"}, {"SI", "xs"}}
			if out {
				from, operands = append(from, "gOut"), append(operands, stride{"R8", "gs"})
			}
			a.columns(widths, func(b block) {
				n := b.n
				for i := range 2 * n {
					a.zero(i)
				}
				temp := 2 * n
				a.down(from, operands, func() {
					a.chains(k, n, temp, func(i, x int) {
						g := x + 1
						a.normedGradient(k, b, i, x, g, x+2, x+3, x+4, x+5, "R10")
						a.op("VADDPS", b.r(g), b.r(i), b.r(i))
						a.op("VFMADD231PS", b.r(g), b.r(x), b.r(n+i))
						if out {
							a.storeRow(b.vec, g, "R8", i)
						}
					})
				})
				for i := range n {
					a.store(b.vec, i, a.at("R11", b.vec, i))
					a.store(b.vec, n+i, a.at("R12", b.vec, i))
				}
			})
		})
	})
}

func (a *asm) normActGrad() {
	a.eachAct(func(k act) {
		a.get("dx", "R8", "dy", "DI", "x", "SI")
		a.get("a", "R9", "b", "R10", "d", "R11", "mean", "R12", "scale", "R13", "shift", "R15")
		a.actRows(k, []stride{{"R8", "dxs"}, {"DI", "dys"}, {"SI", "xs"}}, func(b block) {
			a.ahead(b, "DI", "SI")
			a.chains(k, b.n, 0, func(i, x int) {
				g, t := x+1, x+2
				a.normedGradient(k, b, i, x, g, x+2, x+3, x+4, x+5, "R12")
				a.load(b.vec, a.at("R10", b.vec, i), t)
				a.op("VFMADD213PS", a.at("R11", b.vec, i), b.r(t), b.r(x))
				a.op("VFMADD231PS", a.at("R9", b.vec, i), b.r(g), b.r(x))
				a.storeRow(b.vec, x, "R8", i)
			})
		})
	})
}

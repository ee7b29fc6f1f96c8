package main

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"
)

// neonRows are the row counts of NEON's tiles. A tile is 8 columns wide: 8 rows of
// two vectors are the 16 sums that four pipes of four cycles keep busy, another 8
// registers hold four channels of each row, and a panel of 8 has no tail.
var neonRows = []int{8, 4, 2, 1}

// A neon is a file of arm64 assembly being written. Registers have set uses:
//
//	R0-R15, R19-R26  addresses and counts
//	V0-V15           sums
//	V16-V23          operands that are read by element, or constants
//	V24-V31          operands
type neon struct {
	asm
}

// neonKernels are the loops in assembly; what is missing falls back to Go.
var neonKernels = []struct {
	name string
	body func(*neon)
}{
	{"ScaleShift", (*neon).scaleShift},
	{"AddRows", (*neon).addRows},
	{"ClampRows", (*neon).clampRows},
	{"HardSwish", (*neon).hardSwish},
	{"AvgRow", (*neon).avgRow},
	{"MaxPool", (*neon).maxPool},
	{"Depthwise", (*neon).depthwise},
	{"Peak", (*neon).peak},
}

// generateNEON adds the assembly and its declarations to files.
func generateNEON(funcs []function, files map[string][]byte) error {
	n := &neon{asm{isa: &isa{name: "NEON", rows: neonRows}}}
	fmt.Fprintf(&n.text, "%s\n#include \"go_asm.h\"\n#include \"textflag.h\"\n", header)
	decls := bytes.NewBufferString(header + "\npackage kernel\n\nimport \"unsafe\"\n")
	for _, rows := range neonRows {
		n.tile(rows)
		fmt.Fprintf(decls, "\n//go:noescape\nfunc tile%dNEON(a *TileArgs)\n", rows)
	}
	byName := map[string]function{}
	for _, f := range funcs {
		byName[f.name] = f
	}
	byName["HardSwish"] = function{"HardSwish", []arg{{"y", "unsafe.Pointer", 0}, {"ys", "int", 8}, {"x", "unsafe.Pointer", 16}, {"xs", "int", 24}, {"rows", "int", 32}, {"c", "int", 40}}}
	for _, k := range neonKernels {
		f := byName[k.name]
		n.begin(f, 0)
		k.body(n)
		n.op("RET")
		fmt.Fprintf(decls, "\n//go:noescape\nfunc %s(%s)\n", f.symbol(n.isa), f.params())
	}
	files["zz_neon_arm64.s"] = n.text.Bytes()
	var err error
	files["zz_neon_arm64.go"], err = format.Source(decls.Bytes())
	return err
}

// Vector instructions on four float32, of which Go's assembler has a few only.
const (
	fadd  = 0x4e20d400
	fmul  = 0x6e20dc00
	fmla  = 0x4e20cc00
	fmax  = 0x4e20f400
	fmin  = 0x4ea0f400
	eor   = 0x6e201c00
	orr   = 0x4ea01c00
	fmlaE = 0x4f801000 // by element of the second operand
	dup   = 0x4e040400 // of element 0; no second operand
)

var neonNames = map[uint32]string{fadd: "FADD", fmul: "FMUL", fmla: "FMLA", fmax: "FMAX", fmin: "FMIN", eor: "EOR", orr: "ORR", dup: "DUP"}

// encode3 is an instruction with a destination and two operands.
func encode3(op uint32, d, n, m int) uint32 { return op | uint32(m)<<16 | uint32(n)<<5 | uint32(d) }

// encodeElement is fmlaE: d += n * m[i].
func encodeElement(d, n, m, i int) uint32 {
	return encode3(fmlaE, d, n, m) | uint32(i&1)<<21 | uint32(i>>1)<<11
}

// v writes a vector instruction: d = n op m, or d += n*m.
func (a *neon) v(op uint32, d, n, m int) {
	fmt.Fprintf(&a.text, "\tWORD $%#08x // %s V%d.4S, V%d.4S, V%d.4S\n", encode3(op, d, n, m), neonNames[op], d, n, m)
}

// element writes d += n * m[i].
func (a *neon) element(d, n, m, i int) {
	fmt.Fprintf(&a.text, "\tWORD $%#08x // FMLA V%d.4S, V%d.4S, V%d.S[%d]\n", encodeElement(d, n, m, i), d, n, m, i)
}

// fill makes all of a vector its element 0.
func (a *neon) fill(r int) {
	fmt.Fprintf(&a.text, "\tWORD $%#08x // DUP V%d.4S, V%d.S[0]\n", encode3(dup, r, r, 0), r, r)
}

func (a *neon) clear(r int)   { a.v(eor, r, r, r) }
func (a *neon) copy(d, n int) { a.v(orr, d, n, n) }

// pair loads or stores two vectors: eight values.
func (a *neon) loadPair(mem string, r int)  { a.op("FLDPQ", mem, fmt.Sprintf("(F%d, F%d)", r, r+1)) }
func (a *neon) storePair(r int, mem string) { a.op("FSTPQ", fmt.Sprintf("(F%d, F%d)", r, r+1), mem) }

// field loads a field of the arguments that R0 points to.
func (a *neon) field(name, to string) {
	move := "MOVD"
	if strings.HasPrefix(to, "F") {
		move = "FMOVS"
	}
	a.op(move, name+"(R0)", to)
}

// limits fills V16 and V17 with the bounds Lo and Hi of the arguments of type typ.
func (a *neon) limits(typ string) {
	a.field(typ+"_Lo", "F16")
	a.field(typ+"_Hi", "F17")
	a.fill(16)
	a.fill(17)
}

func (a *neon) clampTo(r, lo, hi int) {
	a.v(fmax, r, r, lo)
	a.v(fmin, r, r, hi)
}

// args loads arguments into registers: name, register, name, register ...
func (a *neon) args(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		move := "MOVD"
		if strings.HasPrefix(pairs[i+1], "F") {
			move = "FMOVS"
		}
		a.op(move, a.arg(pairs[i]), pairs[i+1])
	}
}

// loop repeats the body while register n, counted down by step, is above 0.
func (a *neon) loop(n string, step int, body func()) {
	top := a.label("loop")
	a.mark(top)
	body()
	a.op("SUBS", step, n, n)
	a.op("BGT", top)
}

// eachRow is the loop of kernels that write each row from others: for each row and
// eight of its channels, body finds the addresses in R10 on, one for each
// operand, and moves them along by itself. R3 holds the rows, R4 the channels.
func (a *neon) eachRow(operands []stride, start func(), body func()) {
	a.loop("R3", 1, func() {
		for i, o := range operands {
			a.op("MOVD", o.reg, fmt.Sprintf("R%d", 10+i))
		}
		start()
		a.op("MOVD", "R4", "R15")
		a.loop("R15", 8, body)
		for _, o := range operands {
			a.op("ADD", o.arg, o.reg, o.reg)
		}
	})
}

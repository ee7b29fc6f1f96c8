package main

import (
	"bytes"
	"fmt"
	"strings"
)

// An isa is what instruction sets differ in.
type isa struct {
	name           string
	wide           vec // the widest vector
	lanes          int // of wide
	regs           int // vector registers
	masks          bool
	pairs          bool // values are pairs of bfloat16
	half           bool // rows of channels are bfloat16; what belongs to a channel is not
	carries        bool // tiles go on from sums of other products: see Set.Strassen
	rows, gradRows []int
	reduce         []block // of channels, with sums in registers, widest first
	stream         []block // of channels, without: from memory 512 bits win nothing, and lose where unaligned
}

var avx512 = &isa{
	name: "AVX512", wide: zmm, lanes: 16, regs: 32, masks: true,
	rows: []int{12, 9, 8, 6, 4, 2, 1}, gradRows: []int{12, 8, 4},
	reduce: []block{{zmm, 6}, {zmm, 4}, {zmm, 3}, {zmm, 2}, {zmm, 1}, {ymm, 1}},
	stream: []block{{ymm, 4}, {ymm, 1}},
}

var avx2 = &isa{
	name: "AVX2", wide: ymm, lanes: 8, regs: 16, carries: true,
	rows: []int{6, 5, 4, 2, 1}, gradRows: []int{6, 4, 2},
	reduce: []block{{ymm, 4}, {ymm, 3}, {ymm, 2}, {ymm, 1}},
	stream: []block{{ymm, 4}, {ymm, 1}},
}

// A vec is a width of vector register.
type vec struct {
	reg   string
	lanes int
}

var (
	zmm    = vec{"Z", 16}
	ymm    = vec{"Y", 8}
	scalar = vec{"X", 1}
)

// r is register i in this width.
func (v vec) r(i int) string { return fmt.Sprint(v.reg, i) }

// half is register i in half this width.
func (v vec) half(i int) string {
	return fmt.Sprint(map[string]string{"Z": "Y", "Y": "X"}[v.reg], i)
}

func (v vec) bytes() int { return 4 * v.lanes }

// op completes an instruction's name.
func (v vec) op(name string) string {
	if v.lanes == 1 {
		return name + "SS"
	}
	return name + "PS"
}

// move is the name of the unaligned load and store.
func (v vec) move() string {
	if v.lanes == 1 {
		return "VMOVSS"
	}
	return "VMOVUPS"
}

// A block is several vectors side by side.
type block struct {
	vec
	n int
}

// An asm is a file of assembly being written. General registers have set uses:
//
//	BX           bytes from the start of a row to the current block, half as many
//	             as those of what belongs to its channels where rows are bfloat16
//	CX           bytes of a row, or bytes left of it
//	DX           rows left
//	AX           scratch, or bytes left of a row
//	others       addresses
type asm struct {
	*isa
	text   bytes.Buffer
	f      function
	labels map[string]int
	held   map[string]int // constants in registers
	lane   int            // of the chains beside each other
}

// begin starts a function with a frame for locals.
func (a *asm) begin(f function, frame int) {
	a.f = f
	a.labels = map[string]int{}
	fmt.Fprintf(&a.text, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $%d-%d\n", f.symbol(a.isa), f.params(), f.symbol(a.isa), frame, f.size())
}

// op writes an instruction.
func (a *asm) op(name string, operands ...any) {
	var s []string
	for _, o := range operands {
		if n, ok := o.(int); ok {
			o = fmt.Sprintf("$%d", n)
		}
		s = append(s, fmt.Sprint(o))
	}
	if len(s) == 0 {
		fmt.Fprintf(&a.text, "\t%s\n", name)
		return
	}
	fmt.Fprintf(&a.text, "\t%s %s\n", name, strings.Join(s, ", "))
}

// label makes a name that no other label of this function has.
func (a *asm) label(name string) string {
	a.labels[name]++
	if n := a.labels[name]; n > 1 {
		return fmt.Sprint(name, n)
	}
	return name
}

func (a *asm) mark(label string) { fmt.Fprintf(&a.text, "%s:\n", label) }

func (a *asm) ret() {
	a.op("VZEROUPPER")
	a.op("RET")
}

// arg is the operand for an argument.
func (a *asm) arg(name string) string {
	for _, p := range a.f.args {
		if p.name == name {
			return fmt.Sprintf("%s+%d(FP)", name, p.offset)
		}
	}
	panic("no argument " + name + " in " + a.f.name)
}

// get loads arguments into registers: name, register, name, register ...
func (a *asm) get(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		a.op("MOVQ", a.arg(pairs[i]), pairs[i+1])
	}
}

// broadcast fills a vector register with a float argument.
func (a *asm) broadcast(name string, r int) { a.op("VBROADCASTSS", a.arg(name), a.wide.r(r)) }

// zero clears a vector register; that clears it in every width.
func (a *asm) zero(r int) { a.op("VXORPS", a.wide.r(r), a.wide.r(r), a.wide.r(r)) }

// at is vector i of the current block of what belongs to channels and starts at base.
func (a *asm) at(base string, v vec, i int) string {
	return fmt.Sprintf("%s(%s)(BX*%d)", offset(i*v.bytes()), base, 4/a.value())
}

// value is the bytes of a value in a row.
func (a *asm) value() int {
	if a.half {
		return 2
	}
	return 4
}

// row is vector i of the current block of the row that starts at base.
func (a *asm) row(base string, v vec, i int) string {
	return offset(i*v.lanes*a.value()) + "(" + base + ")(BX*1)"
}

// loadRow and storeRow move a vector of a row. storeRow may lose the register.
func (a *asm) loadRow(v vec, base string, i, r int) {
	if !a.half {
		a.load(v, a.row(base, v, i), r)
		return
	}
	a.op("VPMOVZXWD", a.row(base, v, i), v.r(r))
	a.op("VPSLLD", "$16", v.r(r), v.r(r))
}

func (a *asm) storeRow(v vec, r int, base string, i int) {
	if !a.half {
		a.store(v, r, a.row(base, v, i))
		return
	}
	a.bytes(cvtBF16, v, r, 0, r)
	a.op("VMOVUPS", v.half(r), a.row(base, v, i))
}

// opRow is an instruction whose first operand is a vector of a row; temp is scratch.
func (a *asm) opRow(name, base string, v vec, i, temp int, operands ...any) {
	first := a.row(base, v, i)
	if a.half {
		a.loadRow(v, base, i, temp)
		first = v.r(temp)
	}
	a.op(name, append([]any{first}, operands...)...)
}

// rowBytes makes the channels in a register the bytes of a row.
func (a *asm) rowBytes(reg string) { a.op("SHLQ", map[bool]int{false: 2, true: 1}[a.half], reg) }

func offset(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

// load and store move one vector.
func (a *asm) load(v vec, mem string, r int)  { a.op(v.move(), mem, v.r(r)) }
func (a *asm) store(v vec, r int, mem string) { a.op(v.move(), v.r(r), mem) }

// blocks loops over the bytes in register left with the widest blocks that fit,
// BX moving along. It leaves by falling out of the end, left spent.
func (a *asm) blocks(left string, widths []block, body func(b block)) {
	done := a.label("done")
	for i, b := range widths {
		last := i == len(widths)-1
		step := b.n * b.lanes * a.value()
		loop, next := a.label("block"), done
		if !last {
			next = a.label("narrower")
		}
		a.op("SUBQ", step, left)
		a.op("JLT", next)
		a.mark(loop)
		body(b)
		a.op("ADDQ", step, "BX")
		a.op("SUBQ", step, left)
		a.op("JGE", loop)
		if !last {
			a.mark(next)
			a.op("ADDQ", step, left)
			a.op("JEQ", done)
		}
	}
	a.mark(done)
}

// A stride is an operand that moves from row to row: a register and the argument
// that says how far.
type stride struct{ reg, arg string }

func (a *asm) advance(operands []stride) {
	for _, o := range operands {
		a.op("ADDQ", a.arg(o.arg), o.reg)
	}
}

// eachRow is the loop of kernels that write each row from others: rows outermost,
// so that memory is read in order. CX holds the bytes of a row.
func (a *asm) eachRow(operands []stride, body func(b block)) { a.eachRowOf(a.stream, operands, body) }

func (a *asm) eachRowOf(widths []block, operands []stride, body func(b block)) {
	loop := a.label("row")
	a.get("rows", "DX", "c", "CX")
	a.rowBytes("CX")
	a.mark(loop)
	a.op("XORL", "BX", "BX")
	a.op("MOVQ", "CX", "AX")
	a.blocks("AX", widths, body)
	a.advance(operands)
	a.op("DECQ", "DX")
	a.op("JNZ", loop)
	a.ret()
}

// eachColumn is the loop of kernels that sum over rows: blocks of channels
// outermost, so that sums stay in registers.
func (a *asm) eachColumn(body func(b block)) { a.columns(a.reduce, body) }

func (a *asm) columns(widths []block, body func(b block)) {
	a.get("c", "CX")
	a.rowBytes("CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", widths, body)
	a.ret()
}

// down loops over the rows for one block of columns. The operands' registers are
// loaded from the arguments named in from.
func (a *asm) down(from []string, operands []stride, body func()) {
	for i, o := range operands {
		a.op("MOVQ", a.arg(from[i]), o.reg)
	}
	a.get("rows", "DX")
	loop := a.label("row")
	a.mark(loop)
	body()
	a.advance(operands)
	a.op("DECQ", "DX")
	a.op("JNZ", loop)
}

// masked loads vector i of the row of gradients g where that of z is positive, else 0.
// Register zero holds 0.
func (a *asm) masked(v vec, g, z string, i, zero, r int) {
	const zeroLess = "$0x11" // LT_OQ
	switch {
	case a.half:
		a.loadRow(v, z, i, r)
		a.op("VCMPPS", zeroLess, v.r(r), v.r(zero), "K1")
		a.op("VPMOVZXWD.Z", a.row(g, v, i), "K1", v.r(r))
		a.op("VPSLLD", "$16", v.r(r), v.r(r))
	case a.masks:
		a.op("VCMPPS", zeroLess, a.row(z, v, i), v.r(zero), "K1")
		a.op("VMOVUPS.Z", a.row(g, v, i), "K1", v.r(r))
	default:
		a.op("VCMPPS", zeroLess, a.row(z, v, i), v.r(zero), v.r(r))
		a.op("VANDPS", a.row(g, v, i), v.r(r), v.r(r))
	}
}

package main

import (
	"bytes"
	"go/format"
	"path/filepath"
)

// bf16 is AVX-512 with products of pairs of bfloat16.
var bf16 = &isa{
	name: "AVX512BF16", wide: zmm, lanes: 16, regs: 32, masks: true, pairs: true,
	rows: avx512.rows, gradRows: avx512.gradRows,
	reduce: avx512.reduce, stream: avx512.stream,
}

// pairKernels are the loops, by the field of kernel.BF16 they are for.
var pairKernels = map[string]func(*asm){
	"RoundRows": (*asm).roundRows,
	"PairRows":  (*asm).pairRows,
	"WinoInput": (*asm).winoInput,

	"WinoInputPairs":      (*asm).winoInputPairs,
	"WinoGradOutputPairs": (*asm).winoGradOutputPairs,
	"Peak":                (*asm).peak,
}

// generateBF16 adds the files of kernel.BF16.
func generateBF16(dir string, files map[string][]byte) error {
	funcs, err := parseSet(filepath.Join(dir, "bf16.go"), "BF16")
	if err != nil {
		return err
	}
	a := &asm{isa: bf16}
	a.file(funcs, pairKernels)
	files["zz_bf16_amd64.s"] = a.text.Bytes()
	var decls bytes.Buffer
	decls.WriteString(header + "\npackage kernel\n\nimport \"unsafe\"\n\nvar avx512BF16 = &BF16{\n")
	bf16.list(&decls, funcs)
	files["zz_bf16_amd64.go"], err = format.Source(decls.Bytes())
	return err
}

// roundRows moves by the bytes of its output: a vector of it is half as many
// bytes as registers have.
func (a *asm) roundRows() {
	a.get("y", "DI", "x", "SI", "rows", "DX", "c", "CX")
	a.op("ADDQ", "CX", "CX")
	a.mark("row")
	a.op("XORL", "BX", "BX")
	a.op("MOVQ", "CX", "AX")
	halfZ, halfY := vec{"Z", 8}, vec{"Y", 4}
	a.blocks("AX", []block{{halfZ, 4}, {halfZ, 1}, {halfY, 1}}, func(b block) {
		half := map[string]string{"Z": "Y", "Y": "X"}[b.reg]
		for i := range b.n {
			a.op("VMOVUPS", offset(2*i*b.vec.bytes())+"(SI)(BX*2)", b.r(i))
			a.bytes(cvtBF16, b.vec, i, 0, i)
		}
		for i := range b.n {
			a.op("VMOVUPS", vec{reg: half}.r(i), a.at("DI", b.vec, i))
		}
	})
	a.advance([]stride{{"DI", "ys"}, {"SI", "xs"}})
	a.op("DECQ", "DX")
	a.op("JNZ", "row")
	a.ret()
}

// pairRows rounds two rows into the halves of one vector and interleaves these.
func (a *asm) pairRows() {
	wide, narrow := 31, 30
	a.op("VMOVDQU64", "·interleave32(SB)", zmm.r(wide))
	a.op("VMOVDQU64", "·interleave16(SB)", ymm.r(narrow))
	a.get("dst", "DI", "rows", "R8", "off", "R10", "n", "DX", "c", "CX", "ds", "R11")
	a.op("SHLQ", 2, "CX")
	a.mark("pair")
	a.op("MOVQ", "(R8)", "SI")
	a.op("MOVQ", "8(R8)", "R9")
	a.op("ADDQ", "R10", "SI")
	a.op("ADDQ", "R10", "R9")
	a.op("ADDQ", 16, "R8")
	a.op("XORL", "BX", "BX")
	a.op("MOVQ", "CX", "AX")
	a.blocks("AX", []block{{zmm, 2}, {zmm, 1}, {ymm, 1}}, func(b block) {
		index := wide
		if b.vec == ymm {
			index = narrow
		}
		for i := range b.n {
			x, y := 2*i, 2*i+1
			a.load(b.vec, a.at("SI", b.vec, i), x)
			a.load(b.vec, a.at("R9", b.vec, i), y)
			a.bytes(cvt2BF16, b.vec, x, y, x)
			a.op("VPERMW", b.r(x), b.r(index), b.r(x))
			a.store(b.vec, x, a.at("DI", b.vec, i))
		}
	})
	a.op("ADDQ", "R11", "DI")
	a.op("DECQ", "DX")
	a.op("JNZ", "pair")
	a.ret()
}

func (a *asm) winoInputPairs()      { a.winogradPairs(6, a.inputLine()) }
func (a *asm) winoGradOutputPairs() { a.winogradPairs(4, a.gradOutputLine()) }

// winogradPairs is winograd from n x n pixels to 6 x 6 planes, of two tiles at once:
// a line of the first waits in registers for that of the second.
func (a *asm) winogradPairs(n int, line pass) {
	const m, waiting, narrow, wide = 6, 10, 16, 17
	a.op("VMOVDQU64", "·interleave32(SB)", zmm.r(wide))
	a.op("VMOVDQU64", "·interleave16(SB)", ymm.r(narrow))
	a.get("dst", "DI", "ds", "R8", "src", "SI", "c", "CX", "scratch", "R15")
	a.op("SHLQ", 2, "CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", []block{{zmm, 1}, {ymm, 1}}, func(b block) {
		v, index := b.vec, wide
		if v == ymm {
			index = narrow
		}
		scratch := func(tile, i, j int) string { return offset(((tile*m+i)*n+j)*a.wide.bytes()) + "(R15)" }
		for k := range 2 {
			for j := range n {
				line(a, v, n, func(i int) int {
					a.op("MOVQ", offset(8*((k*n+i)*n+j))+"(SI)", "AX")
					a.load(v, "(AX)(BX*1)", i)
					a.op("MOVQ", offset(8*(((2+k)*n+i)*n+j))+"(SI)", "AX")
					a.op("PREFETCHT1", "(AX)(BX*1)")
					return i
				}, func(i, r int) { a.store(v, r, scratch(k, i, j)) })
			}
		}
		a.op("LEAQ", "(DI)(BX*1)", "R9")
		for i := range m {
			for k := range 2 {
				line(a, v, n, func(j int) int {
					a.load(v, scratch(k, i, j), j)
					return j
				}, func(j, r int) {
					if k == 0 {
						a.copy(v, r, waiting+j)
						return
					}
					a.bytes(cvt2BF16, v, waiting+j, r, waiting+j)
				})
			}
			for j := range m {
				a.op("VPERMW", v.r(waiting+j), v.r(index), v.r(waiting+j))
				a.store(v, waiting+j, "(R9)")
				a.op("ADDQ", "R8", "R9")
			}
		}
	})
	a.ret()
}

package main

import (
	"bytes"
	"fmt"
	"go/format"
	"maps"
	"path/filepath"
	"slices"
)

// bf16 is AVX-512 with products of pairs of bfloat16, half that with rows of bfloat16.
var (
	bf16 = &isa{
		name: "AVX512BF16", wide: zmm, lanes: 16, regs: 32, masks: true, pairs: true,
		rows: avx512.rows, gradRows: avx512.gradRows,
		reduce: avx512.reduce, stream: avx512.stream,
	}
	half = &isa{
		name: "AVX512Half", wide: zmm, lanes: 16, regs: 32, masks: true, pairs: true, half: true,
		rows: avx512.rows, reduce: avx512.reduce, stream: []block{{zmm, 4}, {zmm, 1}, {ymm, 1}},
	}
)

// pairKernels are the loops, by the field of kernel.BF16 they are for. Those that
// read or write rows of activations are in halfPairKernels.
var (
	pairKernels = map[string]func(*asm){
		"RoundRows":  (*asm).roundRows,
		"WidenRows":  (*asm).widenRows,
		"PairFloats": (*asm).pairFloats,
		"Peak":       (*asm).peak,
	}
	halfPairKernels = map[string]func(*asm){
		"PairRows":            (*asm).pairRows,
		"WinoInputPairs":      (*asm).winoInputPairs,
		"WinoGradOutputPairs": (*asm).winoGradOutputPairs,

		"WinoStridedInputPairs":      (*asm).winoStridedInputPairs,
		"WinoStridedGradOutputPairs": (*asm).winoStridedGradOutputPairs,
	}
)

// rowless are the kernels of a Set that read and write no rows of activations: the
// same for both types.
var rowless = map[string]bool{"CopyAside": true, "SGD": true, "AdamW": true, "Blend": true, "Transpose": true, "WinoWeight": true, "WinoGradWeight": true,
	"WinoStridedWeight": true, "WinoStridedGradWeight": true, "Peak": true}

// generateBF16 adds the files of kernel.BF16; set are the kernels of kernel.Set.
func generateBF16(dir string, set []function, files map[string][]byte) error {
	funcs, err := parseSet(filepath.Join(dir, "bf16.go"), "BF16")
	if err != nil {
		return err
	}
	var ours, halves []function
	for _, f := range funcs {
		if halfPairKernels[f.name] != nil {
			halves = append(halves, f)
		} else {
			ours = append(ours, f)
		}
	}
	a := &asm{isa: bf16}
	a.file(ours, pairKernels)
	files["zz_bf16_amd64.s"] = a.text.Bytes()

	var decls bytes.Buffer
	decls.WriteString(header + "\npackage kernel\n\nimport \"unsafe\"\n\nvar avx512BF16 = &BF16{\nHalf: avx512Half,\n")
	for _, f := range halves {
		fmt.Fprintf(&decls, "%s: %s,\n", f.name, f.symbol(half))
	}
	bf16.list(&decls, ours)

	rows, other := set[:0:0], set[:0:0]
	for _, f := range set {
		if rowless[f.name] {
			other = append(other, f)
		} else {
			rows = append(rows, f)
		}
	}
	a = &asm{isa: half}
	loops := maps.Clone(kernels)
	maps.Copy(loops, halfPairKernels)
	a.file(append(slices.Clone(rows), halves...), loops)
	files["zz_half_amd64.s"] = a.text.Bytes()
	half.declareHalf(&decls, rows, other, halves)
	files["zz_bf16_amd64.go"], err = format.Source(decls.Bytes())
	return err
}

// declareHalf writes the Set of rows of bfloat16: what it shares with float32 is avx512's,
// and the products of pairs of pixels are bf16's.
func (s *isa) declareHalf(w *bytes.Buffer, rows, other, halves []function) {
	fmt.Fprintf(w, "\nvar avx512Half = &Set{\nName: %q,\nMR: %d, NR: %d,\nWinograd: true,\n", "avx512", s.rows[0], 2*s.lanes)
	s.declareRows(w, bf16.gradRows)
	fmt.Fprintf(w, "Tile: %s,\nTileGrad: %s,\n", s.numbers("func(*TileArgs)", "tile%d"+s.name, s.rows),
		s.numbers("func(*GradArgs)", "tileGrad%d"+bf16.name, bf16.gradRows))
	for _, f := range rows {
		fmt.Fprintf(w, "%s: %s,\n", f.name, f.symbol(s))
	}
	for _, f := range other {
		fmt.Fprintf(w, "%s: %s,\n", f.name, f.symbol(avx512))
	}
	fmt.Fprintf(w, "PeakFlops: %d,\n}\n", avx512.peakFlops())
	for _, r := range s.rows {
		fmt.Fprintf(w, "\n//go:noescape\nfunc tile%d%s(a *TileArgs)\n", r, s.name)
	}
	for _, f := range append(slices.Clone(rows), halves...) {
		fmt.Fprintf(w, "\n//go:noescape\nfunc %s(%s)\n", f.symbol(s), f.params())
	}
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
		for i := range b.n {
			a.op("VMOVUPS", offset(2*i*b.vec.bytes())+"(SI)(BX*2)", b.r(i))
			a.bytes(cvtBF16, b.vec, i, 0, i)
		}
		for i := range b.n {
			a.op("VMOVUPS", b.vec.half(i), a.at("DI", b.vec, i))
		}
	})
	a.advance([]stride{{"DI", "ys"}, {"SI", "xs"}})
	a.op("DECQ", "DX")
	a.op("JNZ", "row")
	a.ret()
}

// widenRows is the way back.
func (a *asm) widenRows() {
	a.get("y", "DI", "x", "SI", "rows", "DX", "c", "CX")
	a.op("ADDQ", "CX", "CX")
	a.mark("row")
	a.op("XORL", "BX", "BX")
	a.op("MOVQ", "CX", "AX")
	halfZ, halfY := vec{"Z", 8}, vec{"Y", 4}
	a.blocks("AX", []block{{halfZ, 4}, {halfZ, 1}, {halfY, 1}}, func(b block) {
		for i := range b.n {
			a.op("VPMOVZXWD", a.at("SI", b.vec, i), b.r(i))
			a.op("VPSLLD", "$16", b.r(i), b.r(i))
			a.op("VMOVUPS", b.r(i), offset(2*i*b.vec.bytes())+"(DI)(BX*2)")
		}
	})
	a.advance([]stride{{"DI", "ys"}, {"SI", "xs"}})
	a.op("DECQ", "DX")
	a.op("JNZ", "row")
	a.ret()
}

// pairFloats rounds two rows into the halves of one vector and interleaves these.
func (a *asm) pairFloats() {
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

// pairRows interleaves two rows: a vector of each makes two of pairs, a half of one
// each, or with half the width one.
func (a *asm) pairRows() {
	low, high := 31, 30
	a.op("VMOVDQU64", "·mergeLow(SB)", zmm.r(low))
	a.op("VMOVDQU64", "·mergeHigh(SB)", zmm.r(high))
	a.get("dst", "DI", "rows", "R8", "off", "R10", "n", "DX", "c", "CX", "ds", "R11")
	a.rowBytes("CX")
	a.mark("pair")
	a.op("MOVQ", "(R8)", "SI")
	a.op("MOVQ", "8(R8)", "R9")
	a.op("ADDQ", "R10", "SI")
	a.op("ADDQ", "R10", "R9")
	a.op("ADDQ", 16, "R8")
	a.op("XORL", "BX", "BX")
	a.op("MOVQ", "CX", "AX")
	// Vectors of 32, 16 and 8 values of a row.
	z, y, x := block{vec{"Z", 32}, 1}, block{vec{"Y", 16}, 1}, block{vec{"X", 8}, 1}
	a.blocks("AX", []block{z, y, x}, func(b block) {
		a.op("VMOVDQU16", "(SI)(BX*1)", b.r(0))
		a.op("VMOVDQU16", "(R9)(BX*1)", b.r(1))
		switch b {
		case z:
			a.op("VMOVDQA64", "Z0", "Z2")
			a.op("VPERMT2W", "Z1", zmm.r(low), "Z0")
			a.op("VPERMT2W", "Z1", zmm.r(high), "Z2")
			a.op("VMOVDQU64", "Z0", "(DI)(BX*2)")
			a.op("VMOVDQU64", "Z2", "64(DI)(BX*2)")
		case y:
			a.op("VPERMT2W", "Z1", zmm.r(low), "Z0")
			a.op("VMOVDQU64", "Z0", "(DI)(BX*2)")
		case x:
			a.op("VPERMT2W", "Z1", zmm.r(low), "Z0")
			a.op("VMOVDQU64", "Y0", "(DI)(BX*2)")
		}
	})
	a.op("ADDQ", "R11", "DI")
	a.op("DECQ", "DX")
	a.op("JNZ", "pair")
	a.ret()
}

func (a *asm) winoInputPairs()             { a.winogradPairs(6, 6, a.inputLine()) }
func (a *asm) winoGradOutputPairs()        { a.winogradPairs(4, 6, a.gradOutputLine()) }
func (a *asm) winoStridedInputPairs()      { a.winogradPairs(9, 9, a.stridedInputLine()) }
func (a *asm) winoStridedGradOutputPairs() { a.winogradPairs(4, 9, a.stridedGradOutputLine()) }

// winogradPairs is winograd from n x n pixels to m x m planes, of two tiles at once:
// a line of the first waits in registers for that of the second.
func (a *asm) winogradPairs(n, m int, line pass) {
	const waiting, narrow, wide = 10, 20, 21
	a.op("VMOVDQU64", "·interleave32(SB)", zmm.r(wide))
	a.op("VMOVDQU64", "·interleave16(SB)", ymm.r(narrow))
	a.get("dst", "DI", "ds", "R8", "src", "SI", "c", "CX", "scratch", "R15")
	a.rowBytes("CX")
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
					a.loadRow(v, "AX", 0, i)
					a.op("MOVQ", offset(8*(((2+k)*n+i)*n+j))+"(SI)", "AX")
					a.op("PREFETCHT1", "(AX)(BX*1)")
					return i
				}, func(i, r int) { a.store(v, r, scratch(k, i, j)) })
			}
		}
		a.op("LEAQ", a.at("DI", v, 0), "R9")
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

package kernel

import "unsafe"

// The points of interpolation are 0, ±wa, ±wb and infinity.
const (
	wa, wb   = 3. / 4, 3. / 2
	wa2, wb2 = wa * wa, wb * wb
	wna, wnb = 2 * wa2 * (wa2 - wb2), 2 * wb2 * (wb2 - wa2)
)

// Winograd's transforms as matrices (Lavin and Gray 2015, F(4x4, 3x3), with other
// points). The transform of a tile d is M d Mᵀ.
var (
	winoB = [][]float32{ // 6x6: input
		{wa2 * wb2, 0, -(wa2 + wb2), 0, 1, 0},
		{0, -wa * wb2, -wb2, wa, 1, 0},
		{0, wa * wb2, -wb2, -wa, 1, 0},
		{0, -wa2 * wb, -wa2, wb, 1, 0},
		{0, wa2 * wb, -wa2, -wb, 1, 0},
		{0, wa2 * wb2, 0, -(wa2 + wb2), 0, 1},
	}
	winoG = [][]float32{ // 6x3: weight
		{1 / (wa2 * wb2), 0, 0},
		{1 / wna, wa / wna, wa2 / wna},
		{1 / wna, -wa / wna, wa2 / wna},
		{1 / wnb, wb / wnb, wb2 / wnb},
		{1 / wnb, -wb / wnb, wb2 / wnb},
		{0, 0, 1},
	}
	winoA = [][]float32{ // 4x6: output
		{1, 1, 1, 1, 1, 0},
		{0, wa, -wa, wb, -wb, 0},
		{0, wa2, wa2, wb2, wb2, 0},
		{0, wa * wa2, -wa * wa2, wb * wb2, -wb * wb2, 1},
	}
	winoAT = transposed(winoA)
	winoGT = transposed(winoG)
)

// Those of the forms for stride 2, with points ±sa, ±sb and infinity.
const (
	sa, sb   = 1. / 2, 5. / 4
	sa2, sb2 = sa * sa, sb * sb
	sna, snb = 2 * sa * (sa2 - sb2), 2 * sb * (sb2 - sa2)
)

var (
	stridedB = [][]float32{ // 9x9: input
		{0, 1, 0, 0, 0, 0, 0, 0, 0},
		{0, 0, 0, 1, 0, 0, 0, 0, 0},
		{0, 0, 0, 0, 0, 1, 0, 0, 0},
		{0, 0, 0, 0, 0, 0, 0, 1, 0},
		{-sa * sb2, 0, -sb2, 0, sa, 0, 1, 0, 0},
		{sa * sb2, 0, -sb2, 0, -sa, 0, 1, 0, 0},
		{-sb * sa2, 0, -sa2, 0, sb, 0, 1, 0, 0},
		{sb * sa2, 0, -sa2, 0, -sb, 0, 1, 0, 0},
		{sa2 * sb2, 0, 0, 0, -(sa2 + sb2), 0, 0, 0, 1},
	}
	stridedG = [][]float32{ // 6x3: weight
		{0, 1, 0},
		{1 / sna, 0, sa / sna},
		{-1 / sna, 0, sa / sna},
		{1 / snb, 0, sb / snb},
		{-1 / snb, 0, sb / snb},
		{0, 0, 1},
	}
	stridedA = [][]float32{ // 4x9: output
		{1, 0, 0, 0, 1, 1, 1, 1, 0},
		{0, 1, 0, 0, sa, -sa, sb, -sb, 0},
		{0, 0, 1, 0, sa2, sa2, sb2, sb2, 0},
		{0, 0, 0, 1, sa * sa2, -sa * sa2, sb * sb2, -sb * sb2, 1},
	}
	stridedAT = transposed(stridedA)
	stridedGT = transposed(stridedG)
	spreadB   = [][]float32{ // 9x5: output gradient
		{1, 0, 0, 0, 0},
		{0, 1, 0, 0, 0},
		{0, 0, 1, 0, 0},
		{0, 0, 0, 1, 0},
		{-sa * sb2, -sb2, sa, 1, 0},
		{sa * sb2, -sb2, -sa, 1, 0},
		{-sb * sa2, -sa2, sb, 1, 0},
		{sb * sa2, -sa2, -sb, 1, 0},
		{sa2 * sb2, 0, -(sa2 + sb2), 0, 1},
	}
	spreadA = [][]float32{ // 8x9: input gradient
		{1, 0, 0, 0, 0, 0, 0, 0, 0},
		{0, 0, 0, 0, 1, 1, 1, 1, 0},
		{0, 1, 0, 0, 0, 0, 0, 0, 0},
		{0, 0, 0, 0, sa, -sa, sb, -sb, 0},
		{0, 0, 1, 0, 0, 0, 0, 0, 0},
		{0, 0, 0, 0, sa2, sa2, sb2, sb2, 0},
		{0, 0, 0, 1, 0, 0, 0, 0, 0},
		{0, 0, 0, 0, sa * sa2, -sa * sa2, sb * sb2, -sb * sb2, 1},
	}
)

func transposed(m [][]float32) [][]float32 {
	t := make([][]float32, len(m[0]))
	for j := range t {
		for i := range m {
			t[j] = append(t[j], m[i][j])
		}
	}
	return t
}

// sandwich is M d Mᵀ for one channel; d is n x n, read through at, and the
// result is handed to put.
func sandwich(m [][]float32, at func(i, j int) float32, put func(i, j int, v float32)) {
	n := len(m[0])
	var half [9][9]float32
	for i := range m {
		for j := range n {
			for k := range n {
				half[i][j] += m[i][k] * at(k, j)
			}
		}
	}
	for i := range m {
		for j := range m {
			v := float32(0)
			for k := range n {
				v += half[i][k] * m[j][k]
			}
			put(i, j, v)
		}
	}
}

// toPlanes is the transform m of the pixels that src lists.
func toPlanes(m [][]float32) func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
	n := len(m[0])
	return func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
		px := pointers(src, n*n)
		for ch := range c {
			sandwich(m, func(i, j int) float32 { return floats(px[i*n+j], c)[ch] },
				func(i, j int, v float32) { row(dst, ds, i*len(m)+j, c)[ch] = v })
		}
	}
}

// toPixels is the transform m of planes to the pixels that dst lists.
func toPixels(m [][]float32) func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, _ unsafe.Pointer) {
	n, side := len(m[0]), len(m)
	return func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, _ unsafe.Pointer) {
		px, b := pointers(dst, side*side), floats(bias, c)
		var residual []unsafe.Pointer
		if add != nil {
			residual = pointers(add, side*side)
		}
		for ch := range c {
			sandwich(m, func(i, j int) float32 { return row(src, ss, i*n+j, c)[ch] },
				func(i, j int, v float32) {
					v += b[ch]
					if residual != nil {
						v += floats(residual[i*side+j], c)[ch]
					}
					if v < lo {
						v = lo
					}
					floats(px[i*side+j], c)[ch] = v
				})
		}
	}
}

// fromTaps is the transform m of 3 x 3 kernels.
func fromTaps(m [][]float32) func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, _ unsafe.Pointer) {
	return func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, _ unsafe.Pointer) {
		for k := range n {
			sandwich(m, func(i, j int) float32 { return row(src, ss, i*3+j, n)[k] },
				func(i, j int, v float32) { row(dst, ds, i*6+j, n)[k] = v })
		}
	}
}

// toTaps is the transform m of sums to the gradients of 3 x 3 kernels.
func toTaps(m [][]float32) func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, _ unsafe.Pointer) {
	return func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, _ unsafe.Pointer) {
		for k := range n {
			sandwich(m, func(i, j int) float32 { return row(src, ss, i*6+j, n)[k] },
				func(i, j int, v float32) {
					d := row(dst, ds, i*3+j, n)
					if acc {
						v += d[k]
					}
					d[k] = v
				})
		}
	}
}

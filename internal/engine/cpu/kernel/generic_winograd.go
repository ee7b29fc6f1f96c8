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
	var half [6][6]float32
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

func winoInput(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
	px := pointers(src, 36)
	for ch := range c {
		sandwich(winoB, func(i, j int) float32 { return floats(px[i*6+j], c)[ch] },
			func(i, j int, v float32) { row(dst, ds, i*6+j, c)[ch] = v })
	}
}

func winoOutput(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, _ unsafe.Pointer) {
	px, b := pointers(dst, 16), floats(bias, c)
	var residual []unsafe.Pointer
	if add != nil {
		residual = pointers(add, 16)
	}
	for ch := range c {
		sandwich(winoA, func(i, j int) float32 { return row(src, ss, i*6+j, c)[ch] },
			func(i, j int, v float32) {
				v += b[ch]
				if residual != nil {
					v += floats(residual[i*4+j], c)[ch]
				}
				if v < lo {
					v = lo
				}
				floats(px[i*4+j], c)[ch] = v
			})
	}
}

func winoWeight(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, _ unsafe.Pointer) {
	for k := range n {
		sandwich(winoG, func(i, j int) float32 { return row(src, ss, i*3+j, n)[k] },
			func(i, j int, v float32) { row(dst, ds, i*6+j, n)[k] = v })
	}
}

func winoGradOutput(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
	px := pointers(src, 16)
	for ch := range c {
		sandwich(winoAT, func(i, j int) float32 { return floats(px[i*4+j], c)[ch] },
			func(i, j int, v float32) { row(dst, ds, i*6+j, c)[ch] = v })
	}
}

func winoGradWeight(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, _ unsafe.Pointer) {
	for k := range n {
		sandwich(winoGT, func(i, j int) float32 { return row(src, ss, i*6+j, n)[k] },
			func(i, j int, v float32) {
				d := row(dst, ds, i*3+j, n)
				if acc {
					v += d[k]
				}
				d[k] = v
			})
	}
}

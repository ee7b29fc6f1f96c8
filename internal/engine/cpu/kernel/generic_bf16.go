package kernel

import (
	"math"
	"unsafe"
)

// genericBF16 is the specification of a BF16 beside the generic Set, but for Half. No
// processor is faster with it, so the Set does not have it.
var genericBF16 = &BF16{
	Tile:       []func(*TileArgs){func(a *TileArgs) { tileBF16(a, 4) }, func(a *TileArgs) { tileBF16(a, 2) }, func(a *TileArgs) { tileBF16(a, 1) }},
	TileGrad:   []func(*GradArgs){func(a *GradArgs) { tileGradBF16(a, 4) }, func(a *GradArgs) { tileGradBF16(a, 2) }},
	RoundRows:  roundRows,
	WidenRows:  widenRows,
	PairFloats: pairFloats,
	PairRows:   pairRows,

	WinoInputPairs:             winoPairs(winoB),
	WinoGradOutputPairs:        winoPairs(winoAT),
	WinoStridedInputPairs:      winoPairs(stridedB),
	WinoStridedGradOutputPairs: winoPairs(stridedAT),

	Peak:      peak,
	PeakFlops: 2 * genericNR,
}

// round is x as bfloat16, to the nearest, ties to even. NaN stays NaN, denormals
// become zero.
func round(x float32) uint16 {
	bits := math.Float32bits(x)
	switch {
	case x != x:
		return uint16(bits>>16) | 0x40
	case bits&0x7f800000 == 0:
		return uint16(bits >> 16 & 0x8000)
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// halves are the values of a pair.
func halves(pair uint32) (low, high float32) {
	return math.Float32frombits(pair << 16), math.Float32frombits(pair &^ 0xffff)
}

// dotPair is v plus a pair's products: the upper halves' first.
func dotPair(v float32, x, w uint32) float32 {
	x0, x1 := halves(x)
	w0, w1 := halves(w)
	v += x1 * w1
	return v + x0*w0
}

func pairsAt(p unsafe.Pointer, n int) []uint32 { return unsafe.Slice((*uint32)(p), n) }

func tileBF16(a *TileArgs, mr int) {
	for r := range mr {
		var s [genericNR]float32
		if a.Bias != nil {
			copy(s[:], floats(a.Bias, genericNR))
		}
		for t := range a.Taps {
			entry := unsafe.Add(a.Rows, t*(mr+1)*8)
			x := pairsAt(*(*unsafe.Pointer)(unsafe.Add(entry, r*8)), a.K)
			w := pairsAt(unsafe.Add(a.B, *(*int)(unsafe.Add(entry, mr*8))), a.K*genericNR)
			for k, v := range x {
				for j := range s {
					s[j] = dotPair(s[j], v, w[k*genericNR+j])
				}
			}
		}
		a.finish(&s, unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(a.Out, r*8)), a.OutOff))
	}
}

func tileGradBF16(a *GradArgs, rows int) {
	x := pointers(a.X, a.P)
	for r := range rows {
		c := row(a.C, a.CStride, r, genericNR)
		for j := range genericNR {
			v := float32(0)
			for p, at := range x {
				v = dotPair(v, *(*uint32)(unsafe.Add(at, a.XOff+4*r)), *(*uint32)(unsafe.Add(a.Y, p*a.YStride+4*j)))
			}
			if a.Acc != 0 {
				v += c[j]
			}
			c[j] = v
		}
	}
}

func roundRows(y unsafe.Pointer, ys int, x unsafe.Pointer, xs, rows, c int) {
	for i := range rows {
		to := unsafe.Slice((*uint16)(unsafe.Add(y, i*ys)), c)
		for j, v := range row(x, xs, i, c) {
			to[j] = round(v)
		}
	}
}

func pairFloats(dst unsafe.Pointer, ds int, rows unsafe.Pointer, off, n, c int) {
	from := pointers(rows, 2*n)
	for i := range n {
		a, b := floats(unsafe.Add(from[2*i], off), c), floats(unsafe.Add(from[2*i+1], off), c)
		to := pairsAt(unsafe.Add(dst, i*ds), c)
		for j := range to {
			to[j] = uint32(round(a[j])) | uint32(round(b[j]))<<16
		}
	}
}

func widenRows(y unsafe.Pointer, ys int, x unsafe.Pointer, xs, rows, c int) {
	for i := range rows {
		to := row(y, ys, i, c)
		for j, v := range wordsAt(unsafe.Add(x, i*xs), c) {
			to[j] = math.Float32frombits(uint32(v) << 16)
		}
	}
}

func pairRows(dst unsafe.Pointer, ds int, rows unsafe.Pointer, off, n, c int) {
	from := pointers(rows, 2*n)
	for i := range n {
		a, b := wordsAt(unsafe.Add(from[2*i], off), c), wordsAt(unsafe.Add(from[2*i+1], off), c)
		to := pairsAt(unsafe.Add(dst, i*ds), c)
		for j := range to {
			to[j] = uint32(a[j]) | uint32(b[j])<<16
		}
	}
}

// wordsAt are the n values of bfloat16 at p.
func wordsAt(p unsafe.Pointer, n int) []uint16 { return unsafe.Slice((*uint16)(p), n) }

// winoPairs is the transform m of the pixels of two tiles, whose values it pairs.
func winoPairs(m [][]float32) func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
	n, values := len(m[0])*len(m[0]), len(m)*len(m)
	transform := toPlanes(m)
	return func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, _ unsafe.Pointer) {
		planes := [2][]float32{make([]float32, values*c), make([]float32, values*c)}
		for k := range planes {
			pixels, table := make([]float32, n*c), make([]unsafe.Pointer, n)
			for i, p := range pointers(src, 2*n)[k*n : (k+1)*n] {
				table[i] = unsafe.Pointer(&pixels[i*c])
				widenRows(table[i], 0, p, 0, 1, c)
			}
			transform(unsafe.Pointer(&planes[k][0]), c*4, unsafe.Pointer(&table[0]), c, nil)
		}
		for i := range values {
			to := pairsAt(unsafe.Add(dst, i*ds), c)
			for j := range to {
				to[j] = uint32(round(planes[0][i*c+j])) | uint32(round(planes[1][i*c+j]))<<16
			}
		}
	}
}

package kernel

import (
	"runtime"
	"unsafe"
)

// generic is the fallback in Go: the reference loops, arranged so that the
// compiler keeps sums in registers.
var generic = &Set{
	Name: "generic",
	MR:   4, NR: genericNR,
	Rows:     []int{4, 2, 1},
	cuts:     newCuts(4, 2, 1),
	Tile:     []func(*TileArgs){tile4, tile2, tile1},
	GradRows: []int{4, 2},
	TileGrad: []func(*GradArgs){tileGrad4, tileGrad2},

	Moments:         moments,
	ScaleShift:      scaleShift,
	NormGradSums:    normGradSums,
	NormGrad:        normGrad,
	ReluGrad:        reluGrad,
	Dropout:         dropout,
	AddRows:         addRows,
	StrassenSums:    strassenSums,
	ClampRows:       clampRows,
	Activate:        activate,
	ActivateGrad:    activateGrad,
	NormActivate:    normActivate,
	NormActGradSums: normActGradSums,
	NormActGrad:     normActGrad,
	Depthwise:       depthwise,
	DepthwiseGrad:   depthwiseGrad,
	Depthwise3:      depthwise3,
	Depthwise3Grad:  depthwise3Grad,
	Depthwise5:      depthwise5,
	Depthwise5Grad:  depthwise5Grad,
	CopyRows:        copyRows,
	CopyAside:       copyAside,
	ZeroRows:        zeroRows,
	FillRows:        fillRows,
	SumRows:         sumRows,
	AvgRow:          avgRow,
	MaxPool:         maxPool,
	MaxPoolGrad:     maxPoolGrad,
	SGD:             sgd,
	AdamW:           adamW,
	Blend:           blend,
	Transpose:       transpose,
	WinoInput:       toPlanes(winoB),
	WinoOutput:      toPixels(winoA),
	WinoWeight:      fromTaps(winoG),
	WinoGradOutput:  toPlanes(winoAT),
	WinoGradWeight:  toTaps(winoGT),

	WinoStridedInput:      toPlanes(stridedB),
	WinoStridedOutput:     toPixels(stridedA),
	WinoStridedWeight:     fromTaps(stridedG),
	WinoStridedGradOutput: toPlanes(stridedAT),
	WinoStridedGradWeight: toTaps(stridedGT),
	WinoSpreadInput:       toPlanes(spreadB),
	WinoSpreadOutput:      toPixels(spreadA),

	Peak:      peak,
	PeakFlops: 2 * genericNR,
}

const genericNR = 8

// floats are the n values at p.
func floats(p unsafe.Pointer, n int) []float32 { return unsafe.Slice((*float32)(p), n) }

// row is the row at p, i strides on.
func row(p unsafe.Pointer, stride, i, n int) []float32 {
	return floats(unsafe.Add(p, i*stride), n)
}

// pointers reads a table of addresses. Reading them as pointers is what vet and
// the race detector can follow.
func pointers(table unsafe.Pointer, n int) []unsafe.Pointer {
	return unsafe.Slice((*unsafe.Pointer)(table), n)
}

func tile4(a *TileArgs) { tile(a, 4) }
func tile2(a *TileArgs) { tile(a, 2) }
func tile1(a *TileArgs) { tile(a, 1) }

func tile(a *TileArgs, mr int) {
	for r := range mr {
		var s [genericNR]float32
		if a.Bias != nil {
			copy(s[:], floats(a.Bias, genericNR))
		}
		for _, carry := range a.Carry {
			if carry != nil {
				for j, v := range row(carry, genericNR*4, r, genericNR) {
					s[j] += v
				}
			}
		}
		for t := range a.Taps {
			entry := unsafe.Add(a.Rows, t*(mr+1)*8)
			x := floats(*(*unsafe.Pointer)(unsafe.Add(entry, r*8)), a.K)
			offset := *(*int)(unsafe.Add(entry, mr*8))
			w := floats(unsafe.Add(a.B, offset), a.K*genericNR)
			dot(&s, x, w)
		}
		a.finish(&s, unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(a.Out, r*8)), a.OutOff))
	}
}

// finish adds to a row of sums what is to be added, limits and stores it.
func (a *TileArgs) finish(s *[genericNR]float32, out unsafe.Pointer) {
	if a.AddFlag != 0 {
		// Another allocation, perhaps: by address, since checkptr would object.
		from := uintptr(out) + uintptr(a.AddDelta)
		for j, v := range floats(pointers(unsafe.Pointer(&from), 1)[0], a.Width) {
			s[j] += v
		}
	}
	y := floats(out, a.Width)
	for j := range y {
		y[j] = clamp(s[j], a.Lo, a.Hi)
	}
}

// dot adds x times the rows of w, 8 columns each, to s.
func dot(s *[genericNR]float32, x, w []float32) {
	s0, s1, s2, s3, s4, s5, s6, s7 := s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]
	for k, v := range x {
		b := (*[genericNR]float32)(w[k*genericNR:])
		s0 += v * b[0]
		s1 += v * b[1]
		s2 += v * b[2]
		s3 += v * b[3]
		s4 += v * b[4]
		s5 += v * b[5]
		s6 += v * b[6]
		s7 += v * b[7]
	}
	*s = [genericNR]float32{s0, s1, s2, s3, s4, s5, s6, s7}
}

// clamp keeps NaN, since a comparison with it is false.
func clamp(v, lo, hi float32) float32 {
	if v < lo {
		v = lo
	}
	if v > hi {
		v = hi
	}
	return v
}

func tileGrad4(a *GradArgs) { tileGrad(a, 4) }
func tileGrad2(a *GradArgs) { tileGrad(a, 2) }

// tileGrad needs no masks: the narrowest Width is its whole panel.
func tileGrad(a *GradArgs, rows int) {
	x := pointers(a.X, a.P)
	for r := range rows {
		var s0, s1, s2, s3, s4, s5, s6, s7 float32
		for p, at := range x {
			v := *(*float32)(unsafe.Add(at, a.XOff+4*r))
			y := (*[genericNR]float32)(unsafe.Add(a.Y, p*a.YStride))
			s0 += v * y[0]
			s1 += v * y[1]
			s2 += v * y[2]
			s3 += v * y[3]
			s4 += v * y[4]
			s5 += v * y[5]
			s6 += v * y[6]
			s7 += v * y[7]
		}
		s := [genericNR]float32{s0, s1, s2, s3, s4, s5, s6, s7}
		c := row(a.C, a.CStride, r, genericNR)
		for j, v := range s {
			if a.Acc != 0 {
				v += c[j]
			}
			c[j] = v
		}
	}
}

func peak(n int) {
	x, w := make([]float32, 64), make([]float32, 64*genericNR)
	var s [genericNR]float32
	for ; n > 0; n -= len(x) {
		dot(&s, x[:min(n, len(x))], w)
	}
	runtime.KeepAlive(&s) // so that the loop is not removed
}

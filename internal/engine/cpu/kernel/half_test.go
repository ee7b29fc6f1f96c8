package kernel

import (
	"math"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// An operand is rows of values, a stride apart.
type operand struct {
	p      unsafe.Pointer
	stride int
}

func (o operand) table(n int) []uintptr {
	t := make([]uintptr, n)
	for i := range t {
		t[i] = uintptr(unsafe.Add(o.p, i*o.stride))
	}
	return t
}

// halfOperands are what a kernel is called with: rows that it reads and writes, and
// float32 that belong to channels.
type halfOperands struct {
	in, out  []operand
	vec, sum []unsafe.Pointer // vec has 81 rows of channels each
	rows, c  int
	act      Act
	scratch  unsafe.Pointer
}

// halfKernels are the kernels of a Set that differ in Half, by how many operands of
// each kind they have. rows is 0 for any number.
type halfKernel struct {
	name              string
	in, out, vec, sum int
	rows              int
	acts              bool
	call              func(s *Set, o *halfOperands)
}

var halfKernels = []halfKernel{
	{name: "Moments", in: 1, sum: 2, call: func(s *Set, o *halfOperands) {
		s.Moments(o.in[0].p, o.in[0].stride, o.rows, o.c, o.sum[0], o.sum[1])
	}},
	{name: "ScaleShift", in: 1, out: 1, vec: 2, call: func(s *Set, o *halfOperands) {
		s.ScaleShift(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, nil, 0, o.rows, o.c, o.vec[0], o.vec[1], 0)
	}},
	{name: "ScaleShift with a residual", in: 2, out: 1, vec: 2, call: func(s *Set, o *halfOperands) {
		s.ScaleShift(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c, o.vec[0], o.vec[1], -inf)
	}},
	{name: "NormGradSums", in: 2, vec: 1, sum: 2, call: func(s *Set, o *halfOperands) {
		s.NormGradSums(o.in[0].p, o.in[0].stride, nil, 0, o.in[1].p, o.in[1].stride, o.rows, o.c, o.vec[0], o.sum[0], o.sum[1])
	}},
	{name: "NormGradSums masked", in: 3, vec: 1, sum: 2, call: func(s *Set, o *halfOperands) {
		s.NormGradSums(o.in[0].p, o.in[0].stride, o.in[2].p, o.in[2].stride, o.in[1].p, o.in[1].stride, o.rows, o.c, o.vec[0], o.sum[0], o.sum[1])
	}},
	{name: "NormGrad", in: 2, out: 1, vec: 4, call: func(s *Set, o *halfOperands) {
		s.NormGrad(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, nil, 0, o.in[1].p, o.in[1].stride, o.rows, o.c,
			o.vec[0], o.vec[1], o.vec[2], o.vec[3], nil, 0)
	}},
	{name: "NormGrad masked, with the residual's", in: 3, out: 2, vec: 4, call: func(s *Set, o *halfOperands) {
		s.NormGrad(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[2].p, o.in[2].stride, o.in[1].p, o.in[1].stride, o.rows, o.c,
			o.vec[0], o.vec[1], o.vec[2], o.vec[3], o.out[1].p, o.out[1].stride)
	}},
	{name: "ReluGrad", in: 2, out: 1, call: func(s *Set, o *halfOperands) {
		s.ReluGrad(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c)
	}},
	{name: "Dropout", in: 1, out: 1, call: func(s *Set, o *halfOperands) {
		s.Dropout(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.rows, o.c, 7, o.c, 0x123456789abcdef, 1<<31, 2)
	}},
	{name: "AddRows", in: 2, out: 1, call: func(s *Set, o *halfOperands) {
		s.AddRows(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c)
	}},
	{name: "ClampRows", in: 1, out: 1, call: func(s *Set, o *halfOperands) {
		s.ClampRows(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.rows, o.c, -0.3, 0.7)
	}},
	{name: "Activate", in: 1, out: 1, acts: true, call: func(s *Set, o *halfOperands) {
		s.Activate(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.rows, o.c, o.act)
	}},
	{name: "ActivateGrad", in: 2, out: 1, acts: true, call: func(s *Set, o *halfOperands) {
		s.ActivateGrad(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c, o.act)
	}},
	{name: "NormActivate", in: 1, out: 1, vec: 2, acts: true, call: func(s *Set, o *halfOperands) {
		s.NormActivate(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.rows, o.c, o.vec[0], o.vec[1], o.act)
	}},
	{name: "NormActGradSums", in: 2, vec: 3, sum: 2, acts: true, call: func(s *Set, o *halfOperands) {
		s.NormActGradSums(o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c, o.vec[0], o.vec[1], o.vec[2], o.sum[0], o.sum[1], nil, 0, o.act)
	}},
	{name: "NormActGradSums with the gradient", in: 2, out: 1, vec: 3, sum: 2, acts: true, call: func(s *Set, o *halfOperands) {
		s.NormActGradSums(o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c, o.vec[0], o.vec[1], o.vec[2], o.sum[0], o.sum[1], o.out[0].p, o.out[0].stride, o.act)
	}},
	{name: "NormActGrad", in: 2, out: 1, vec: 6, acts: true, call: func(s *Set, o *halfOperands) {
		s.NormActGrad(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.in[1].p, o.in[1].stride, o.rows, o.c,
			o.vec[0], o.vec[1], o.vec[2], o.vec[3], o.vec[4], o.vec[5], o.act)
	}},
	{name: "CopyRows", in: 1, out: 1, call: func(s *Set, o *halfOperands) {
		s.CopyRows(o.out[0].p, o.out[0].stride, o.in[0].p, o.in[0].stride, o.rows, o.c)
	}},
	{name: "ZeroRows", out: 1, call: func(s *Set, o *halfOperands) { s.ZeroRows(o.out[0].p, o.out[0].stride, o.rows, o.c) }},
	{name: "FillRows", out: 1, vec: 1, call: func(s *Set, o *halfOperands) {
		s.FillRows(o.out[0].p, o.out[0].stride, o.rows, o.c, o.vec[0], 0.3)
	}},
	{name: "SumRows", in: 1, sum: 1, call: func(s *Set, o *halfOperands) { s.SumRows(o.in[0].p, o.in[0].stride, o.rows, o.c, o.sum[0]) }},
	{name: "AvgRow", in: 1, sum: 1, call: func(s *Set, o *halfOperands) {
		s.AvgRow(o.sum[0], o.in[0].p, o.in[0].stride, o.rows, o.c, 0.3)
	}},
	{name: "Depthwise", in: 1, out: 1, vec: 2, call: func(s *Set, o *halfOperands) {
		// As many pixels as rows would allow with a window of all of them but one for each pixel.
		taps := min(o.rows, 9)
		pixels := o.rows - taps + 1
		rows, weights := o.in[0].table(taps), operand{o.vec[0], o.c * 4}.table(taps)
		s.Depthwise(&DepthwiseArgs{Rows: unsafe.Pointer(&rows[0]), RowStep: o.in[0].stride, Weights: unsafe.Pointer(&weights[0]), Taps: taps,
			Out: o.out[0].p, OutStep: o.out[0].stride, Pixels: pixels, Bias: o.vec[1], C: o.c, Lo: -1, Hi: 6})
	}},
	{name: "DepthwiseGrad", in: 2, sum: 5, call: func(s *Set, o *halfOperands) {
		count := min(o.rows, 5)
		sums := make([]float32, count*o.c)
		s.DepthwiseGrad(&DepthwiseGradArgs{X: o.in[0].p, XTap: o.in[0].stride, XStep: o.in[0].stride, DY: o.in[1].p, DYStep: o.in[1].stride,
			Pixels: o.rows - count + 1, Count: count, Sum: unsafe.Pointer(&sums[0]), SumStride: o.c * 4, C: o.c})
		for t := range count {
			copy(floats(o.sum[t], o.c), sums[t*o.c:])
		}
	}},
	{name: "Depthwise3", in: 3, out: 1, vec: 2, call: func(s *Set, o *halfOperands) {
		a := Depthwise3Args{First: o.in[0].stride, Step: o.in[1].stride, Last: o.in[2].stride, Out: o.out[0].p, OutStep: o.out[0].stride,
			Width: o.rows, Lines: 1, Bias: o.vec[1], C: o.c, Lo: -1, Hi: 6}
		for h := range 3 {
			a.Rows[h] = uintptr(o.in[h].p)
		}
		copy(a.Weights[:], operand{o.vec[0], o.c * 4}.table(9))
		s.Depthwise3(&a)
	}},
	{name: "Depthwise3Grad", in: 4, sum: 9, call: func(s *Set, o *halfOperands) {
		sums := make([]float32, 9*o.c)
		a := Depthwise3GradArgs{First: o.in[0].stride, Step: o.in[1].stride, Last: o.in[2].stride, DYStep: o.in[3].stride,
			Width: o.rows, Lines: 1, Sum: unsafe.Pointer(&sums[0]), SumStride: o.c * 4, C: o.c}
		for h := range 3 {
			a.Rows[h] = uintptr(o.in[h].p)
		}
		a.DY[0] = uintptr(o.in[3].p)
		s.Depthwise3Grad(&a)
		for t := range 9 {
			copy(floats(o.sum[t], o.c), sums[t*o.c:])
		}
	}},
	{name: "MaxPool", in: 1, out: 1, sum: 1, call: func(s *Set, o *halfOperands) {
		args := make([]uint8, o.c)
		table := []int32{0, 0}
		for i := range o.rows {
			table = append(table, int32(i*o.in[0].stride))
		}
		table = append(table, make([]int32, 8*len(table))...)
		s.MaxPool(o.out[0].p, unsafe.Pointer(&args[0]), o.in[0].p, unsafe.Pointer(&table[0]), 1, o.rows, o.c)
		for j, a := range args {
			floats(o.sum[0], o.c)[j] = float32(a)
		}
	}},
	{name: "MaxPoolGrad", in: 1, out: 1, call: func(s *Set, o *halfOperands) {
		args := make([]uint8, o.c)
		for j := range args {
			args[j] = uint8(j % 3)
		}
		table := []int32{0}
		for i := range o.rows {
			table = append(table, int32(i*o.in[0].stride), 0, int32(i%3))
		}
		s.MaxPoolGrad(o.out[0].p, o.in[0].p, unsafe.Pointer(&args[0]), unsafe.Pointer(&table[0]), 1, o.rows, o.c)
	}},
	toPlanesHalf("WinoInput", 36, 36, func(s *Set) tileTransform { return s.WinoInput }),
	toPlanesHalf("WinoGradOutput", 16, 36, func(s *Set) tileTransform { return s.WinoGradOutput }),
	toPlanesHalf("WinoStridedInput", 81, 81, func(s *Set) tileTransform { return s.WinoStridedInput }),
	toPlanesHalf("WinoStridedGradOutput", 16, 81, func(s *Set) tileTransform { return s.WinoStridedGradOutput }),
	toPlanesHalf("WinoSpreadInput", 25, 81, func(s *Set) tileTransform { return s.WinoSpreadInput }),
	toPixelsHalf("WinoOutput", 16, func(s *Set) tileBack { return s.WinoOutput }),
	toPixelsHalf("WinoStridedOutput", 16, func(s *Set) tileBack { return s.WinoStridedOutput }),
	toPixelsHalf("WinoSpreadOutput", 64, func(s *Set) tileBack { return s.WinoSpreadOutput }),
	withResidualHalf("WinoOutput", 16, func(s *Set) tileBack { return s.WinoOutput }),
	withResidualHalf("WinoStridedOutput", 16, func(s *Set) tileBack { return s.WinoStridedOutput }),
	withResidualHalf("WinoSpreadOutput", 64, func(s *Set) tileBack { return s.WinoSpreadOutput }),
}

type (
	tileTransform = func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	tileBack      = func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, scratch unsafe.Pointer)
)

// toPlanesHalf is a transform of pixels to planes.
func toPlanesHalf(name string, pixels, planes int, of func(s *Set) tileTransform) halfKernel {
	return halfKernel{name: name, in: 1, out: 1, rows: max(pixels, planes), call: func(s *Set, o *halfOperands) {
		table := ahead(o.in[0].table(pixels))
		of(s)(o.out[0].p, o.out[0].stride, unsafe.Pointer(&table[0]), o.c, o.scratch)
	}}
}

// toPixelsHalf is a transform of planes to pixels.
func toPixelsHalf(name string, pixels int, of func(s *Set) tileBack) halfKernel {
	return halfKernel{name: name, out: 1, vec: 2, rows: pixels, call: func(s *Set, o *halfOperands) {
		table := ahead(o.out[0].table(pixels))
		of(s)(unsafe.Pointer(&table[0]), o.vec[0], o.c*4, o.c, o.vec[1], nil, 0, o.scratch)
	}}
}

func withResidualHalf(name string, pixels int, of func(s *Set) tileBack) halfKernel {
	return halfKernel{name: name + " with a residual", in: 1, out: 1, vec: 2, rows: pixels, call: func(s *Set, o *halfOperands) {
		table, add := ahead(o.out[0].table(pixels)), o.in[0].table(pixels)
		of(s)(unsafe.Pointer(&table[0]), o.vec[0], o.c*4, o.c, o.vec[1], unsafe.Pointer(&add[0]), -inf, o.scratch)
	}}
}

// TestHalf holds the kernels over rows of bfloat16 to the Set's over the same rows
// widened: bit for bit once those are rounded, but where a sigmoid of less precision
// can round the other way.
func TestHalf(t *testing.T) {
	for _, k := range halfKernels {
		t.Run(k.name, func(t *testing.T) {
			eachBF16(t, func(t *rapid.T, set *Set) {
				if set.BF16.Half == nil {
					return // the specification: this test's other side
				}
				s := newScope(t)
				n, c := drawShape(t)
				if k.rows > 0 {
					n = k.rows
				}
				half := &halfOperands{rows: n, c: c, act: ReLU}
				if k.acts {
					half.act = Act(rapid.IntRange(int(ReLU), int(Sigmoid)).Draw(t, "act"))
				}
				smooth := k.acts && half.act >= SiLU
				scratch := make([]float32, WinoScratch/4)
				half.scratch = unsafe.Pointer(&scratch[0])
				wide := *half
				var narrow, widened []*matrix
				rows := func(m *matrix) (h, w operand) {
					s.pairs(m)
					wm := newMatrix(s.rng, n, c, 0)
					widenRows(wm.ptr(), wm.bytes(), m.ptr(), m.bytes(), n, c)
					narrow, widened = append(narrow, m), append(widened, wm)
					return operand{m.ptr(), m.bytes()}, operand{wm.ptr(), wm.bytes()}
				}
				for range k.in {
					h, w := rows(s.in(n, c/2, gap(t, "in gap")))
					half.in, wide.in = append(half.in, h), append(wide.in, w)
				}
				for range k.out {
					h, w := rows(s.out(n, c/2, gap(t, "out gap")))
					half.out, wide.out = append(half.out, h), append(wide.out, w)
				}
				for range k.vec {
					v := s.in(1, 81*c, 0).ptr()
					half.vec, wide.vec = append(half.vec, v), append(wide.vec, v)
				}
				var sums, want []*matrix
				for i := range k.sum {
					m := s.out(1, c, 0)
					sums, want = append(sums, m), append(want, m.clone())
					half.sum, wide.sum = append(half.sum, m.ptr()), append(wide.sum, want[i].ptr())
				}
				s.run(func() { k.call(set.BF16.Half, half) })
				k.call(set, &wide)
				for m := k.in; m < len(narrow); m++ {
					for i := range n {
						for j, v := range wordsAt(unsafe.Pointer(&narrow[m].row(i)[0]), c) {
							wide := widened[m].row(i)[j]
							if w := round(wide); v != w && !(smooth && nearly(math.Float32frombits(uint32(v)<<16), wide, 1)) {
								t.Fatalf("output %d [%d][%d] is %#x, want %#x", m-k.in, i, j, v, w)
							}
						}
					}
				}
				for m := range sums {
					for j, v := range sums[m].row(0) {
						if w := want[m].row(0)[j]; math.Float32bits(v) != math.Float32bits(w) && !(smooth && nearly(v, w, n)) {
							t.Fatalf("sum %d [%d] is %g, want %g", m, j, v, want[m].row(0)[j])
						}
					}
				}
			})
		})
	}
}

// nearly compares sums of n values, of ordinary size, that a sigmoid of less precision and
// rounding to bfloat16 may move.
func nearly(got, want float32, n int) bool {
	return math.Abs(float64(got-want)) <= math.Abs(float64(want))/128+2e-3*float64(n)
}

// TestHalfTile holds Half's Tile to BF16's, with output and addition widened.
func TestHalfTile(t *testing.T) {
	eachBF16(t, func(t *rapid.T, set *Set) {
		half := set.BF16.Half
		if half == nil {
			return
		}
		s := newScope(t)
		variant := rapid.IntRange(0, len(set.Rows)-1).Draw(t, "variant")
		mr, k := set.Rows[variant], rapid.IntRange(1, 20).Draw(t, "pairs")
		width := 8 * rapid.IntRange(1, set.NR/8).Draw(t, "width/8")
		a, b, bias := s.pairs(s.in(mr, k, 3)), s.pairs(s.in(k, set.NR, 0)), s.in(1, set.NR, 0)
		out := s.pairs(s.out(mr, width/2, gap(t, "out gap")))
		wide := newMatrix(s.rng, mr, width, 0)
		widenRows(wide.ptr(), wide.bytes(), out.ptr(), out.bytes(), mr, width)
		args := &TileArgs{Taps: 1, K: k, B: b.ptr(), Bias: bias.ptr(), Lo: -1, Hi: inf, Width: width, AddFlag: rapid.IntRange(0, 1).Draw(t, "add")}
		rows := append(operand{a.ptr(), a.bytes()}.table(mr), 0)
		args.Rows = unsafe.Pointer(&rows[0])
		narrow, full := operand{out.ptr(), out.bytes()}.table(mr), operand{wide.ptr(), wide.bytes()}.table(mr)
		args.Out = unsafe.Pointer(&full[0])
		set.BF16.Tile[variant](args)
		args.Out = unsafe.Pointer(&narrow[0])
		s.run(func() { half.Tile[variant](args) })
		for i := range mr {
			for j, v := range wordsAt(unsafe.Pointer(&out.row(i)[0]), width) {
				if w := round(wide.row(i)[j]); v != w {
					t.Fatalf("[%d][%d] is %#x, want %#x", i, j, v, w)
				}
			}
		}
	})
}

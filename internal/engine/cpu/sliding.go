package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// slides reports whether the kernels that slide along whole lines do a convolution of in.
func slides(set *kernel.Set, w graph.Window, in *tensor) bool {
	if set.Slides == 0 || w.Stride != 1 || w.Pad != w.Kernel/2 {
		return false
	}
	return w.Kernel == 3 || w.Kernel == 5 && in.w >= 3 && in.w*in.stride <= zeroRow
}

// A sliding is a convolution, or its input gradient, by the kernels that slide.
type sliding struct {
	side    int // of the taps
	weights []float32
	back    bool
	bias    unsafe.Pointer
	lo, hi  float32
}

// weight is the row of weights for tap t.
func (s *sliding) weight(t, cp int) uintptr {
	if s.back {
		t = s.side*s.side - 1 - t
	}
	return uintptr(unsafe.Pointer(&s.weights[t*cp]))
}

// lines computes lines [y0, y1) from those of in: line y0 of tensor out at to.
func (s *sliding) lines(w *worker, set *kernel.Set, in *lineReader, y0, y1 int, out *tensor, to unsafe.Pointer) {
	if s.side == 5 {
		s.lines5(w, set, in, y0, y1, out, to)
		return
	}
	a := &w.slide
	a.Lo, a.Hi, a.Bias = s.lo, s.hi, s.bias
	for t := range a.Weights {
		a.Weights[t] = s.weight(t, out.cp)
	}
	a.Step, a.Width, a.C = in.t.stride, out.w, out.cp
	a.OutStep, a.OutLine = out.stride, out.w*out.stride
	for y := y0; y < y1; y += a.Lines {
		a.Lines = min(set.Slides, y1-y)
		a.First, a.Last = in.around(w.zeros, y, a.Lines, &a.Rows)
		a.Out = unsafe.Add(to, (y-y0)*a.OutLine)
		set.Depthwise3(a)
	}
}

func (s *sliding) lines5(w *worker, set *kernel.Set, in *lineReader, y0, y1 int, out *tensor, to unsafe.Pointer) {
	a := &w.slide5
	a.Lo, a.Hi, a.Bias = s.lo, s.hi, s.bias
	for t := range a.Weights {
		a.Weights[t] = s.weight(t, out.cp)
	}
	a.Rows, a.Lent = in.table(w, y0-2, y1+2), unsafe.Pointer(&w.wino[0])
	a.Step, a.Width, a.C, a.Lines = in.t.stride, out.w, out.cp, y1-y0
	a.Out, a.OutStep, a.OutLine = to, out.stride, out.w*out.stride
	set.Depthwise5(a)
}

// weight5 is weight by the sliding kernel of 5x5 taps.
func (t *depthwiseBackTask) weight5(w *worker, sums []float32, y0, y1 int) {
	a := &w.slideDW5
	a.Rows, a.Step = w.x.table(w, y0-2, y1+2), t.in.stride
	for y := y0; y < y1; y++ {
		w.taps[y-y0] = w.dy.at(y)
	}
	a.DY, a.DYStep = unsafe.Pointer(&w.taps[0]), t.dy.stride
	a.Width, a.Lines, a.C = t.dy.w, y1-y0, t.dy.cp
	a.Sum, a.SumStride = unsafe.Pointer(&sums[0]), t.dy.cp*4
	t.set.Depthwise5Grad(a)
}

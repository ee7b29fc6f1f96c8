package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// winoPoints is the planes of a transformed weight, and of the sums of its gradient, in every form.
const winoPoints = 36

// A form is one of Winograd's: how its tiles lie, and its transforms for one type of rows.
//
// Stride 1 is F(4x4, 3x3), and its own input gradient. With stride 2 the odd pixels of a
// line meet the middle tap alone, which takes no transform, and the even ones the two others,
// which is F(4, 2): 4 + 5 multiplications a line for 12, so 81 for the 144 of a tile. The input
// gradient puts side by side what this adds: the middle tap makes its even pixels, the others
// its odd ones.
type form struct {
	read, write int // sides of a tile, in pixels
	step, edge  int // pixels read from line to line of a tile, and before the first of the map
	line, short int // values of a tile's line after its transform, and of those wanted of one with three outputs
	points      []point

	input, gradOutput           tileTransform
	inputPairs, gradOutputPairs tileTransform // two tiles at once, in bfloat16
	output                      func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, scratch unsafe.Pointer)
	weight                      func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, scratch unsafe.Pointer)
	gradWeight                  func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, scratch unsafe.Pointer)
}

type tileTransform = func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)

// A point is a plane of tiles with the plane of weights that it is multiplied by, and whether it is
// for their last line or column alone.
type point struct {
	plane, weight int
	bottom, right bool
}

// pointsOf lists the planes of tiles of line x line values, of which the first so many
// of a line meet the same weight. Planes that meet the same follow one another.
func pointsOf(line, same int) []point {
	const weights = 6
	var points []point
	of := func(i int) int { return max(0, i-same+1) }
	last := func(i int) bool { return i == line-1 || same > 1 && i == same-1 }
	for w := range weights * weights {
		for plane := range line * line {
			if of(plane/line)*weights+of(plane%line) == w {
				points = append(points, point{plane, w, last(plane / line), last(plane % line)})
			}
		}
	}
	return points
}

var plainPoints, stridedPoints = pointsOf(6, 1), pointsOf(9, 4)

func plainForm(s *kernel.Set) *form {
	f := &form{read: 6, write: 4, step: 1, edge: 1, line: 6, short: 5, points: plainPoints, input: s.WinoInput, output: s.WinoOutput,
		weight: s.WinoWeight, gradOutput: s.WinoGradOutput, gradWeight: s.WinoGradWeight}
	if s.BF16 != nil {
		f.inputPairs, f.gradOutputPairs = s.BF16.WinoInputPairs, s.BF16.WinoGradOutputPairs
	}
	return f
}

func stridedForm(s *kernel.Set) *form {
	f := &form{read: 9, write: 4, step: 2, edge: 1, line: 9, short: 7, points: stridedPoints, input: s.WinoStridedInput, output: s.WinoStridedOutput,
		weight: s.WinoStridedWeight, gradOutput: s.WinoStridedGradOutput, gradWeight: s.WinoStridedGradWeight}
	if s.BF16 != nil {
		f.inputPairs, f.gradOutputPairs = s.BF16.WinoStridedInputPairs, s.BF16.WinoStridedGradOutputPairs
	}
	return f
}

// spreadForm is stridedForm's input gradient.
func spreadForm(s *kernel.Set) *form {
	return &form{read: 5, write: 8, step: 1, line: 9, short: 7, points: stridedPoints, input: s.WinoSpreadInput, output: s.WinoSpreadOutput,
		weight: s.WinoStridedWeight}
}

// winograd is the form by whose tiles convolution n runs between in and out, nil if it does not: one that
// reads the network's input has another layout. back says that it is n's input gradient. The choice
// depends on shapes alone, that of the batch included: multiplications saved, edges and all, have to pay for the transforms.
func (l *lowering) winograd(n *graph.Node, in, out *tensor, back bool) *form {
	w := n.Window
	if n.Op != graph.Conv || n.In[0] == 0 || !l.set.Winograd || l.net.direct || w.Kernel != 3 || w.Pad != 1 || w.Groups != 1 ||
		in.cp < winoLeast || out.cp < winoLeast || in.c != in.cp {
		return nil
	}
	set, small := l.kernels(in), out
	if back {
		small = in
	}
	saves := func(f *form, num, den int) *form {
		if n := newAxis(small.h).values(f.line, f.short) * newAxis(small.w).values(f.line, f.short); den*n > num*9*small.pixels() {
			return nil
		}
		return f
	}
	switch {
	case w.Stride == 1:
		return saves(plainForm(set), 1, 2)
	case l.net.batch*small.pixels() < stridedLeast:
		return nil
	case w.Stride == 2 && back:
		return saves(spreadForm(set), 2, 3)
	case w.Stride == 2:
		return saves(stridedForm(set), 2, 3)
	}
	return nil
}

// name is what a profile calls a form.
func (f *form) name() string {
	if len(f.points) == winoPoints {
		return "winograd F(4x4)"
	}
	return "winograd F(4x4)/2"
}

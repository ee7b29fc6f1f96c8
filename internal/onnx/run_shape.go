package onnx

import (
	"errors"
	"fmt"
	"slices"

	"graft/internal/transform"
)

// gathered is a new array of that shape whose elements stand at places of x, or are
// zero where the place is negative.
func gathered(x *Array, dims []int, place func(index []int) int) (*Array, error) {
	n := elements(dims)
	if n < 0 {
		return nil, fmt.Errorf("refused: a tensor of shape %v", dims)
	}
	y := &Array{Dims: slices.Clone(dims)}
	switch x.elem() {
	case Float32:
		y.Floats = pick(x.Floats, n, dims, place)
	case Int64:
		y.Ints = pick(x.Ints, n, dims, place)
	case Uint8:
		y.Bytes = pick(x.Bytes, n, dims, place)
	}
	return y, nil
}

func pick[T any](from []T, n int, dims []int, place func(index []int) int) []T {
	y := make([]T, n)
	index := make([]int, len(dims))
	for i := range y {
		if at := place(index); at >= 0 {
			y[i] = from[at]
		}
		for d := len(dims) - 1; d >= 0; d-- {
			if index[d]++; index[d] < dims[d] {
				break
			}
			index[d] = 0
		}
	}
	return y
}

func transpose(n *Node, in []*Array) ([]*Array, error) {
	x, perm := in[0], n.attr("perm").Ints
	if len(perm) != len(x.Dims) {
		return nil, fmt.Errorf("permutation %v of %v", perm, x.Dims)
	}
	dims, step, seen := make([]int, len(perm)), make([]int, len(perm)), map[int64]bool{}
	strides := steps(x.Dims, x.Dims)
	for i, p := range perm {
		if p < 0 || int(p) >= len(perm) || seen[p] {
			return nil, fmt.Errorf("permutation %v of %v", perm, x.Dims)
		}
		seen[p] = true
		dims[i], step[i] = x.Dims[p], strides[p]
	}
	y, err := gathered(x, dims, func(index []int) int {
		at := 0
		for d, i := range index {
			at += i * step[d]
		}
		return at
	})
	return one(y), err
}

// reshaped is the array in another shape of as many elements.
func reshaped(x *Array, dims []int) ([]*Array, error) {
	if elements(dims) != x.len() {
		return nil, fmt.Errorf("%v cannot become %v", x.Dims, dims)
	}
	y := *x
	y.Dims = dims
	return one(&y), nil
}

// reshape takes whole numbers; 0 stands for the dimension as it is.
func reshape(_ *Node, in []*Array) ([]*Array, error) {
	dims := make([]int, len(in[1].Ints))
	for i, d := range in[1].Ints {
		switch {
		case d == 0 && i < len(in[0].Dims):
			dims[i] = in[0].Dims[i]
		case d > 0 && d < int64(maxElements):
			dims[i] = int(d)
		default:
			return nil, fmt.Errorf("%v cannot become %v", in[0].Dims, in[1].Ints)
		}
	}
	return reshaped(in[0], dims)
}

func flatten(n *Node, in []*Array) ([]*Array, error) {
	if n.attr("axis").I != 1 || len(in[0].Dims) < 1 {
		return nil, errors.New("an axis other than the first")
	}
	return reshaped(in[0], []int{in[0].Dims[0], in[0].len() / max(in[0].Dims[0], 1)})
}

// axis is a node's, checked.
func axis(n *Node, x *Array) (int, error) {
	a := n.attr("axis").I
	if a < 0 || int(a) >= len(x.Dims) {
		return 0, fmt.Errorf("axis %d of %v", a, x.Dims)
	}
	return int(a), nil
}

func concat(n *Node, in []*Array) ([]*Array, error) {
	in = slices.DeleteFunc(slices.Clone(in), func(a *Array) bool { return a == nil })
	if len(in) == 0 {
		return nil, errors.New("nothing to join")
	}
	a, err := axis(n, in[0])
	if err != nil {
		return nil, err
	}
	y := &Array{Dims: slices.Clone(in[0].Dims)}
	y.Dims[a] = 0
	for _, x := range in {
		same := slices.Clone(x.Dims)
		if len(same) != len(y.Dims) || x.elem() != in[0].elem() {
			return nil, fmt.Errorf("%v and %v do not go together", in[0].Dims, x.Dims)
		}
		y.Dims[a], same[a] = y.Dims[a]+x.Dims[a], y.Dims[a]+x.Dims[a]
		if !slices.Equal(same, y.Dims) {
			return nil, fmt.Errorf("%v and %v do not go together", in[0].Dims, x.Dims)
		}
	}
	for outer := range elements(y.Dims[:a]) {
		for _, x := range in {
			w := elements(x.Dims[a:])
			switch x.elem() {
			case Float32:
				y.Floats = append(y.Floats, x.Floats[outer*w:(outer+1)*w]...)
			case Int64:
				y.Ints = append(y.Ints, x.Ints[outer*w:(outer+1)*w]...)
			default:
				return nil, fmt.Errorf("an input of %s", x.elem())
			}
		}
	}
	return one(y), nil
}

func split(n *Node, in []*Array) ([]*Array, error) {
	x, parts := in[0], int(n.attr("num_outputs").I)
	a, err := axis(n, x)
	if err != nil || parts < 1 || parts > 16 || x.Dims[a]%parts != 0 {
		return nil, errors.Join(err, fmt.Errorf("%v in %d parts", x.Dims, parts))
	}
	dims, strides := slices.Clone(x.Dims), steps(x.Dims, x.Dims)
	dims[a] /= parts
	var out []*Array
	for k := range parts {
		y, err := gathered(x, dims, func(index []int) int {
			at := k * dims[a] * strides[a]
			for d, i := range index {
				at += i * strides[d]
			}
			return at
		})
		if err != nil {
			return nil, err
		}
		out = append(out, y)
	}
	return out, nil
}

// slice takes starts, ends, axes and, if given, steps.
func slice(_ *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	if in[3] == nil || len(in[1].Ints) != len(in[3].Ints) || len(in[2].Ints) != len(in[3].Ints) || in[4] != nil && len(in[4].Ints) != len(in[3].Ints) {
		return nil, errors.New("starts, ends, axes and steps of different lengths")
	}
	dims, strides := slices.Clone(x.Dims), steps(x.Dims, x.Dims)
	first := 0
	for k, a := range in[3].Ints {
		step := int64(1)
		if in[4] != nil {
			step = in[4].Ints[k]
		}
		if a < 0 || int(a) >= len(dims) || dims[a] != x.Dims[a] {
			return nil, fmt.Errorf("axis %d of %v", a, x.Dims)
		}
		from, to := in[1].Ints[k], min(in[2].Ints[k], int64(x.Dims[a]))
		if from < 0 || from >= to || step < 1 || step > int64(maxElements) {
			return nil, fmt.Errorf("%d to %d of %v by %d", from, to, x.Dims, step)
		}
		dims[a] = int((to - from + step - 1) / step)
		first += int(from) * strides[a]
		strides[a] *= int(step)
	}
	y, err := gathered(x, dims, func(index []int) int {
		at := first
		for d, i := range index {
			at += i * strides[d]
		}
		return at
	})
	return one(y), err
}

// pad adds zeros: pads, no value, and axes where not all are meant.
func pad(_ *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	pads := in[1].Ints
	axes := make([]int64, len(x.Dims))
	for i := range axes {
		axes[i] = int64(i)
	}
	if in[3] != nil {
		axes = in[3].Ints
	}
	if in[2] != nil || len(pads) != 2*len(axes) {
		return nil, fmt.Errorf("pads %v round %v", pads, x.Dims)
	}
	dims, before, strides := slices.Clone(x.Dims), make([]int, len(x.Dims)), steps(x.Dims, x.Dims)
	for k, a := range axes {
		lo, hi := pads[k], pads[len(axes)+k]
		if a < 0 || int(a) >= len(dims) || min(lo, hi) < 0 || max(lo, hi) > 1<<16 {
			return nil, fmt.Errorf("pads %v round %v", pads, x.Dims)
		}
		before[a] = int(lo)
		dims[a] = x.Dims[a] + int(lo+hi)
	}
	y, err := gathered(x, dims, func(index []int) int {
		at := 0
		for d, i := range index {
			if i -= before[d]; i < 0 || i >= x.Dims[d] {
				return -1
			}
			at += i * strides[d]
		}
		return at
	})
	return one(y), err
}

// resize is Pillow's, on 8-bit planes.
func resize(n *Node, in []*Array) ([]*Array, error) {
	x, size := in[0], in[3]
	cubic := n.attr("mode").S == "cubic"
	known := n.attr("antialias").I == 1 && n.attr("exclude_outside").I == 1 && n.attr("coordinate_transformation_mode").S == "half_pixel" &&
		(cubic && n.attr("cubic_coeff_a").F == -0.5 || n.attr("mode").S == "linear")
	if in[1] != nil || in[2] != nil || size == nil || len(size.Ints) != 4 || !known {
		return nil, errors.New("refused: not the antialiased resize that this program writes")
	}
	if err := ranked(x, Uint8, 4); err != nil {
		return nil, err
	}
	h, w := size.Ints[2], size.Ints[3]
	if x.Dims[1] != 3 || size.Ints[0] != int64(x.Dims[0]) || size.Ints[1] != 3 || min(h, w, int64(x.Dims[2]), int64(x.Dims[3])) < 1 || max(h, w) > 1<<16 || elements([]int{x.Dims[0], 3, int(h), int(w)}) < 0 {
		return nil, fmt.Errorf("%v to %d x %d", x.Dims, h, w)
	}
	interpolation := "bilinear"
	if cubic {
		interpolation = "bicubic"
	}
	y := &Array{Dims: []int{x.Dims[0], 3, int(h), int(w)}, Bytes: make([]uint8, x.Dims[0]*3*int(h*w))}
	area, to := x.Dims[2]*x.Dims[3], int(h*w)
	for img := range x.Dims[0] {
		p := transform.New(x.Dims[3], x.Dims[2])
		for i := range p.Pix {
			p.Pix[i] = x.Bytes[(img*3+i%3)*area+i/3]
		}
		p = transform.ResizeBy(p, int(w), int(h), interpolation)
		for i, v := range p.Pix {
			y.Bytes[(img*3+i%3)*to+i/3] = v
		}
	}
	return one(y), nil
}

package onnx

import (
	"errors"
	"fmt"
	"math"
)

// each applies f to every value.
func each(f func(float64) float64) func(*Node, []*Array) ([]*Array, error) {
	return func(_ *Node, in []*Array) ([]*Array, error) {
		x := in[0]
		if x.elem() != Float32 {
			return nil, fmt.Errorf("an input of %s", x.elem())
		}
		y, err := floatArray(x.Dims...)
		if err != nil {
			return nil, err
		}
		for i, v := range x.Floats {
			y.Floats[i] = float32(f(float64(v)))
		}
		return one(y), nil
	}
}

func relu(v float64) float64      { return max(v, 0) }
func sigmoid(v float64) float64   { return 1 / (1 + math.Exp(-v)) }
func hardSwish(v float64) float64 { return v * min(max(v/6+0.5, 0), 1) }
func gelu(v float64) float64      { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 }
func roundEven(v float64) float64 { return math.RoundToEven(v) }

func hardSigmoid(n *Node, in []*Array) ([]*Array, error) {
	alpha, beta := float64(n.attr("alpha").F), float64(n.attr("beta").F)
	return each(func(v float64) float64 { return min(max(alpha*v+beta, 0), 1) })(n, in)
}

func clip(n *Node, in []*Array) ([]*Array, error) {
	if len(in[1].Floats) != 1 || len(in[2].Floats) != 1 {
		return nil, errors.New("limits that are no single numbers")
	}
	lo, hi := float64(in[1].Floats[0]), float64(in[2].Floats[0])
	return each(func(v float64) float64 { return min(max(v, lo), hi) })(n, in)
}

// number is what arithmetic works on.
type numeric interface{ float32 | int64 }

// pairwise applies one of two functions to pairs of values, shapes broadcast.
func pairwise(in []*Array, f func(a, b float32) float32, g func(a, b int64) int64) ([]*Array, error) {
	a, b := in[0], in[1]
	dims, err := broadcast(a.Dims, b.Dims)
	if err != nil {
		return nil, err
	}
	y := &Array{Dims: dims}
	switch {
	case a.elem() == Float32 && b.elem() == Float32:
		y.Floats = apply(dims, a.Dims, b.Dims, a.Floats, b.Floats, f)
	case a.elem() == Int64 && b.elem() == Int64:
		y.Ints = apply(dims, a.Dims, b.Dims, a.Ints, b.Ints, g)
	default:
		return nil, fmt.Errorf("%s and %s", a.elem(), b.elem())
	}
	return one(y), nil
}

// broadcast is the shape of two together, as NumPy has it.
func broadcast(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := 1, 1
		if k := i - len(out) + len(a); k >= 0 {
			x = a[k]
		}
		if k := i - len(out) + len(b); k >= 0 {
			y = b[k]
		}
		if x != y && x != 1 && y != 1 {
			return nil, fmt.Errorf("shapes %v and %v do not go together", a, b)
		}
		if out[i] = max(x, y); min(x, y) == 0 {
			out[i] = 0
		}
	}
	if elements(out) < 0 {
		return nil, fmt.Errorf("refused: a tensor of shape %v", out)
	}
	return out, nil
}

func apply[T numeric](dims, da, db []int, a, b []T, f func(a, b T) T) []T {
	y := make([]T, elements(dims))
	sa, sb := steps(dims, da), steps(dims, db)
	index := make([]int, len(dims))
	ia, ib := 0, 0
	for i := range y {
		y[i] = f(a[ia], b[ib])
		for d := len(dims) - 1; d >= 0; d-- {
			index[d]++
			ia, ib = ia+sa[d], ib+sb[d]
			if index[d] < dims[d] {
				break
			}
			ia, ib, index[d] = ia-sa[d]*dims[d], ib-sb[d]*dims[d], 0
		}
	}
	return y
}

// steps are those of an array of shape from, in elements, along the axes of dims; 0 where it is broadcast.
func steps(dims, from []int) []int {
	s, step := make([]int, len(dims)), 1
	for k := len(from) - 1; k >= 0; k-- {
		if from[k] != 1 {
			s[len(dims)-len(from)+k] = step
		}
		step *= from[k]
	}
	return s
}

func add(_ *Node, in []*Array) ([]*Array, error) {
	return pairwise(in, func(a, b float32) float32 { return a + b }, func(a, b int64) int64 { return a + b })
}

func subtract(_ *Node, in []*Array) ([]*Array, error) {
	return pairwise(in, func(a, b float32) float32 { return a - b }, func(a, b int64) int64 { return a - b })
}

func multiply(_ *Node, in []*Array) ([]*Array, error) {
	return pairwise(in, func(a, b float32) float32 { return a * b }, func(a, b int64) int64 { return a * b })
}

func maximum(_ *Node, in []*Array) ([]*Array, error) {
	return pairwise(in, func(a, b float32) float32 { return max(a, b) }, func(a, b int64) int64 { return max(a, b) })
}

func divide(_ *Node, in []*Array) ([]*Array, error) {
	for _, v := range in[1].Ints {
		if v <= 0 {
			return nil, fmt.Errorf("a whole number divided by %d", v)
		}
	}
	return pairwise(in, func(a, b float32) float32 { return a / b }, func(a, b int64) int64 { return a / b })
}

// reduce joins all of a row of whole numbers, the axis kept.
func reduce(f func(a, b int64) int64) func(*Node, []*Array) ([]*Array, error) {
	return func(n *Node, in []*Array) ([]*Array, error) {
		if in[0].elem() != Int64 || len(in[0].Dims) != 1 || len(in[0].Ints) == 0 || n.attr("keepdims").I != 1 {
			return nil, errors.New("not a row of whole numbers")
		}
		v := in[0].Ints[0]
		for _, x := range in[0].Ints[1:] {
			v = f(v, x)
		}
		return one(&Array{Dims: []int{1}, Ints: []int64{v}}), nil
	}
}

func cast(n *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	y := &Array{Dims: x.Dims}
	switch to := Elem(n.attr("to").I); {
	case to == Float32 && x.elem() != Float32:
		y.Floats = make([]float32, x.len())
		for i, v := range x.Bytes {
			y.Floats[i] = float32(v)
		}
		for i, v := range x.Ints {
			y.Floats[i] = float32(v)
		}
	case to == Int64 && x.elem() == Float32:
		y.Ints = make([]int64, x.len())
		for i, v := range x.Floats {
			y.Ints[i] = int64(max(min(v, 1<<30), -1<<30))
		}
	default:
		return nil, fmt.Errorf("%s to %s", x.elem(), to)
	}
	return one(y), nil
}

func shapeOf(n *Node, in []*Array) ([]*Array, error) {
	from, to := int(n.attr("start").I), int(n.attr("end").I)
	if from < 0 || to > len(in[0].Dims) || from >= to {
		return nil, fmt.Errorf("dimensions %d to %d of %v", from, to, in[0].Dims)
	}
	y := &Array{Dims: []int{to - from}}
	for _, d := range in[0].Dims[from:to] {
		y.Ints = append(y.Ints, int64(d))
	}
	return one(y), nil
}

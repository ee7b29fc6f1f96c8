package onnx

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
)

// geometry is what window attributes say of an input [N, C, H, W].
type geometry struct {
	kernel, stride [2]int
	top, left      int
	h, w           int // of the output
}

var errWindow = errors.New("kernel, strides and pads do not fit the input")

func newGeometry(n *Node, x *Array) (geometry, error) {
	var g geometry
	k, s, p := n.attr("kernel_shape").Ints, n.attr("strides").Ints, n.attr("pads").Ints
	if len(k) != 2 || len(s) != 2 || len(p) != 4 {
		return g, errWindow
	}
	for _, v := range append(append(append([]int64(nil), k...), s...), p...) {
		if v < 0 || v > 1<<16 {
			return g, errWindow
		}
	}
	if min(k[0], k[1], s[0], s[1]) < 1 {
		return g, errWindow
	}
	g.kernel, g.stride = [2]int{int(k[0]), int(k[1])}, [2]int{int(s[0]), int(s[1])}
	g.top, g.left = int(p[0]), int(p[1])
	g.h = (x.Dims[2]+int(p[0]+p[2])-g.kernel[0])/g.stride[0] + 1
	g.w = (x.Dims[3]+int(p[1]+p[3])-g.kernel[1])/g.stride[1] + 1
	if x.Dims[2]+int(p[0]+p[2]) < g.kernel[0] || x.Dims[3]+int(p[1]+p[3]) < g.kernel[1] {
		return g, errWindow
	}
	return g, nil
}

// span is the output pixels from lo to hi (excluded) of a line of n whose tap k reads the input, which has m.
func span(k, pad, stride, n, m int) (lo, hi int) {
	if k < pad {
		lo = (pad - k + stride - 1) / stride
	}
	if last := m - 1 + pad - k; last >= 0 {
		hi = min(n, last/stride+1)
	}
	if lo >= hi {
		return 0, 0
	}
	return lo, hi
}

// conv sums over the taps of a line at once: the inner loop is over pixels.
func conv(n *Node, in []*Array) ([]*Array, error) {
	x, w := in[0], in[1]
	if err := errors.Join(ranked(x, Float32, 4), ranked(w, Float32, 4)); err != nil {
		return nil, err
	}
	g, err := newGeometry(n, x)
	if err != nil {
		return nil, err
	}
	groups := int(max(n.attr("group").I, 1))
	batch, channels, out := x.Dims[0], x.Dims[1], w.Dims[0]
	if channels != w.Dims[1]*groups || out%groups != 0 || w.Dims[2] != g.kernel[0] || w.Dims[3] != g.kernel[1] {
		return nil, fmt.Errorf("weights of %v on an input of %v in %d groups", w.Dims, x.Dims, groups)
	}
	if b := in[2]; b != nil && len(b.Floats) != out {
		return nil, fmt.Errorf("a bias of %v on %d channels", b.Dims, out)
	}
	y, err := floatArray(batch, out, g.h, g.w)
	if err != nil {
		return nil, err
	}
	each, plane, area := w.Dims[1], x.Dims[2]*x.Dims[3], g.h*g.w
	parallel(batch*out, func(job int) {
		img, o := job/out, job%out
		to := y.Floats[job*area : (job+1)*area]
		if in[2] != nil {
			for i := range to {
				to[i] = in[2].Floats[o]
			}
		}
		taps := w.Floats[o*each*g.kernel[0]*g.kernel[1]:]
		for c := range each {
			from := x.Floats[(img*channels+o/(out/groups)*each+c)*plane:][:plane]
			g.accumulate(to, from, taps[c*g.kernel[0]*g.kernel[1]:], x.Dims[2], x.Dims[3])
		}
	})
	return one(y), nil
}

// accumulate adds what one input plane gives one output plane.
func (g *geometry) accumulate(to, from, taps []float32, h, w int) {
	if g.kernel == [2]int{1, 1} && g.stride == [2]int{1, 1} && g.h == h && g.w == w {
		axpy(to, from, taps[0])
		return
	}
	for ky := range g.kernel[0] {
		y0, y1 := span(ky, g.top, g.stride[0], g.h, h)
		for kx := range g.kernel[1] {
			tap := taps[ky*g.kernel[1]+kx]
			x0, x1 := span(kx, g.left, g.stride[1], g.w, w)
			if x0 == x1 {
				continue
			}
			for y := y0; y < y1; y++ {
				line := from[(y*g.stride[0]+ky-g.top)*w:][:w]
				row := to[y*g.w+x0 : y*g.w+x1]
				at := x0*g.stride[1] + kx - g.left
				if g.stride[1] == 1 {
					axpy(row, line[at:], tap)
					continue
				}
				for i := range row {
					row[i] += tap * line[at+i*g.stride[1]]
				}
			}
		}
	}
}

func axpy(to, from []float32, v float32) {
	from = from[:len(to)]
	for i, x := range from {
		to[i] += v * x
	}
}

func maxPool(n *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	if err := ranked(x, Float32, 4); err != nil {
		return nil, err
	}
	g, err := newGeometry(n, x)
	if err != nil {
		return nil, err
	}
	y, err := floatArray(x.Dims[0], x.Dims[1], g.h, g.w)
	if err != nil {
		return nil, err
	}
	h, w := x.Dims[2], x.Dims[3]
	parallel(x.Dims[0]*x.Dims[1], func(p int) {
		from, to := x.Floats[p*h*w:], y.Floats[p*g.h*g.w:][:g.h*g.w]
		for i := range to {
			best := float32(math.Inf(-1))
			for ky := range g.kernel[0] {
				for kx := range g.kernel[1] {
					iy, ix := i/g.w*g.stride[0]+ky-g.top, i%g.w*g.stride[1]+kx-g.left
					if iy >= 0 && iy < h && ix >= 0 && ix < w {
						best = max(best, from[iy*w+ix])
					}
				}
			}
			to[i] = best
		}
	})
	return one(y), nil
}

func globalAveragePool(_ *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	if err := ranked(x, Float32, 4); err != nil {
		return nil, err
	}
	y, err := floatArray(x.Dims[0], x.Dims[1], 1, 1)
	if err != nil {
		return nil, err
	}
	area := x.Dims[2] * x.Dims[3]
	for p := range y.Floats {
		sum := 0.0
		for _, v := range x.Floats[p*area : (p+1)*area] {
			sum += float64(v)
		}
		y.Floats[p] = float32(sum / float64(area))
	}
	return one(y), nil
}

// gemm is x w^T + b, which transB says.
func gemm(n *Node, in []*Array) ([]*Array, error) {
	x, w, b := in[0], in[1], in[2]
	if err := errors.Join(ranked(x, Float32, 2), ranked(w, Float32, 2), ranked(b, Float32, 1)); err != nil {
		return nil, err
	}
	k, out := x.Dims[1], w.Dims[0]
	if n.attr("transB").I != 1 || w.Dims[1] != k || b.Dims[0] != out {
		return nil, fmt.Errorf("%v times the transpose of %v plus %v", x.Dims, w.Dims, b.Dims)
	}
	y, err := floatArray(x.Dims[0], out)
	if err != nil {
		return nil, err
	}
	for i := range y.Floats {
		row, col := x.Floats[i/out*k:][:k], w.Floats[i%out*k:][:k]
		sum := float64(b.Floats[i%out])
		for j, v := range row {
			sum += float64(v) * float64(col[j])
		}
		y.Floats[i] = float32(sum)
	}
	return one(y), nil
}

// matMul multiplies stacks of matrices, or a stack by one matrix.
func matMul(_ *Node, in []*Array) ([]*Array, error) {
	a, b := in[0], in[1]
	ra, rb := len(a.Dims), len(b.Dims)
	if a.elem() != Float32 || b.elem() != Float32 || ra < 2 || rb < 2 || rb > 2 && ra != rb {
		return nil, fmt.Errorf("%v times %v", a.Dims, b.Dims)
	}
	m, k, n := a.Dims[ra-2], a.Dims[ra-1], b.Dims[rb-1]
	stack := 1
	for i, d := range a.Dims[:ra-2] {
		if stack *= d; rb > 2 && b.Dims[i] != d {
			return nil, fmt.Errorf("%v times %v", a.Dims, b.Dims)
		}
	}
	y, err := floatArray(append(append([]int(nil), a.Dims[:ra-1]...), n)...)
	if err != nil || b.Dims[rb-2] != k {
		return nil, errors.Join(err, fmt.Errorf("%v times %v", a.Dims, b.Dims))
	}
	parallel(stack*m, func(r int) {
		from := b.Floats
		if rb > 2 {
			from = from[r/m*k*n:]
		}
		to := y.Floats[r*n : (r+1)*n]
		for j, v := range a.Floats[r*k : (r+1)*k] {
			axpy(to, from[j*n:], v)
		}
	})
	return one(y), nil
}

func batchNormalization(n *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	if err := ranked(x, Float32, 4); err != nil {
		return nil, err
	}
	for _, p := range in[1:] {
		if len(p.Floats) != x.Dims[1] {
			return nil, fmt.Errorf("parameters of %v on %d channels", p.Dims, x.Dims[1])
		}
	}
	y, err := floatArray(x.Dims...)
	if err != nil {
		return nil, err
	}
	area := x.Dims[2] * x.Dims[3]
	for i, v := range x.Floats {
		c := i / area % x.Dims[1]
		scale := float64(in[1].Floats[c]) / math.Sqrt(float64(in[4].Floats[c])+float64(n.attr("epsilon").F))
		y.Floats[i] = float32((float64(v)-float64(in[3].Floats[c]))*scale + float64(in[2].Floats[c]))
	}
	return one(y), nil
}

// rows checks that an operator works along the last axis, and gives its length.
func rows(n *Node, x *Array) (int, error) {
	if x.elem() != Float32 || len(x.Dims) == 0 || n.attr("axis").I != -1 {
		return 0, errors.New("the axis is not the last of a float32 input")
	}
	return max(x.Dims[len(x.Dims)-1], 1), nil
}

func layerNormalization(n *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	c, err := rows(n, x)
	if err != nil || len(in[1].Floats) != c || len(in[2].Floats) != c {
		return nil, errors.Join(err, fmt.Errorf("weight of %v and bias of %v on %v", in[1].Dims, in[2].Dims, x.Dims))
	}
	y, err := floatArray(x.Dims...)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(x.Floats); at += c {
		row, mean, variance := x.Floats[at:at+c], 0.0, 0.0
		for _, v := range row {
			mean += float64(v) / float64(c)
		}
		for _, v := range row {
			variance += (float64(v) - mean) * (float64(v) - mean) / float64(c)
		}
		inv := 1 / math.Sqrt(variance+float64(n.attr("epsilon").F))
		for j, v := range row {
			y.Floats[at+j] = float32((float64(v)-mean)*inv*float64(in[1].Floats[j]) + float64(in[2].Floats[j]))
		}
	}
	return one(y), nil
}

func softmax(n *Node, in []*Array) ([]*Array, error) {
	x := in[0]
	c, err := rows(n, x)
	if err != nil {
		return nil, err
	}
	y, err := floatArray(x.Dims...)
	if err != nil {
		return nil, err
	}
	for at := 0; at < len(x.Floats); at += c {
		row, top, sum := x.Floats[at:at+c], float32(math.Inf(-1)), 0.0
		for _, v := range row {
			top = max(top, v)
		}
		for _, v := range row {
			sum += math.Exp(float64(v - top))
		}
		for j, v := range row {
			y.Floats[at+j] = float32(math.Exp(float64(v-top)) / sum)
		}
	}
	return one(y), nil
}

// parallel runs f for 0 to n-1 on all processors; each call writes its own results.
func parallel(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), n)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

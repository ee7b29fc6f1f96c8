package kernel

import "unsafe"

func moments(x unsafe.Pointer, xs, rows, c int, mean, m2 unsafe.Pointer) {
	sumRows(x, xs, rows, c, mean)
	mu, sq := floats(mean, c), floats(m2, c)
	for j := range mu {
		mu[j] /= float32(rows)
	}
	clear(sq)
	for i := range rows {
		for j, v := range row(x, xs, i, c) {
			d := v - mu[j]
			sq[j] += d * d
		}
	}
}

func scaleShift(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, r unsafe.Pointer, rs int, rows, c int, scale, shift unsafe.Pointer, lo float32) {
	sc, sh := floats(scale, c), floats(shift, c)
	for i := range rows {
		out, in := row(y, ys, i, c), row(x, xs, i, c)
		var add []float32
		if r != nil {
			add = row(r, rs, i, c)
		}
		for j, v := range in {
			v = v*sc[j] + sh[j]
			if add != nil {
				v += add[j]
			}
			if v < lo {
				v = lo
			}
			out[j] = v
		}
	}
}

// masked is the gradient at j: g[j], or 0 where a mask is not positive.
func masked(g, mask []float32, j int) float32 {
	if mask != nil && !(mask[j] > 0) {
		return 0
	}
	return g[j]
}

// maskRow is row i of z, or nil.
func maskRow(z unsafe.Pointer, zs, i, c int) []float32 {
	if z == nil {
		return nil
	}
	return row(z, zs, i, c)
}

func normGradSums(dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, x unsafe.Pointer, xs int, rows, c int, mean, sumDY, sumDYX unsafe.Pointer) {
	mu, s0, s1 := floats(mean, c), floats(sumDY, c), floats(sumDYX, c)
	clear(s0)
	clear(s1)
	for i := range rows {
		grad, mask, in := row(dy, dys, i, c), maskRow(z, zs, i, c), row(x, xs, i, c)
		for j := range grad {
			g := masked(grad, mask, j)
			s0[j] += g
			s1[j] += g * (in[j] - mu[j])
		}
	}
}

func normGrad(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, x unsafe.Pointer, xs int, rows, c int, a, b, d, mean unsafe.Pointer, gOut unsafe.Pointer, gs int) {
	fa, fb, fd, mu := floats(a, c), floats(b, c), floats(d, c), floats(mean, c)
	for i := range rows {
		out, grad, mask, in := row(dx, dxs, i, c), row(dy, dys, i, c), maskRow(z, zs, i, c), row(x, xs, i, c)
		var residual []float32
		if gOut != nil {
			residual = row(gOut, gs, i, c)
		}
		for j := range out {
			g := masked(grad, mask, j)
			if residual != nil {
				residual[j] = g
			}
			out[j] = fa[j]*g + (fb[j]*(in[j]-mu[j]) + fd[j])
		}
	}
}

func reluGrad(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, rows, c int) {
	for i := range rows {
		out, grad, mask := row(dx, dxs, i, c), row(dy, dys, i, c), row(z, zs, i, c)
		for j := range out {
			out[j] = masked(grad, mask, j)
		}
	}
}

func addRows(y unsafe.Pointer, ys int, a unsafe.Pointer, as int, b unsafe.Pointer, bs int, rows, c int) {
	for i := range rows {
		out, fa, fb := row(y, ys, i, c), row(a, as, i, c), row(b, bs, i, c)
		for j := range out {
			out[j] = fa[j] + fb[j]
		}
	}
}

func clampRows(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, lo, hi float32) {
	for i := range rows {
		out, in := row(y, ys, i, c), row(x, xs, i, c)
		for j, v := range in {
			out[j] = clamp(v, lo, hi)
		}
	}
}

func copyRows(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int) {
	for i := range rows {
		copy(row(y, ys, i, c), row(x, xs, i, c))
	}
}

func zeroRows(y unsafe.Pointer, ys int, rows, c int) {
	for i := range rows {
		clear(row(y, ys, i, c))
	}
}

func fillRows(y unsafe.Pointer, ys int, rows, c int, v unsafe.Pointer, scale float32) {
	values := floats(v, c)
	for i := range rows {
		out := row(y, ys, i, c)
		for j, v := range values {
			out[j] = v * scale
		}
	}
}

func sumRows(x unsafe.Pointer, xs, rows, c int, sum unsafe.Pointer) {
	s := floats(sum, c)
	clear(s)
	for i := range rows {
		for j, v := range row(x, xs, i, c) {
			s[j] += v
		}
	}
}

func avgRow(out, x unsafe.Pointer, xs, rows, c int, scale float32) {
	sumRows(x, xs, rows, c, out)
	s := floats(out, c)
	for j := range s {
		s[j] *= scale
	}
}

func maxPoolRow(out, args, rows unsafe.Pointer, n, c int) {
	y, in := floats(out, c), pointers(rows, n)
	var arg []uint8
	if args != nil {
		arg = unsafe.Slice((*uint8)(args), c)
		clear(arg)
	}
	copy(y, floats(in[0], c))
	for k := 1; k < n; k++ {
		for j, v := range floats(in[k], c) {
			if v > y[j] || v != v {
				y[j] = v
				if arg != nil {
					arg[j] = uint8(k)
				}
			}
		}
	}
}

func maxPoolGradRow(dx, entries unsafe.Pointer, n, c int) {
	out := floats(dx, c)
	clear(out)
	// The fields of a PoolEntry: two addresses, then a number.
	const word, size = unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(PoolEntry{})
	for e := range n {
		entry := unsafe.Add(entries, e*int(size))
		at := pointers(entry, 2)
		place := uint8(*(*uintptr)(unsafe.Add(entry, 2*word)))
		dy, arg := floats(at[0], c), unsafe.Slice((*uint8)(at[1]), c)
		for j, k := range arg {
			if k == place {
				out[j] += dy[j]
			}
		}
	}
}

func sgd(w, v, dw unsafe.Pointer, n int, lr, momentum, decay, gscale float32, first bool) {
	if n == 0 {
		return
	}
	weights, grads := floats(w, n), floats(dw, n)
	if v == nil {
		for i := range weights {
			weights[i] -= lr * (grads[i]*gscale + decay*weights[i])
		}
		return
	}
	velocity := floats(v, n)
	for i := range weights {
		d := grads[i]*gscale + decay*weights[i]
		if !first {
			d += momentum * velocity[i]
		}
		velocity[i] = d
		weights[i] -= lr * d
	}
}

func transpose(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss int, rows, cols int) {
	for i := range rows {
		for j, v := range row(src, ss, i, cols) {
			*(*float32)(unsafe.Add(dst, j*ds+i*4)) = v
		}
	}
}

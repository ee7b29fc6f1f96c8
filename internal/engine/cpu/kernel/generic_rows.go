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

func dropout(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, first, step, key, limit int, scale float32) {
	for i := range rows {
		out, in := row(y, ys, i, c), row(x, xs, i, c)
		for j, v := range in {
			h := uint32(first+i*step+j) + uint32(key)
			h = (h ^ h>>16) * 0x21f0aaad
			h = (h ^ h>>15 ^ uint32(key>>32)) * 0x735a2d97
			if out[j] = v * scale; h^h>>15 < uint32(limit) {
				out[j] = 0
			}
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

func copyAside(y, x unsafe.Pointer, n int) { copy(floats(y, n), floats(x, n)) }

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

// ints are the n numbers of row i of a table.
func ints(table unsafe.Pointer, i, n int) []int32 {
	return unsafe.Slice((*int32)(unsafe.Add(table, i*n*4)), n)
}

func maxPool(y, args, x, table unsafe.Pointer, pixels, n, c int) {
	for p := range pixels {
		at := ints(table, p, 2+n)
		out := floats(unsafe.Add(y, int(at[0])), c)
		var arg []uint8
		if args != nil {
			arg = unsafe.Slice((*uint8)(unsafe.Add(args, int(at[1]))), c)
			clear(arg)
		}
		copy(out, floats(unsafe.Add(x, int(at[2])), c))
		for k := 1; k < n; k++ {
			for j, v := range floats(unsafe.Add(x, int(at[2+k])), c) {
				if v > out[j] || v != v {
					out[j] = v
					if arg != nil {
						arg[j] = uint8(k)
					}
				}
			}
		}
	}
}

func maxPoolGrad(dx, dy, args, table unsafe.Pointer, pixels, n, c int) {
	for p := range pixels {
		at := ints(table, p, 1+3*n)
		out := floats(unsafe.Add(dx, int(at[0])), c)
		clear(out)
		for k := range n {
			grad, arg := floats(unsafe.Add(dy, int(at[1+3*k])), c), unsafe.Slice((*uint8)(unsafe.Add(args, int(at[2+3*k]))), c)
			for j, number := range arg {
				if int32(number) == at[3+3*k] {
					out[j] += grad[j]
				}
			}
		}
	}
}

func transpose(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss int, rows, cols int) {
	for i := range rows {
		for j, v := range row(src, ss, i, cols) {
			*(*float32)(unsafe.Add(dst, j*ds+i*4)) = v
		}
	}
}

func strassenSums(s unsafe.Pointer, ss int, a, b, d, e unsafe.Pointer, c int) {
	fa, fb, fd, fe := floats(a, c), floats(b, c), floats(d, c), floats(e, c)
	s0, s1, s2, s3 := row(s, ss, 0, c), row(s, ss, 1, c), row(s, ss, 2, c), row(s, ss, 3, c)
	for j := range c {
		s0[j] = fd[j] + fe[j]
		s1[j] = s0[j] - fa[j]
		s2[j] = fa[j] - fd[j]
		s3[j] = fb[j] - s1[j]
	}
}

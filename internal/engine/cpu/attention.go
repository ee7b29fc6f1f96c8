package cpu

import (
	"math"
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Attention, Vaswani et al. 2017: a head of a sample an item. Its products run on the
// tiles that convolutions run on; keys and values are packed into a worker's memory,
// where the scores live too. The gradient computes the scores again.

// An attention is what both directions know.
type attention struct {
	set                     *kernel.Set
	x                       *tensor // queries, keys and values side by side
	tokens, heads, depth, c int
}

func (l *lowering) attention(n *graph.Node) attention {
	a := attention{l.set, l.in(n, 0), n.Out.W, n.Heads, n.Out.C / n.Heads, n.Out.C}
	l.net.tableRows = max(l.net.tableRows, 2*a.tokens+l.set.MR)
	l.net.tableOut = max(l.net.tableOut, a.tokens)
	return a
}

func (a *attention) items(n int) int { return n * a.heads }

// width is the columns of a row of scores: whole panels of tokens.
func (a *attention) width() int { return roundUp(a.tokens, a.set.NR) }

// wide is the columns of a row of values: whole panels of channels.
func (a *attention) wide() int { return roundUp(a.depth, a.set.NR) }

// part is the address of an item's queries (0), keys (1) or values (2) in t.
func (a *attention) part(t *tensor, item, which int) unsafe.Pointer {
	return unsafe.Add(t.row(item/a.heads*a.tokens), (which*a.c+item%a.heads*a.depth)*4)
}

// parts cuts a worker's scratch memory.
func parts(scratch []float32, sizes ...int) (list [4]unsafe.Pointer) {
	for i, n := range sizes {
		list[i] = unsafe.Pointer(&scratch[0])
		scratch = scratch[roundUp(n, line/4):]
	}
	return list
}

// product is out = rows b: n rows of k values, from and to strided memory, times
// packed panels, of which columns are stored.
func (w *worker) product(set *kernel.Set, rows unsafe.Pointer, rs, n, k int, b, out unsafe.Pointer, os, columns int) {
	at := 0
	for m := 0; m < n; {
		for range set.Rows[set.First(n-m)] {
			w.rows[at] = uintptr(rows) + uintptr(m*rs)
			w.out[m] = uintptr(out) + uintptr(m*os)
			at, m = at+1, m+1
		}
		w.rows[at] = 0
		at++
	}
	a := &w.tile
	a.Taps, a.K, a.Lo, a.Hi, a.AddFlag, a.Bias = 1, k, -inf, inf, 0, nil
	for j := 0; j < columns; j += set.NR {
		a.B = unsafe.Add(b, j*k*4)
		a.OutOff, a.Width = j*4, min(set.NR, columns-j)
		w.multiply(set, n, false, nil)
	}
}

// outer is out[r] = sum over i of x[i][r] y[i] for r < n, rows of columns values; out
// needs room for whole kernels of rows.
func (w *worker) outer(set *kernel.Set, x unsafe.Pointer, xs, n int, y unsafe.Pointer, ys int, out unsafe.Pointer, os, columns int) {
	for i := range n {
		w.rows[i] = uintptr(x) + uintptr(i*xs)
	}
	a := &w.grad
	a.X, a.YStride, a.CStride, a.P, a.Acc = unsafe.Pointer(&w.rows[0]), ys, os, n, 0
	for j := 0; j < columns; j += set.NR {
		a.Y, a.Width = unsafe.Add(y, j*4), min(set.NR, columns-j)
		for r, v := 0, 0; r < n; r += set.GradRows[v] {
			for v+1 < len(set.GradRows) && set.GradRows[v] > n-r {
				v++
			}
			a.XOff, a.C = r*4, unsafe.Add(out, r*os+j*4)
			a.Next, a.NextStride = a.Y, 0
			set.TileGrad[v](a)
		}
	}
}

// packColumns makes panels of tokens' rows, channels downwards: [panel][depth][NR].
func (a *attention) packColumns(dst, src unsafe.Pointer) {
	nr, stride := a.set.NR, a.x.stride
	for t := 0; t < a.tokens; t += nr {
		panel, n := unsafe.Add(dst, t*a.depth*4), min(nr, a.tokens-t)
		whole := n / vec * vec
		if whole > 0 {
			a.set.Transpose(panel, nr*4, unsafe.Add(src, t*stride), stride, whole, a.depth)
		}
		for r := whole; r < n; r++ {
			row := unsafe.Slice((*float32)(unsafe.Add(src, (t+r)*stride)), a.depth)
			to := unsafe.Slice((*float32)(panel), a.depth*nr)
			for j, v := range row {
				to[j*nr+r] = v
			}
		}
	}
}

// packRows makes panels of channels, tokens downwards: [panel][tokens][NR].
func (a *attention) packRows(dst, src unsafe.Pointer) {
	nr := a.set.NR
	for j := 0; j < a.depth; j += nr {
		a.set.CopyRows(unsafe.Add(dst, j*a.tokens*4), nr*4, unsafe.Add(src, j*4), a.x.stride, a.tokens, min(nr, a.depth-j))
	}
}

// weights writes the softmax of every query's scores, a row of width values each.
func (a *attention) weights(w *worker, item int, scores, pack unsafe.Pointer) {
	a.packColumns(pack, a.part(a.x, item, 1))
	w.product(a.set, a.part(a.x, item, 0), a.x.stride, a.tokens, a.depth, pack, scores, a.width()*4, a.width())
	scale := float32(1 / math.Sqrt(float64(a.depth)))
	for t := range a.tokens {
		at := unsafe.Add(scores, t*a.width()*4)
		row := unsafe.Slice((*float32)(at), a.width())
		clear(row[a.tokens:])
		row = row[:a.tokens]
		most := row[0]
		for _, v := range row {
			most = max(most, v)
		}
		for s, v := range row {
			row[s] = (v - most) * scale
		}
		// exp(x) is s/(1-s) of the logistic function s, and s at most a half here.
		a.set.Activate(at, 0, at, 0, 1, roundUp(a.tokens, vec), kernel.Sigmoid)
		total := float32(0)
		for s, v := range row {
			e := v / (1 - v)
			row[s] = e
			total += e
		}
		total = 1 / total
		for s := range row {
			row[s] *= total
		}
	}
}

// An attentionTask is softmax(Q Kᵀ/√depth) V.
type attentionTask struct {
	attention
	y *tensor
}

func (t *attentionTask) sizes() (scores, pack int) {
	return t.tokens * t.width(), max(t.depth*t.width(), t.tokens*t.wide())
}

func (t *attentionTask) run(w *worker, item, _ int) {
	scores, pack := t.sizes()
	p := parts(w.scratch, scores, pack)
	t.weights(w, item, p[0], p[1])
	t.packRows(p[1], t.part(t.x, item, 2))
	w.product(t.set, p[0], t.width()*4, t.tokens, t.tokens, p[1], t.part(t.y, item, 0), t.y.stride, t.depth)
}

// An attentionGradTask is its gradient, of all three: with the weights P,
//
//	dV = Pᵀ dY,  dP = dY Vᵀ,  dS = P (dP - rowsum(P dP))/√depth,  dQ = dS K,  dK = dSᵀ Q
type attentionGradTask struct {
	attention
	dx, dy *tensor
}

func (t *attentionGradTask) sizes() (scores, pack, sums int) {
	return t.tokens * t.width(), max(t.depth*t.width(), t.tokens*t.wide()), (t.tokens + t.set.GradRows[0]) * t.depth
}

func (t *attentionGradTask) run(w *worker, item, _ int) {
	scores, pack, sums := t.sizes()
	p := parts(w.scratch, scores, scores, pack, sums)
	weights, ds, row := p[0], p[1], t.width()*4
	dy := t.part(t.dy, item, 0)
	t.weights(w, item, weights, p[2])
	t.packColumns(p[2], t.part(t.x, item, 2))
	w.product(t.set, dy, t.dy.stride, t.tokens, t.depth, p[2], ds, row, t.width())
	t.scores(weights, ds)

	t.packRows(p[2], t.part(t.x, item, 1))
	w.product(t.set, ds, row, t.tokens, t.tokens, p[2], t.part(t.dx, item, 0), t.dx.stride, t.depth)
	w.outer(t.set, ds, row, t.tokens, t.part(t.x, item, 0), t.x.stride, p[3], t.depth*4, t.depth)
	t.set.CopyRows(t.part(t.dx, item, 1), t.dx.stride, p[3], t.depth*4, t.tokens, t.depth)
	w.outer(t.set, weights, row, t.tokens, dy, t.dy.stride, p[3], t.depth*4, t.depth)
	t.set.CopyRows(t.part(t.dx, item, 2), t.dx.stride, p[3], t.depth*4, t.tokens, t.depth)
}

// scores turns the weights' gradient into that of the scores.
func (t *attentionGradTask) scores(weights, ds unsafe.Pointer) {
	scale := float32(1 / math.Sqrt(float64(t.depth)))
	for i := range t.tokens {
		at := i * t.width() * 4
		p, d := unsafe.Slice((*float32)(unsafe.Add(weights, at)), t.tokens), unsafe.Slice((*float32)(unsafe.Add(ds, at)), t.tokens)
		var a, b float32
		for j := 0; j+1 < len(p); j += 2 {
			a += p[j] * d[j]
			b += p[j+1] * d[j+1]
		}
		if n := len(p); n%2 == 1 {
			a += p[n-1] * d[n-1]
		}
		mean := a + b
		for j, v := range p {
			d[j] = v * (d[j] - mean) * scale
		}
	}
}

// need makes the workers' scratch memory large enough for parts of these sizes.
func (l *lowering) need(sizes ...int) {
	n := 0
	for _, s := range sizes {
		n += roundUp(s, line/4)
	}
	l.net.scratchFloats = max(l.net.scratchFloats, n+line/4)
}

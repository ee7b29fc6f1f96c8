package cpu

import (
	"unsafe"

	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Strassen's algorithm in Winograd's form (Strassen 1969; Higham 2002, section 23.1): a product of matrices cut into
// quarters takes seven products of quarters for eight. Here the product is a convolution at inference: rows
// are pixels, the first half of a sample's and the second, so that a picture's bits do not depend on
// those beside it; columns are the halves of the channels in, of every tap, and of those out.
//
//	S1 = A21 + A22   T1 = B12 - B11   P1 = A11*B11   U2  = P1 + S2*T2
//	S2 = S1 - A11    T2 = B22 - T1    P5 = S1*T1     U3  = U2 + S3*T3
//	S3 = A11 - A21   T3 = B22 - B12                  C11 = P1 + A12*B21   C12 = U2 + P5 + S4*B22
//	S4 = A12 - S2    T4 = B21 - T2                   C21 = U3 + A22*T4    C22 = U3 + P5
//
// The fifteen additions of the textbook are few here: T1 to T4 are made with the weights, what the products carry
// to one another stays in the first-level cache, and S1 to S4 are made once a block of pixels for all outputs.

const (
	strassenBatch    = 4    // pictures; with fewer, weights are what is waited for, and there are 7/4 as many
	strassenChannels = 128  // in and out, below which making the sums costs what the products save
	strassenRows     = 4096 // of weights, taps and channels in, from which on a block is too few pixels to pay for reading 7/4 of them
	strassenProducts = 7

	// strassenBlock is about the bytes that a block of pixels multiplies: they stay in the second-level cache.
	strassenBlock = 256 << 10
)

// The rows that are multiplied: four that lie in the input and the sums.
const (
	a11 = iota
	a12
	a22
	s1
	s2
	s3
	s4
	strassenOperands
)

// The weights, in the order in which they lie.
const (
	b11 = iota
	b21
	t2
	t1
	b22
	t3
	t4
)

// A strassenTask is a gatherTask by Strassen's algorithm.
type strassenTask struct {
	gatherTask
	half  int     // pixels of a sample's first half, the middle one of an odd number included
	pairs int     // of pixels, in a block
	u     *tensor // weights: [panels/2][7][taps][k/2][NR]
}

// strassen says whether Strassen's algorithm makes a convolution faster.
func (l *lowering) strassen(n *graph.Node, t *gatherTask) bool {
	return n.Op == graph.Conv && n.In[0] != 0 && n.Window.Groups == 1 && !l.net.direct && l.net.batch >= strassenBatch &&
		t.set.Strassen && t.in.value == 4 && t.in.c >= strassenChannels && t.out.c >= strassenChannels &&
		t.taps*t.k < strassenRows && t.in.c%(2*vec) == 0 && t.out.c%(2*t.set.NR) == 0
}

// quartered makes a strassenTask of t, with the task that makes its weights, which norm
// scales unless it is nil.
func (l *lowering) quartered(t *gatherTask, norm *normState, u *tensor) (*strassenTask, *strassenWeightTask) {
	s := &strassenTask{gatherTask: *t, half: (t.classes[0].count + 1) / 2, u: u}
	mr := t.set.MR
	s.pairs = mr * max(2, min(strassenBlock/(strassenOperands*s.rowBytes()*t.taps)/mr, 96/mr))
	l.net.planeFloats = max(l.net.planeFloats, s.scratchFloats())
	l.net.tableRows = max(l.net.tableRows, 2*strassenOperands*t.taps*(s.pairs+mr))
	l.net.tableOut = max(l.net.tableOut, 2*s.pairs+carried*mr)
	l.net.zeroFloats = max(l.net.zeroFloats, t.k)
	return s, &strassenWeightTask{src: t.weights, taps: t.taps, k: t.k, nr: t.set.NR, panels: t.panels, norm: norm, u: u}
}

func (t *strassenTask) cut(n int) (blocks, groups int) {
	blocks = (n*t.half + t.pairs - 1) / t.pairs
	return blocks, t.groups(blocks, t.panels/2)
}

func (t *strassenTask) items(n int) int {
	blocks, groups := t.cut(n)
	return blocks * groups
}

// rowBytes is half a pixel's channels, sumStride the bytes from one row of sums to the next: a line more,
// so that a tile's rows do not fall into the same set of the cache.
func (t *strassenTask) rowBytes() int  { return t.k / 2 * 4 }
func (t *strassenTask) sumStride() int { return t.rowBytes() + line }

// sumBytes is the sums of a block, tileBytes a tile of sums that one product leaves to another.
func (t *strassenTask) sumBytes() int  { return 4 * t.pairs * t.taps * t.sumStride() }
func (t *strassenTask) tileBytes() int { return t.set.MR * t.set.NR * 4 }

// scratchFloats is what a worker needs.
func (t *strassenTask) scratchFloats() int { return (t.sumBytes() + carried*t.tileBytes()) / 4 }

func (t *strassenTask) run(w *worker, item, n int) {
	blocks, groups := t.cut(n)
	block, group := item%blocks, item/blocks
	m0 := block * t.pairs
	m1 := min(m0+t.pairs, n*t.half)
	t.table(w, m0, m1)
	t.multiply(w, m1-m0, t.panels/2*group/groups, t.panels/2*(group+1)/groups)
}

// table makes the sums of pairs [m0, m1) and the worker's tables: of rows, tile by tile, operand
// by operand and tap by tap; of outputs, the pairs' first and then their second.
func (t *strassenTask) table(w *worker, m0, m1 int) {
	c, zero := &t.classes[0], uintptr(t.zeros)
	half, stride := uintptr(t.rowBytes()), t.sumStride()
	sums := unsafe.Pointer(&w.planes[0])
	at := 0
	sample, px := m0/t.half, m0%t.half
	for m := m0; m < m1; {
		mr := t.set.Rows[t.set.First(m1-m)]
		operand := t.taps * (mr + 1)
		for r := range mr {
			partner := px + t.half
			if partner == c.count {
				partner = px // in the middle of an odd number
			}
			in, out := t.in.addr()+uintptr(sample*t.in.bytes), t.out.addr()+uintptr(sample*t.out.bytes)
			first, second := c.offs[px*t.taps:], c.offs[partner*t.taps:]
			for i := range t.taps {
				x, y := zero, zero
				if o := first[i]; o >= 0 {
					x = in + uintptr(o)
				}
				if o := second[i]; o >= 0 {
					y = in + uintptr(o)
				}
				t.set.StrassenSums(sums, stride, address(x), address(x+half), address(y), address(y+half), t.k/2)
				table := w.rows[at+i*(mr+1)+r:]
				table[a11*operand], table[a12*operand], table[a22*operand] = x, x+half, y+half
				for s := range 4 {
					table[(s1+s)*operand] = uintptr(sums)
					sums = unsafe.Add(sums, stride)
				}
			}
			w.out[m+r-m0] = out + uintptr(px*t.out.stride)
			w.out[t.pairs+m+r-m0] = out + uintptr(partner*t.out.stride)
			if px++; px == t.half {
				sample, px = sample+1, 0
			}
		}
		for o := range strassenOperands {
			for i, tap := range c.taps {
				w.rows[at+o*operand+i*(mr+1)+mr] = uintptr(int(tap) * t.tapBytes / 2)
			}
		}
		at += strassenOperands * operand
		m += mr
	}
	for i := range carried {
		for r := range t.set.MR {
			w.out[2*t.pairs+i*t.set.MR+r] = uintptr(t.left(w, i)) + uintptr(r*t.set.NR*4)
		}
	}
}

// The sums that products leave to one another.
const (
	p1 = iota
	p5
	u2
	u3
	carried
	nothing = -1
)

// A strassenStep is a product, the sums that it goes on from, and where it goes: to others, or to the outputs
// of the first or the second rows, in the left half of the panels or the right.
type strassenStep struct {
	operand, weight int
	from            [2]int
	to              int // or nothing
	second, right   bool
}

var strassenSteps = [...]strassenStep{
	{a11, b11, [2]int{nothing, nothing}, p1, false, false},
	{a12, b21, [2]int{p1, nothing}, nothing, false, false},
	{s2, t2, [2]int{p1, nothing}, u2, false, false},
	{s1, t1, [2]int{nothing, nothing}, p5, false, false},
	{s4, b22, [2]int{u2, p5}, nothing, false, true},
	{s3, t3, [2]int{u2, nothing}, u3, false, false},
	{a22, t4, [2]int{u3, nothing}, nothing, true, false},
	{nothing, nothing, [2]int{u3, p5}, nothing, true, true},
}

// multiply computes pairs of output rows in panels [j0, j1) and in those half the outputs further.
func (t *strassenTask) multiply(w *worker, pairs, j0, j1 int) {
	for j := j0; j < j1; j++ {
		t.prepare(w, j)
		table := unsafe.Pointer(&w.rows[0])
		for m := 0; m < pairs; {
			v := t.set.First(pairs - m)
			mr, tile := t.set.Rows[v], t.set.Tile[v]
			operand := t.taps * (mr + 1) * 8
			for i := range strassenSteps {
				s, a := &strassenSteps[i], &w.steps[i]
				if a.Rows = table; s.operand >= 0 {
					a.Rows = unsafe.Add(table, s.operand*operand)
				}
				if s.to == nothing {
					at := m
					if s.second {
						at += t.pairs
					}
					if a.Out, a.Next = unsafe.Pointer(&w.out[at]), nil; m+2*mr <= pairs {
						a.Next = unsafe.Pointer(&w.out[at+mr])
					}
				}
				tile(a)
			}
			table = unsafe.Add(table, strassenOperands*operand)
			m += mr
		}
	}
}

// prepare fills in what the products of a panel, and of that half the outputs further, have in common
// for all rows.
func (t *strassenTask) prepare(w *worker, j int) {
	nr := t.set.NR
	for i, s := range strassenSteps {
		a := &w.steps[i]
		*a = kernel.TileArgs{Taps: t.taps, K: t.k / 2, Width: nr, Lo: -inf, Hi: inf}
		if s.operand == nothing {
			a.K = 0
		}
		a.B = unsafe.Add(t.u.base, (j*strassenProducts+max(s.weight, 0))*t.taps*t.tapBytes/2)
		for i, c := range s.from {
			if c != nothing {
				a.Carry[i] = t.left(w, c)
			}
		}
		if s.to != nothing {
			a.Out = unsafe.Pointer(&w.out[2*t.pairs+s.to*t.set.MR])
			continue
		}
		panel := j
		if s.right {
			panel += t.panels / 2
		}
		a.OutOff = panel * nr * 4
		if t.bias != nil {
			a.Bias = unsafe.Add(t.bias, panel*nr*4)
		}
		if t.add != nil {
			a.AddFlag, a.AddDelta = 1, int(t.add.addr()-t.out.addr())
		}
		a.Lo, a.Hi = t.lo, t.hi
	}
}

// left is where the sums lie that one product leaves to others.
func (t *strassenTask) left(w *worker, i int) unsafe.Pointer {
	return unsafe.Add(unsafe.Pointer(&w.planes[0]), t.sumBytes()+i*t.tileBytes())
}

// A strassenWeightTask makes the weights of a strassenTask, a pair of panels an item.
type strassenWeightTask struct {
	src                 unsafe.Pointer // panels of taps of k rows
	taps, k, nr, panels int
	norm                *normState // scales the outputs, or nil
	u                   *tensor
}

func (t *strassenWeightTask) items(int) int { return t.panels / 2 }

func (t *strassenWeightTask) run(_ *worker, j, _ int) {
	n := t.k / 2 * t.nr
	other := j + t.panels/2
	panel := func(j int) []float32 {
		return unsafe.Slice((*float32)(unsafe.Add(t.src, j*t.taps*2*n*4)), t.taps*2*n)
	}
	for tap := range t.taps {
		var u [strassenProducts][]float32
		for i := range u {
			u[i] = unsafe.Slice((*float32)(unsafe.Add(t.u.base, ((j*strassenProducts+i)*t.taps+tap)*n*4)), n)
		}
		left, right := panel(j)[tap*2*n:], panel(other)[tap*2*n:]
		for i := range n {
			l, r := float32(1), float32(1)
			if t.norm != nil {
				l, r = t.norm.scale[j*t.nr+i%t.nr], t.norm.scale[other*t.nr+i%t.nr]
			}
			w11, w21, w12, w22 := left[i]*l, left[n+i]*l, right[i]*r, right[n+i]*r
			u[b11][i], u[b21][i], u[b22][i] = w11, w21, w22
			u[t1][i] = w12 - w11
			u[t2][i] = w22 - u[t1][i]
			u[t3][i] = w22 - w12
			u[t4][i] = w21 - u[t2][i]
		}
	}
}

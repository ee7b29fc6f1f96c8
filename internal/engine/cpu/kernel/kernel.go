// Package kernel holds the innermost loops of the CPU engine: the tiles of
// matrix multiplication that every convolution and linear layer is made of, and
// the passes over rows of channels around them.
//
// A [Set] has all of them for one instruction set; [Select] picks the set for
// this processor. The comment of each field is the loop it computes: the Go
// fallback ("generic") is that loop, and the assembly, written by the program in
// gen, is tested against it.
//
// Kernels know addresses, strides and counts. They know no layers, no threads and
// no memory plan, allocate nothing and check nothing: callers promise that what
// the arguments name exists. Activations are rows of channels, one row a pixel,
// in float32; a channel count c is a multiple of 8, a row count at least 1, a
// stride the bytes from one row to the next. Addresses need the alignment of a
// float32 only. Operands are disjoint except where a comment says otherwise, and
// then an output is the very same rows as the operand it aliases.
//
// A kernel's result depends on its arguments only, not on where they lie or on
// how many rows or columns are computed beside a value: every value is one chain
// of operations in the order of the reference loop. Sets may differ from each
// other in the last bits, since some fuse multiplication and addition.
//
// Tables hold addresses as uintptr, which keeps nothing alive: their targets must
// be reachable by other means during the call.
package kernel

import "unsafe"

//go:generate go run ./gen

// A Set is the kernels for one instruction set.
type Set struct {
	Name string // "avx512", "avx2", "neon" or "generic"

	// MR rows by NR columns is the largest tile. NR is the width of packed panels.
	MR, NR int

	// Winograd says that Winograd's transforms are fast enough to pay.
	Winograd bool

	// Strassen says that Tile heeds Carry, and that Strassen's algorithm is faster than eight products.
	Strassen bool

	// Slides is the most lines at a time that Depthwise3 and Depthwise3Grad take, 0 where
	// they, and those of 5x5 taps, are no faster than Depthwise and DepthwiseGrad.
	Slides int

	// Rows are the row counts that Tile has kernels for, descending from MR to 1:
	// Tile[i] computes Rows[i] rows. cuts is First's. GradRows are those of TileGrad.
	Rows     []int
	cuts     cuts
	Tile     []func(*TileArgs)
	GradRows []int
	TileGrad []func(*GradArgs)

	// Moments finds each channel's mean and sum of squared deviations over a chunk
	// of rows, in two passes: the chunk should fit the cache.
	//
	//	mean[j] = (sum over i of x[i][j]) / rows
	//	m2[j] = sum over i of (x[i][j] - mean[j])²
	Moments func(x unsafe.Pointer, xs, rows, c int, mean, m2 unsafe.Pointer)

	// ScaleShift normalises, adds a residual r unless it is nil, and clamps from
	// below; NaN stays NaN. y may alias x or r.
	//
	//	y[i][j] = max(x[i][j]*scale[j] + shift[j] + r[i][j], lo)
	ScaleShift func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, r unsafe.Pointer, rs int, rows, c int, scale, shift unsafe.Pointer, lo float32)

	// NormGradSums finds the two sums that the gradient of normalisation needs.
	// The gradient g is dy where z is positive, else 0; if z is nil, it is dy.
	//
	//	sumDY[j] = sum over i of g[i][j]
	//	sumDYX[j] = sum over i of g[i][j] * (x[i][j] - mean[j])
	NormGradSums func(dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, x unsafe.Pointer, xs int, rows, c int, mean, sumDY, sumDYX unsafe.Pointer)

	// NormGrad is the gradient of normalisation, with g as for NormGradSums. Unless
	// gOut is nil it gets g, the gradient of the residual. dx may alias x or dy,
	// gOut may alias dy, but dx and gOut are disjoint.
	//
	//	dx[i][j] = a[j]*g[i][j] + (b[j]*(x[i][j] - mean[j]) + d[j])
	//	gOut[i][j] = g[i][j]
	NormGrad func(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, x unsafe.Pointer, xs int, rows, c int, a, b, d, mean unsafe.Pointer, gOut unsafe.Pointer, gs int)

	// ReluGrad is the gradient of a ReLU by its output. dx may alias dy or z.
	//
	//	dx[i][j] = z[i][j] > 0 ? dy[i][j] : 0
	ReluGrad func(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, z unsafe.Pointer, zs int, rows, c int)

	// Dropout zeroes or scales values by a hash of their number, which is first + i*step + j
	// for that of row i and channel j; all of it modulo 2^32. y may alias x.
	//
	//	h = number + key
	//	h = (h ^ h>>16) * 0x21f0aaad
	//	h = (h ^ h>>15 ^ key>>32) * 0x735a2d97
	//	y[i][j] = h ^ h>>15 >= limit ? x[i][j]*scale : 0
	Dropout func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, first, step, key, limit int, scale float32)

	// AddRows adds. y may alias a or b.
	//
	//	y[i][j] = a[i][j] + b[i][j]
	AddRows func(y unsafe.Pointer, ys int, a unsafe.Pointer, as int, b unsafe.Pointer, bs int, rows, c int)

	// StrassenSums, which only sets with Strassen must have, are the sums of a pair of rows, each in two halves, that Winograd's form of
	// Strassen's algorithm multiplies: four rows of c values, ss bytes apart. The halves of the first
	// row are a and b, of the second d and e.
	//
	//	s[0][j] = d[j] + e[j]
	//	s[1][j] = s[0][j] - a[j]
	//	s[2][j] = a[j] - d[j]
	//	s[3][j] = b[j] - s[1][j]
	StrassenSums func(s unsafe.Pointer, ss int, a, b, d, e unsafe.Pointer, c int)

	// ClampRows limits to [lo, hi]; NaN stays NaN. y may alias x.
	//
	//	y[i][j] = min(max(x[i][j], lo), hi)
	ClampRows func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, lo, hi float32)

	// Activate is a function of each value; NaN stays NaN. y may alias x.
	//
	//	y[i][j] = act(x[i][j])
	Activate func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, act Act)

	// ActivateGrad is its gradient, by its input. dx may alias dy or x.
	//
	//	dx[i][j] = dy[i][j] * act'(x[i][j])
	ActivateGrad func(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, act Act)

	// NormActivate normalises and activates. y may alias x.
	//
	//	y[i][j] = act(x[i][j]*scale[j] + shift[j])
	NormActivate func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, scale, shift unsafe.Pointer, act Act)

	// NormActGradSums is NormGradSums behind an activation, whose input is computed
	// again rather than kept. Unless gOut is nil it gets g; it may alias dy.
	//
	//	g[i][j] = dy[i][j] * act'(x[i][j]*scale[j] + shift[j])
	//	sumDY[j] = sum over i of g[i][j]
	//	sumDYX[j] = sum over i of g[i][j] * (x[i][j] - mean[j])
	//	gOut[i][j] = g[i][j]
	NormActGradSums func(dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, scale, shift, mean, sumDY, sumDYX, gOut unsafe.Pointer, gs int, act Act)

	// NormActGrad is NormGrad with g as for NormActGradSums. dx may alias x or dy.
	//
	//	dx[i][j] = a[j]*g[i][j] + (b[j]*(x[i][j] - mean[j]) + d[j])
	NormActGrad func(dx unsafe.Pointer, dxs int, dy unsafe.Pointer, dys int, x unsafe.Pointer, xs int, rows, c int, a, b, d, mean, scale, shift unsafe.Pointer, act Act)

	// Depthwise is some output pixels of a convolution of each channel by itself,
	// or of its input gradient; DepthwiseGrad is the gradient of its weights.
	Depthwise     func(a *DepthwiseArgs)
	DepthwiseGrad func(a *DepthwiseGradArgs)

	// Depthwise3 is whole lines of a convolution by 3x3 taps of stride 1 on padding of 1, or
	// of its input gradient; Depthwise3Grad is the gradient of its weights.
	Depthwise3     func(a *Depthwise3Args)
	Depthwise3Grad func(a *Depthwise3GradArgs)

	// Depthwise5 and Depthwise5Grad are the same by 5x5 taps on padding of 2, which only sets with Slides must have.
	Depthwise5     func(a *Depthwise5Args)
	Depthwise5Grad func(a *Depthwise5GradArgs)

	// CopyRows copies.
	//
	//	y[i][j] = x[i][j]
	CopyRows func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int)

	// CopyAside copies n float32, a multiple of 16, around the caches. y lies on a line of
	// the cache.
	//
	//	y[i] = x[i]
	CopyAside func(y, x unsafe.Pointer, n int)

	// ZeroRows clears.
	//
	//	y[i][j] = 0
	ZeroRows func(y unsafe.Pointer, ys int, rows, c int)

	// FillRows writes one scaled row everywhere: the gradient of a mean.
	//
	//	y[i][j] = v[j] * scale
	FillRows func(y unsafe.Pointer, ys int, rows, c int, v unsafe.Pointer, scale float32)

	// SumRows sums each channel over the rows.
	//
	//	sum[j] = sum over i of x[i][j]
	SumRows func(x unsafe.Pointer, xs, rows, c int, sum unsafe.Pointer)

	// AvgRow is SumRows scaled: global average pooling of one picture.
	//
	//	out[j] = (sum over i of x[i][j]) * scale
	AvgRow func(out, x unsafe.Pointer, xs, rows, c int, scale float32)

	// MaxPool is max pooling of pixels that have n >= 1 inputs each. The table has a row
	// [2+n]int32 a pixel: bytes from y to its row, from args to its bytes, and from x to
	// each of its input rows. Unless args is nil it gets, as bytes, the number k of the
	// input the maximum came from: the first of equal ones, the last NaN. Eight rows
	// behind the last are readable.
	//
	//	y[j], args[j] = x[0][j], 0
	//	for k from 1 to n-1: if x[k][j] > y[j] or x[k][j] is NaN { y[j], args[j] = x[k][j], k }
	MaxPool func(y, args, x, table unsafe.Pointer, pixels, n, c int)

	// MaxPoolGrad gathers the gradients of input pixels that n >= 0 windows cover each. The
	// table has a row [1+3n]int32 a pixel: bytes from dx to its row, and for each window
	// bytes from dy to its gradient, from args to its bytes of MaxPool, and the pixel's
	// number among its inputs.
	//
	//	dx[j] = sum over windows of (args[j] == number ? dy[j] : 0)
	MaxPoolGrad func(dx, dy, args, table unsafe.Pointer, pixels, n, c int)

	// SGD is one step of stochastic gradient descent as in torch.optim.SGD on n
	// parameters, any n. v may be nil, for no momentum.
	//
	//	d = dw[i]*gscale + decay*w[i]
	//	v[i] = momentum*v[i] + d
	//	w[i] -= lr * (nesterov ? d + momentum*v[i] : v[i])
	SGD func(w, v, dw unsafe.Pointer, n int, lr, momentum, decay, gscale float32, nesterov bool)

	// AdamW is one step of torch.optim.AdamW on n parameters, any n: lr is the rate over
	// 1-beta1^step, root the inverse square root of 1-beta2^step, keep 1 - rate*decay.
	//
	//	g = dw[i]*gscale
	//	m[i] = beta1*m[i] + (1-beta1)*g
	//	v[i] = beta2*v[i] + (1-beta2)*g*g
	//	w[i] = keep*w[i] - lr * m[i] / (sqrt(v[i])*root + eps)
	AdamW func(w, m, v, dw unsafe.Pointer, n int, gscale, keep, beta1, beta2, lr, root, eps float32)

	// Blend moves n values toward others, any n: an exponential moving average.
	//
	//	a[i] += share * (w[i] - a[i])
	Blend func(a, w unsafe.Pointer, n int, share float32)

	// Transpose writes rows x cols values of src as cols x rows; both counts are
	// multiples of 8.
	//
	//	dst[j][i] = src[i][j]
	Transpose func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss int, rows, cols int)

	// WinoInput is Winograd's input transform of one tile (F(4x4, 3x3): Lavin and
	// Gray 2015, with points 0, ±3/4, ±3/2 and infinity): src is a table of the addresses of its 6 x 6 pixels, dst gets 36
	// planes, ds bytes apart. scratch is WinoScratch bytes for the kernel's use, here
	// and below. Behind the pixels of a tile a table has as many addresses, valid or
	// not, that are fetched into the cache meanwhile: those of the next tile. With B, G
	// and A the transforms' matrices:
	//
	//	dst[i*6+j][ch] = (B src[.][.][ch] Bᵀ)[i][j]
	WinoInput func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)

	// WinoOutput is the transform back of one tile, from 36 planes ss bytes apart to
	// the 4 x 4 pixels that the table dst addresses, with bias, residual (from the
	// pixels that the table add addresses, unless it is nil) and clamp from below as
	// in ScaleShift. A pixel of add may be the same one of dst.
	//
	//	dst[i][j][ch] = max((A src[.][ch] Aᵀ)[i][j] + bias[ch] + (add ? add[i][j][ch] : 0), lo)
	WinoOutput func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, scratch unsafe.Pointer)

	// WinoWeight transforms n 3 x 3 kernels, tap t of all of them at src + t*ss, into
	// 36 planes of n values; ss may be negative. n is a multiple of 8.
	//
	//	dst[i*6+j][k] = (G src[.][k] Gᵀ)[i][j]
	WinoWeight func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, scratch unsafe.Pointer)

	// WinoGradOutput transforms an output gradient's 4 x 4 pixels for the weight's
	// gradient.
	//
	//	dst[i*6+j][ch] = (Aᵀ src[.][.][ch] A)[i][j]
	WinoGradOutput func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)

	// WinoGradWeight transforms 36 planes of sums back into the gradients of n 3 x 3
	// kernels, or adds them there.
	//
	//	dst[i*3+j][k] = (Gᵀ src[.][k] G)[i][j] + (acc ? dst[i*3+j][k] : 0)
	WinoGradWeight func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, scratch unsafe.Pointer)

	// The same for 3 x 3 kernels of stride 2, in 81 multiplications for 144. Of a line of 9
	// pixels the odd ones meet the middle tap alone and stay as they are, the even ones meet
	// the others by F(4, 2) with points ±1/2, ±5/4 and infinity: 4 + 5 values. Weights have 1 + 5 of a
	// line, 36 planes, since the middle tap is the same for four values. A tile is 9 x 9
	// pixels of the input, 81 planes, 4 x 4 pixels of the output.
	WinoStridedInput      func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	WinoStridedOutput     func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, scratch unsafe.Pointer)
	WinoStridedWeight     func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, scratch unsafe.Pointer)
	WinoStridedGradOutput func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	WinoStridedGradWeight func(dst unsafe.Pointer, ds int, src unsafe.Pointer, ss, n int, acc bool, scratch unsafe.Pointer)

	// Its input gradient: from 5 x 5 pixels of the output gradient, 81 planes, to 8 x 8 of the
	// input's. Weights are WinoStridedWeight's of the kernel turned round.
	WinoSpreadInput  func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	WinoSpreadOutput func(dst, src unsafe.Pointer, ss, c int, bias, add unsafe.Pointer, lo float32, scratch unsafe.Pointer)

	// Peak runs n iterations of the multiplications and additions that Tile is made
	// of, with no memory in the way: PeakFlops operations each. It is the measure
	// that kernels are held against.
	Peak      func(n int)
	PeakFlops int

	// BF16 is nil where the processor does not multiply in bfloat16.
	BF16 *BF16
}

// WinoScratch is the bytes of scratch memory that Winograd's transforms use.
const WinoScratch = 2 * 81 * 64

// TileArgs are the arguments of Tile, a matrix multiplication with gathered rows.
// With MR the row count of the kernel called and NR the set's panel width:
//
//	for r < MR, j < Width:
//		v = Bias[j], or 0 if Bias is nil
//		v += Carry[i][r][j], of those that are not nil
//		for t < Taps, k < K:
//			v += Rows[t][r][k] * (B + Rows[t][MR])[k][j]
//		out = Out[r] + OutOff
//		if AddFlag != 0 { v += (out + AddDelta)[j] }
//		if v < Lo { v = Lo }
//		if v > Hi { v = Hi }
//		out[j] = v
//
// A value's bits do not depend on which of the set's row counts computed it.
type TileArgs struct {
	// Rows is the table [Taps][MR+1]uintptr: for each tap the addresses of MR rows
	// of A, then the offset in bytes of the tap's weights from B.
	Rows unsafe.Pointer
	Taps int // >= 1
	K    int // channels a tap, >= 0

	// Carry are sums of other products, nil or MR rows of NR values close together, that these go on from. See
	// Set.Strassen.
	Carry [2]unsafe.Pointer

	// Ahead is nil or what is read next, of which as many bytes may be fetched as this tile reads of its rows: those of
	// a tile to come, one upon the other, since hardware begins anew with each row, or a panel.
	Ahead unsafe.Pointer

	// B is a packed panel: K rows of NR columns for each tap. All NR columns are
	// read, or only the vectors that hold the first Width.
	B unsafe.Pointer

	// Out is the table [MR]uintptr of addresses of output rows, OutOff the bytes
	// from there to the panel's first column.
	Out    unsafe.Pointer
	OutOff int

	// Next is nil or the same table of a tile to come, whose rows, and what is added to
	// them, are fetched meanwhile.
	Next unsafe.Pointer

	// If AddFlag is not 0, what lies AddDelta bytes from the output is added: 0 to
	// accumulate, the distance to a tensor of the same geometry for a residual.
	AddFlag  int
	AddDelta int

	// Bias is nil or NR values.
	Bias unsafe.Pointer

	// Lo and Hi limit the result: infinities for none, 0 and +Inf for ReLU, 0 and 6
	// for ReLU6. NaN stays NaN.
	Lo, Hi float32

	// Width is the number of valid columns, a multiple of 8 from 8 to NR: nothing
	// beyond is stored or added.
	Width int
}

// GradArgs are the arguments of TileGrad, the gradient of a weight: a sum of
// outer products over pixels. With rows the row count of the kernel called:
//
//	for r < rows, j < Width:
//		v = 0
//		for p < P:
//			v += X[p][XOff + r] * Y[p][j]
//		if Acc != 0 { v = C[r][j] + v }
//		C[r][j] = v
type GradArgs struct {
	// X is the table [P]uintptr of the addresses of pixels' rows of channels, XOff
	// the bytes from there to the first of the kernel's channels.
	X    unsafe.Pointer
	XOff int

	Y       unsafe.Pointer // gradient rows, one a pixel
	YStride int            // bytes

	C       unsafe.Pointer
	CStride int // bytes

	// Next is fetched into the second-level cache meanwhile, a line a pixel, NextStride bytes
	// apart: what a later call reads, or what lies in the cache already.
	Next       unsafe.Pointer
	NextStride int

	P   int // pixels, >= 1
	Acc int // not 0: add to what C holds

	// Width is the number of valid columns, a multiple of 8 from 8 to NR: nothing
	// beyond is read or stored.
	Width int
}

// An Act is an activation: a function of each value.
type Act int

const (
	Identity    Act = iota // none; no kernel takes it
	ReLU                   // max(x, 0)
	ReLU6                  // min(max(x, 0), 6)
	HardSwish              // x * min(max(x/6 + 1/2, 0), 1)
	HardSigmoid            // min(max(x/6 + 1/2, 0), 1)
	SiLU                   // x * Sigmoid(x)
	Sigmoid                // 1/(1 + exp(-x)), within 3 units in the last place
	GELU                   // x Phi(x), Phi the normal distribution's, within 8e-8
)

// DepthwiseArgs are the arguments of Depthwise, pixels side by side of a line:
//
//	for p < Pixels, j < C:
//		v = Bias[j], or 0 if Bias is nil
//		for t < Taps: v += (Rows[t] + p*RowStep)[j] * Weights[t][j]
//		(Out + p*OutStep)[j] = min(max(v, Lo), Hi)
type DepthwiseArgs struct {
	Rows    unsafe.Pointer // the table [Taps]uintptr of the first pixel's input rows
	RowStep int            // bytes
	Weights unsafe.Pointer // the table [Taps]uintptr of rows of weights
	Taps    int            // >= 0
	Out     unsafe.Pointer
	OutStep int            // bytes
	Pixels  int            // >= 1
	Bias    unsafe.Pointer // nil or C values
	C       int
	Lo, Hi  float32 // NaN stays NaN
}

// DepthwiseGradArgs are the arguments of DepthwiseGrad, for taps side by side:
//
//	for t < Count, j < C:
//		v = Acc != 0 ? Sum[t][j] : 0
//		for p < Pixels: v += (X + t*XTap + p*XStep)[j] * (DY + p*DYStep)[j]
//		Sum[t][j] = v
type DepthwiseGradArgs struct {
	X           unsafe.Pointer
	XTap, XStep int // bytes
	DY          unsafe.Pointer
	DYStep      int // bytes
	Pixels      int // >= 1
	Count       int // 1 to 5
	Sum         unsafe.Pointer
	SumStride   int // bytes
	C           int
	Acc         int
}

// Depthwise3Args are the arguments of Depthwise3, lines of Width pixels, x(h, p) being
// pixel p of input line h, at Rows[h] + p*step, and 0 where p is off the line:
//
//	for y < Lines, p < Width, j < C:
//		v = Bias[j]
//		for kw < 3, kh < 3: v += x(y+kh, p+kw-1)[j] * Weights[3*kh+kw][j]
//		(Out + y*OutLine + p*OutStep)[j] = min(max(v, Lo), Hi)
type Depthwise3Args struct {
	Rows              [4]uintptr // the first pixels of Lines+2 lines, from the one above the first output line on
	First, Step, Last int        // bytes from pixel to pixel of the first line, of those between, of the last; 0 repeats a row of zeros
	Weights           [9]uintptr // rows of weights
	Out               unsafe.Pointer
	OutStep, OutLine  int // bytes
	Width, Lines      int // Width >= 1, Lines from 1 to Slides
	Bias              unsafe.Pointer
	C                 int
	Lo, Hi            float32 // NaN stays NaN
}

// Depthwise5Args are the arguments of Depthwise5, lines of Width pixels, x(h, p) being pixel p of input line h, at
// Rows[h] + p*Step, and 0 where p is off the line:
//
//	for y < Lines, p < Width, j < C:
//		v = Bias[j]
//		for kw < 5, kh < 5: v += x(y+kh, p+kw-2)[j] * Weights[5*kh+kw][j]
//		(Out + y*OutLine + p*OutStep)[j] = min(max(v, Lo), Hi)
type Depthwise5Args struct {
	Rows             unsafe.Pointer // the table [Lines+4]uintptr of lines' first pixels, from the second above the first output line on
	Step             int            // bytes from pixel to pixel
	Weights          [25]uintptr    // rows of weights
	Lent             unsafe.Pointer // LentBytes of memory, of which nothing is kept
	Out              unsafe.Pointer
	OutStep, OutLine int // bytes
	Width, Lines     int // Width >= 3
	Bias             unsafe.Pointer
	C                int
	Lo, Hi           float32 // NaN stays NaN
}

// LentBytes is the memory that Depthwise5 is lent, on a line of the cache.
const LentBytes = 2048

// Depthwise5GradArgs are the arguments of Depthwise5Grad, with x as in Depthwise5Args and
// dy(y, p) pixel p of the gradient's line y, at DY[y] + p*DYStep, and 0 off the line:
//
//	for kh < 5, kw < 5, j < C:
//		for y < Lines, q < Width: Sum[5*kh+kw][j] += x(y+kh, q)[j] * dy(y, q+2-kw)[j]
type Depthwise5GradArgs struct {
	Rows         unsafe.Pointer // as in Depthwise5Args
	Step         int            // bytes
	DY           unsafe.Pointer // the table [Lines]uintptr
	DYStep       int            // bytes
	Width, Lines int            // Width >= 3
	Sum          unsafe.Pointer
	SumStride    int // bytes
	C            int
}

// Depthwise3GradArgs are the arguments of Depthwise3Grad, with x as in Depthwise3Args and
// dy(y, p) pixel p of the gradient's line y, at DY[y] + p*DYStep, and 0 off the line:
//
//	for kh < 3, kw < 3, j < C:
//		for q < Width, y < Lines: Sum[3*kh+kw][j] += x(y+kh, q)[j] * dy(y, q+1-kw)[j]
type Depthwise3GradArgs struct {
	Rows              [4]uintptr
	First, Step, Last int
	DY                [2]uintptr
	DYStep            int // bytes
	Width, Lines      int
	Sum               unsafe.Pointer
	SumStride         int // bytes
	C                 int
}

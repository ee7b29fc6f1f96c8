package kernel

import "unsafe"

// A BF16 is the kernels that store and multiply bfloat16 (brain floating point: a
// float32's upper half), of a Set whose shapes they share. Arithmetic and sums are
// float32; what is stored is rounded to the nearest, ties to even; denormals may count
// as zero.
//
// A pair (a, b) is the word with a in its lower half.
type BF16 struct {
	// Half is the Set with rows of bfloat16: activations and their gradients, 2 bytes a
	// value, strides still in bytes. What belongs to channels (scales, means, sums,
	// biases) and sums over pixels stay float32; so is what FillRows reads and AvgRow
	// writes. Its Tile is Tile with rows of bfloat16 for output and addition, its
	// TileGrad is TileGrad, its WinoInput and WinoGradOutput write planes of bfloat16.
	// Every other kernel is the Set's of rows widened, its result rounded; Sigmoid, and
	// SiLU by it, are within 1.3e-4 of themselves before that.
	Half *Set

	// Tile is as the Set's, with pairs of channels for channels: K is the number of
	// pairs, rows of A are bfloat16 channels, and word j of row k of a panel is the
	// pair of weights 2k and 2k+1 of column j. Output and addition are float32.
	//
	//	v += A[2k+1]*B[2k+1][j], then v += A[2k]*B[2k][j], each sum rounded
	Tile []func(*TileArgs)

	// TileGrad is as the Set's, with pairs of pixels for pixels: P is the number of
	// pairs, word j of X's and Y's rows is the pair of channel j of two pixels.
	TileGrad []func(*GradArgs)

	// RoundRows rounds rows to rows of half the width, WidenRows is the way back.
	//
	//	y[i][j] = bf16(x[i][j])
	RoundRows func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs, rows, c int)
	WidenRows func(y unsafe.Pointer, ys int, x unsafe.Pointer, xs, rows, c int)

	// PairFloats rounds rows of float32 two by two into n rows of pairs. rows is a table
	// of 2n addresses, off the bytes from there to the first channel. PairRows does so
	// with rows of bfloat16.
	//
	//	dst[i][j] = (bf16(rows[2i][j]), bf16(rows[2i+1][j]))
	PairFloats func(dst unsafe.Pointer, ds int, rows unsafe.Pointer, off, n, c int)
	PairRows   func(dst unsafe.Pointer, ds int, rows unsafe.Pointer, off, n, c int)

	// WinoInputPairs is the Set's WinoInput of two tiles of rows of bfloat16, rounded: src
	// lists the pixels of one, then those of the other, then what to fetch. WinoGradOutputPairs is its
	// WinoGradOutput likewise.
	//
	//	word ch of dst[i] = (bf16(WinoInput of src[0:36])[i][ch], bf16(WinoInput of src[36:72])[i][ch])
	WinoInputPairs      func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	WinoGradOutputPairs func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)

	// The same of the transforms for stride 2.
	WinoStridedInputPairs      func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)
	WinoStridedGradOutputPairs func(dst unsafe.Pointer, ds int, src unsafe.Pointer, c int, scratch unsafe.Pointer)

	// Peak is the Set's of this Tile's multiplications.
	Peak      func(n int)
	PeakFlops int
}

// The order of 16-bit words that makes pairs of the two halves of a vector, for the
// assembly.
var (
	//lint:ignore U1000 the assembly reads it
	interleave32 = interleave[[32]uint16]()
	//lint:ignore U1000 the assembly reads it
	interleave16 = interleave[[16]uint16]()
	//lint:ignore U1000 the assembly reads it
	mergeLow = merge(0)
	//lint:ignore U1000 the assembly reads it
	mergeHigh = merge(16)
)

//lint:ignore U1000 see above
func interleave[T [16]uint16 | [32]uint16]() (t T) {
	for i := range len(t) {
		t[i] = uint16(i/2 + i%2*len(t)/2)
	}
	return t
}

// merge is the order that makes pairs of word from, from+1, ... of two vectors.
//
//lint:ignore U1000 see above
func merge(from uint16) (t [32]uint16) {
	for i := range t {
		t[i] = from + uint16(i/2+i%2*32)
	}
	return t
}

package kernel

import (
	"math"
	"unsafe"
)

// neon is the set of every 64-bit ARM processor: tiles of 8x8 and the passes of
// inference in assembly, what training needs besides in Go. Its panels are as wide
// as those of generic, whose weight gradients it shares.
var neon = newNEON()

func newNEON() *Set {
	s := *generic
	s.Name = "neon"
	s.MR, s.NR = 8, genericNR
	s.Rows = []int{8, 4, 2, 1}
	s.cuts = newCuts(s.Rows...)
	s.Tile = []func(*TileArgs){tile8NEON, tile4NEON, tile2NEON, tile1NEON}
	s.ScaleShift = scaleShiftNEON
	s.AddRows = addRowsNEON
	s.ClampRows = clampRowsNEON
	s.Activate = activateSimple
	s.AvgRow = avgRowNEON
	s.MaxPool = maxPoolValues
	s.Depthwise = depthwiseNEON
	s.Peak, s.PeakFlops = peakNEON, 2*16*4
	return &s
}

// activateSimple leaves exponentials to Go.
func activateSimple(y unsafe.Pointer, ys int, x unsafe.Pointer, xs int, rows, c int, act Act) {
	switch act {
	case ReLU:
		clampRowsNEON(y, ys, x, xs, rows, c, 0, float32(math.Inf(1)))
	case ReLU6:
		clampRowsNEON(y, ys, x, xs, rows, c, 0, 6)
	case HardSwish:
		hardSwishNEON(y, ys, x, xs, rows, c)
	default:
		activate(y, ys, x, xs, rows, c, act)
	}
}

// maxPoolValues leaves to Go what training asks for: where a maximum came from.
func maxPoolValues(y, args, x, table unsafe.Pointer, pixels, n, c int) {
	if args != nil {
		maxPool(y, args, x, table, pixels, n, c)
		return
	}
	maxPoolNEON(y, nil, x, table, pixels, n, c)
}

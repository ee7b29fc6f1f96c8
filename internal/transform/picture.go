package transform

// A Picture is an 8-bit RGB picture: rows from the top, pixels from the left,
// three bytes a pixel, nothing between rows. len(Pix) == 3*W*H.
type Picture struct {
	W, H int
	Pix  []uint8
}

// New returns a black picture w pixels wide and h pixels high.
func New(w, h int) *Picture {
	return &Picture{W: w, H: h, Pix: make([]uint8, 3*w*h)}
}

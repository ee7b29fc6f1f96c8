package cpu

import "graft/internal/graph"

// A class is a set of output pixels that read their inputs through the same
// taps. A convolution has one class, of all pixels; the input gradient of a
// strided one has a class for each place a pixel can have between strides,
// each with its own few taps, so that no product with zero is computed.
type class struct {
	pixels []int32 // of the output, within a sample; nil stands for all in order
	count  int
	taps   []int32 // of the weights
	// offs holds, for each pixel and tap, the byte offset of the input's channels
	// within a sample; negative where the tap falls on padding.
	offs []int32
}

// forwardClass is a convolution's: every output pixel, every tap, row by row.
func forwardClass(in, out *tensor, w graph.Window) class {
	k := w.Kernel
	c := class{count: out.pixels(), offs: make([]int32, 0, out.pixels()*k*k)}
	for t := range k * k {
		c.taps = append(c.taps, int32(t))
	}
	for oh := range out.h {
		for ow := range out.w {
			for t := range k * k {
				c.offs = append(c.offs, in.pixelOffset(oh*w.Stride-w.Pad+t/k, ow*w.Stride-w.Pad+t%k))
			}
		}
	}
	return c
}

// rowClass is that of a convolution over a staged picture, whose padding is
// real and whose pixels are dense: a tap is a whole kernel row, so that few
// channels still make long dot products.
func rowClass(stage *stage, out *tensor, w graph.Window) class {
	k := w.Kernel
	c := class{count: out.pixels(), offs: make([]int32, 0, out.pixels()*k)}
	for t := range k {
		c.taps = append(c.taps, int32(t))
	}
	skip := stage.pad - w.Pad
	for oh := range out.h {
		for ow := range out.w {
			for t := range k {
				c.offs = append(c.offs, int32(((skip+oh*w.Stride+t)*stage.rowPixels+skip+ow*w.Stride)*stage.channels*stage.value))
			}
		}
	}
	return c
}

// gradClasses are those of a convolution's input gradient: dx gathers from dy.
func gradClasses(dx, dy *tensor, w graph.Window) []class {
	var classes []class
	k, s := w.Kernel, w.Stride
	for ph := range s {
		for pw := range s {
			var c class
			for t := range k * k {
				if (ph+w.Pad-t/k)%s == 0 && (pw+w.Pad-t%k)%s == 0 {
					c.taps = append(c.taps, int32(t))
				}
			}
			for h := ph; h < dx.h; h += s {
				for x := pw; x < dx.w; x += s {
					if s > 1 {
						c.pixels = append(c.pixels, int32(h*dx.w+x))
					}
					c.count++
					for _, t := range c.taps {
						c.offs = append(c.offs, dy.pixelOffset((h+w.Pad-int(t)/k)/s, (x+w.Pad-int(t)%k)/s))
					}
				}
			}
			if c.count > 0 {
				classes = append(classes, c)
			}
		}
	}
	return classes
}

// pixelOffset is the place of a pixel within a sample in bytes, negative outside.
func (t *tensor) pixelOffset(h, w int) int32 {
	if uint(h) >= uint(t.h) || uint(w) >= uint(t.w) {
		return -1
	}
	return int32((h*t.w + w) * t.stride)
}

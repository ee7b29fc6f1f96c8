package onnx

import "graft/internal/transform"

// preprocess adds what makes the network's input of 8-bit pictures of any size, as
// transform.Preprocess does: the resize on 8-bit planes (onnxruntime's rounds between
// its passes as Pillow does), the central crop or the black border, the normalisation.
// It returns the input's name.
func (b *builder) preprocess(p transform.Preprocess) string {
	y := b.add("Transpose", "preprocess.planes", []Attr{numbers("perm", 0, 3, 1, 2)}, "pixels")
	size := b.resizedTo(p)
	// All four sizes: onnxruntime 1.32's transpose optimiser breaks a Resize that names axes.
	outer := b.add("Shape", "preprocess.outer", []Attr{number("start", 0), number("end", 2)}, y)
	sizes := b.add("Concat", "preprocess.sizes", []Attr{number("axis", 0)}, outer, size)
	y = b.add("Resize", "preprocess.resized", resizing(p), y, "", "", sizes)
	if p.Fit == transform.FitPad || p.Fit == transform.FitCrop && p.Resize < p.Crop {
		y, size = b.padded(p, y, size)
	}
	if p.Fit == transform.FitCrop {
		y = b.cropped(p, y, size)
	}
	y = b.add("Reshape", "preprocess.square", nil, y, b.ints("preprocess.square.shape", 0, 3, p.Crop, p.Crop))
	y = b.add("Cast", "preprocess.float", []Attr{number("to", int(Float32))}, y)
	y = b.add("Div", "preprocess.unit", nil, y, b.floats("preprocess.white", []float32{255}))
	y = b.add("Sub", "preprocess.centred", nil, y, b.floats("preprocess.mean", p.Mean[:], 3, 1, 1))
	return b.add("Div", "input", nil, y, b.floats("preprocess.std", p.Std[:], 3, 1, 1))
}

// resizing is Pillow's: antialiased where it shrinks, weights of what lies in the picture only.
func resizing(p transform.Preprocess) []Attr {
	mode := "linear"
	attrs := []Attr{number("antialias", 1), text("coordinate_transformation_mode", "half_pixel"), number("exclude_outside", 1)}
	if p.Interpolation == "bicubic" {
		mode = "cubic"
		attrs = append(attrs, decimal("cubic_coeff_a", -0.5))
	}
	return append(attrs, text("mode", mode))
}

// resizedTo computes height and width behind the resize, in whole numbers, which floor as
// torchvision does. Constants have a number for each: onnx's shape inference, which follows
// such sums, does not broadcast.
func (b *builder) resizedTo(p transform.Preprocess) string {
	if p.Fit == transform.FitSquash {
		return b.ints("preprocess.size", p.Crop, p.Crop)
	}
	size := b.add("Shape", "preprocess.shape", []Attr{number("start", 1), number("end", 3)}, "pixels")
	if p.Fit == transform.FitPad { // the longer side becomes Crop, the other rounds
		longer := b.add("ReduceMax", "preprocess.longer", []Attr{number("keepdims", 1)}, size)
		twice := b.add("Mul", "preprocess.twice", nil, size, b.ints("preprocess.twice_crop", 2*p.Crop, 2*p.Crop))
		half := b.add("Add", "preprocess.half", nil, twice, longer)
		of := b.add("Add", "preprocess.twice_longer", nil, longer, longer)
		return b.add("Max", "preprocess.size", nil, b.add("Div", "preprocess.rounded", nil, half, of), b.ints("ones", 1, 1))
	}
	shorter := b.add("ReduceMin", "preprocess.shorter", []Attr{number("keepdims", 1)}, size)
	scaled := b.add("Mul", "preprocess.scaled", nil, size, b.ints("preprocess.resize", p.Resize, p.Resize))
	return b.add("Div", "preprocess.size", nil, scaled, shorter)
}

// padded has at least Crop pixels each way, black around, the smaller half first; with its size.
func (b *builder) padded(p transform.Preprocess, y, size string) (string, string) {
	crop, none, two := b.ints("preprocess.crop", p.Crop, p.Crop), b.ints("none", 0, 0), b.ints("two", 2, 2)
	lack := b.add("Max", "preprocess.lack", nil, b.add("Sub", "preprocess.missing", nil, crop, size), none)
	before := b.add("Div", "preprocess.before", nil, lack, two)
	after := b.add("Sub", "preprocess.after", nil, lack, before)
	pads := b.add("Concat", "preprocess.pads", []Attr{number("axis", 0)}, before, after)
	y = b.add("Pad", "preprocess.padded", nil, y, pads, "", b.ints("preprocess.pad_axes", 2, 3))
	return y, b.add("Max", "preprocess.padded_size", nil, size, crop)
}

// cropped is the middle; what is left over is halved and rounded to even, as Python does.
func (b *builder) cropped(p transform.Preprocess, y, size string) string {
	crop := b.ints("preprocess.square_side", p.Crop, p.Crop)
	over := b.add("Sub", "preprocess.over", nil, size, crop)
	over = b.add("Cast", "preprocess.over_float", []Attr{number("to", int(Float32))}, over)
	half := b.add("Mul", "preprocess.half_over", nil, over, b.floats("half", []float32{0.5}))
	from := b.add("Cast", "preprocess.from", []Attr{number("to", int(Int64))}, b.add("Round", "preprocess.from_float", nil, half))
	to := b.add("Add", "preprocess.to", nil, from, crop)
	return b.add("Slice", "preprocess.cropped", nil, y, from, to, b.ints("preprocess.crop_axes", 2, 3))
}

// Package transform turns 8-bit pictures into 8-bit pictures, and those into the
// numbers a network reads: resizing, cropping, flipping, normalising, equal to
// torchvision's transforms on Pillow pictures.
//
// It knows pixels and an explicit source of random numbers. It knows no files,
// no formats and no networks.
package transform

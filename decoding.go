package graft

import (
	"fmt"

	"graft/internal/transform"
)

// A Decoding says how much of a JPEG is read. It is a part of the preprocessing
// that the model file keeps, so that the same picture gets the same answer.
type Decoding string

const (
	// DecodeExact reads every pixel, with the bits of libjpeg-turbo, as torchvision does.
	DecodeExact Decoding = "exact"
	// DecodeFast reads a JPEG at a half, a quarter or an eighth of its size where its
	// shorter side keeps 1.5 times the pixels that the network's resizing asks for.
	DecodeFast Decoding = "fast"
)

// apply sets the preprocessing as asked; "" leaves it as it is.
func (d Decoding) apply(p *transform.Preprocess) error {
	switch d {
	case "":
	case DecodeExact:
		p.DecodeShorter = 0
	case DecodeFast:
		p.DecodeShorter = p.Resize * 3 / 2 // the error is measured: docs/performance.md
	default:
		return fmt.Errorf("no such decoding: %q (exact or fast)", string(d))
	}
	return nil
}

// decodingOf names what the preprocessing has.
func decodingOf(p transform.Preprocess) Decoding {
	if p.DecodeShorter > 0 {
		return DecodeFast
	}
	return DecodeExact
}

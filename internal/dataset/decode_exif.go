package dataset

import (
	"bytes"
	"encoding/binary"

	"graft/internal/transform"
)

// orientation is the EXIF orientation tag of a picture, 1 to 8; 1 where there is none.
func orientation(format string, data []byte) int {
	switch format {
	case "jpeg":
		return tiffOrientation(jpegEXIF(data))
	case "png":
		return tiffOrientation(pngEXIF(data))
	case "webp":
		return tiffOrientation(webpEXIF(data))
	case "tiff":
		return tiffOrientation(data)
	}
	return 1
}

// jpegEXIF finds the APP1 segment that holds EXIF.
func jpegEXIF(data []byte) []byte {
	for i := 2; i+4 <= len(data) && data[i] == 0xff; {
		marker := data[i+1]
		if marker == 0xff { // fill byte
			i++
			continue
		}
		if marker == 0xda || marker == 0xd9 {
			return nil
		}
		size := int(binary.BigEndian.Uint16(data[i+2:]))
		if size < 2 || i+2+size > len(data) {
			return nil
		}
		body := data[i+4 : i+2+size]
		if exif, ok := bytes.CutPrefix(body, []byte("Exif\x00\x00")); marker == 0xe1 && ok {
			return exif
		}
		i += 2 + size
	}
	return nil
}

func pngEXIF(data []byte) []byte {
	for i := 8; i+12 <= len(data); {
		size := int(binary.BigEndian.Uint32(data[i:]))
		if size < 0 || size > len(data)-i-12 {
			return nil
		}
		switch string(data[i+4 : i+8]) {
		case "eXIf":
			return data[i+8 : i+8+size]
		case "IEND":
			return nil
		}
		i += 12 + size
	}
	return nil
}

func webpEXIF(data []byte) []byte {
	for i := 12; i+8 <= len(data); {
		size := int(binary.LittleEndian.Uint32(data[i+4:]))
		if size < 0 || size > len(data)-i-8 {
			return nil
		}
		if string(data[i:i+4]) == "EXIF" {
			return bytes.TrimPrefix(data[i+8:i+8+size], []byte("Exif\x00\x00"))
		}
		i += 8 + size + size%2
	}
	return nil
}

// tiffOrientation reads tag 0x112 of the first directory of a TIFF structure.
func tiffOrientation(b []byte) int {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	entries := b[at+2:]
	for range order.Uint16(b[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x112 {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// upright turns and mirrors a picture as its orientation tag asks, as Pillow's
// ImageOps.exif_transpose does.
func upright(p *transform.Picture, orientation int) *transform.Picture {
	if orientation == 1 {
		return p
	}
	w, h := p.W, p.H
	if orientation >= 5 {
		w, h = h, w
	}
	out := transform.New(w, h)
	for y := range h {
		for x := range w {
			var sx, sy int
			switch orientation {
			case 2: // mirrored
				sx, sy = p.W-1-x, y
			case 3: // half a turn
				sx, sy = p.W-1-x, p.H-1-y
			case 4: // upside down mirrored
				sx, sy = x, p.H-1-y
			case 5: // transposed
				sx, sy = y, x
			case 6: // a quarter turn clockwise to view
				sx, sy = y, p.H-1-x
			case 7: // transposed the other way
				sx, sy = p.W-1-y, p.H-1-x
			case 8: // a quarter turn the other way
				sx, sy = p.W-1-y, x
			}
			copy(out.Pix[(y*w+x)*3:][:3], p.Pix[(sy*p.W+sx)*3:])
		}
	}
	return out
}

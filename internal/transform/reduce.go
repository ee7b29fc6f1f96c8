package transform

// Reduce is Pillow's Image.reduce(factor): each pixel the rounded mean of a square
// of factor x factor, cut at the right and lower edge. A factor below 2 leaves the
// picture as it is.
func Reduce(p *Picture, factor int) *Picture {
	if factor < 2 {
		return p
	}
	out := New((p.W+factor-1)/factor, (p.H+factor-1)/factor)
	sums := make([]int, 3*out.W)
	for y := range out.H {
		clear(sums)
		y1 := min((y+1)*factor, p.H)
		for sy := y * factor; sy < y1; sy++ {
			line := p.Pix[3*sy*p.W : 3*(sy+1)*p.W]
			for x := range out.W {
				s := sums[3*x : 3*x+3]
				for q := line[3*x*factor : 3*min((x+1)*factor, p.W)]; len(q) >= 3; q = q[3:] {
					s[0] += int(q[0])
					s[1] += int(q[1])
					s[2] += int(q[2])
				}
			}
		}
		for x := range out.W {
			n := (y1 - y*factor) * (min((x+1)*factor, p.W) - x*factor)
			for c := range 3 {
				out.Pix[3*(y*out.W+x)+c] = uint8(uint32(sums[3*x+c]+n/2) * (1 << 24 / uint32(n)) >> 24) // Pillow's division
			}
		}
	}
	return out
}

package jpeg

import "bytes"

// A band is what a scan brings: coefficients from first to last, without the
// lower low bits, for the first time or (refine) one bit more.
type band struct {
	first, last int
	low         uint
	refine      bool
}

// scan reads a scan's header and its data.
func (d *decoder) scan(b []byte) bool {
	if d.comps == nil || len(b) < 1 || b[0] < 1 || int(b[0]) > len(d.comps) || len(b) != 4+2*int(b[0]) {
		return false
	}
	n := int(b[0])
	p := b[1+2*n:]
	s := band{0, 63, 0, false}
	if d.progressive {
		s = band{int(p[0]), int(p[1]), uint(p[2] & 15), p[2]>>4 != 0}
		if s.last > 63 || s.first > s.last || s.first == 0 && s.last != 0 || s.first > 0 && n != 1 || s.refine && uint(p[2]>>4) != s.low+1 || s.low > 13 {
			return false
		}
	}
	var in []*component
	for i := range n {
		var c *component
		for j := range d.comps {
			if d.comps[j].id == b[1+2*i] {
				c = &d.comps[j]
			}
		}
		if c == nil || i > 0 && c == in[0] || i > 1 && c == in[1] || b[2+2*i]>>4 > d.lastTable() || b[2+2*i]&15 > d.lastTable() || !d.hasQuant[c.quant] {
			return false
		}
		c.dcs, c.acs = d.huffman[0][b[2+2*i]>>4], d.huffman[1][b[2+2*i]&15]
		if s.first == 0 && !s.refine && c.dcs == nil || s.last > 0 && c.acs == nil || c.seen && !d.progressive {
			return false
		}
		c.seen = true
		in = append(in, c)
	}
	if n == 1 {
		return d.single(in[0], s)
	}
	return d.interleaved(in, s)
}

// next makes the data up to the next marker ready to be read, after the restart
// marker of this number unless it is the scan's first segment.
func (d *decoder) next(restart int) bool {
	if restart > 0 {
		m, ok := d.marker()
		if !ok || int(m) != rst0+(restart-1)&7 {
			return false
		}
	}
	if d.buf == nil {
		d.buf = make([]byte, 0, len(d.rest)+slack)
	}
	d.buf = d.buf[:0]
	for {
		i := bytes.IndexByte(d.rest, 0xff)
		if i < 0 { // the end marker is missing, or more: then over tells
			d.buf = append(d.buf, d.rest...)
			d.rest = nil
			break
		}
		if i+1 < len(d.rest) && d.rest[i+1] == 0 {
			d.buf = append(d.buf, d.rest[:i+1]...)
			d.rest = d.rest[i+2:]
			continue
		}
		d.buf = append(d.buf, d.rest[:i]...)
		d.rest = d.rest[i:]
		break
	}
	end := uint(len(d.buf)) * 8
	d.buf = append(d.buf, nothing[:]...)
	d.bits = bits{d.buf, 0, end}
	for i := range d.comps {
		d.comps[i].dc = 0
	}
	return true
}

var nothing [slack]byte

// interleaved reads a scan of several components, MCU by MCU.
func (d *decoder) interleaved(in []*component, s band) bool {
	if !d.next(0) {
		return false
	}
	done, restarts := 0, 0
	for my := range d.mcusY {
		for mx := range d.mcusX {
			if d.interval > 0 && done == d.interval {
				done = 0
				if restarts++; !d.next(restarts) {
					return false
				}
			}
			done++
			for _, c := range in {
				for y := range c.v {
					for x := range c.h {
						if !d.one(c, mx*c.h+x, my*c.v+y, s) {
							return false
						}
					}
				}
			}
		}
	}
	return true
}

// one reads a block of an interleaved scan; in a progressive one that is its DC.
func (d *decoder) one(c *component, bx, by int, s band) bool {
	if !d.progressive {
		return d.baseline(c, bx, by)
	}
	return d.progressiveDC(c, &c.coeffs[by*c.across+bx], s)
}

// single reads a scan of one component, which has no blocks outside of the picture.
func (d *decoder) single(c *component, s band) bool {
	luma := &d.comps[0]
	across := ((d.w*c.h+luma.h-1)/luma.h + 7) / 8
	down := ((d.h*c.v+luma.v-1)/luma.v + 7) / 8
	if !d.next(0) {
		return false
	}
	done, restarts, run := 0, 0, 0
	for by := range down {
		for bx := range across {
			if d.interval > 0 && done == d.interval {
				done, run = 0, 0
				if restarts++; !d.next(restarts) {
					return false
				}
			}
			done++
			ok := true
			switch {
			case !d.progressive:
				ok = d.baseline(c, bx, by)
			case s.first == 0:
				ok = d.progressiveDC(c, &c.coeffs[by*c.across+bx], s)
			case s.refine:
				run, ok = d.refineAC(c, &c.coeffs[by*c.across+bx], s, run)
			default:
				run, ok = d.firstAC(c, &c.coeffs[by*c.across+bx], s, run)
			}
			if !ok {
				return false
			}
		}
	}
	return run == 0
}

// value reads a symbol, as look has it, and the value behind it; e is 0 if there is none.
func (d *decoder) value(t *huffman) (e, v int32) {
	w := d.bits.peek()
	if e = t.look[w>>(64-lookBits)]; e == 0 {
		e = t.long(w)
	}
	n := uint(e & 31)
	v = e >> 16
	if s := int(e>>9) & 15; s > 0 {
		v = extend(w<<n>>(64-s), s)
		n += uint(s)
	}
	d.bits.pos += n
	return e, v
}

// dc reads the difference of a block's mean from the last one's.
func (d *decoder) dc(c *component) bool {
	e, v := d.value(c.dcs)
	c.dc += v
	return e != 0 && e>>5&15 == 0 // a DC table's symbols are a number of bits alone
}

// baseline reads a block and puts its samples into the plane.
func (d *decoder) baseline(c *component, bx, by int) bool {
	if !d.dc(c) {
		return false
	}
	var b block
	q := &d.quant[c.quant]
	b[0] = c.dc * q[0]
	t, r := c.acs, d.bits
	last := 0
	for k := 1; k < 64; k++ {
		w := r.peek()
		e := t.look[w>>(64-lookBits)]
		if e == 0 {
			if e = t.long(w); e == 0 {
				return false
			}
		}
		n := uint(e & 31)
		r.pos += n
		k += int(e>>5) & 15
		v := e >> 16
		if e&(31<<9) != 0 {
			if e&noValue != 0 {
				if run := e >> 5 & 15; run == 0 {
					break
				} else if run != 15 {
					return false // of progressive files alone
				}
				continue
			}
			s := int(e>>9) & 15
			v = extend(w<<n>>(64-s), s)
			r.pos += uint(s)
		}
		if k > 63 {
			return false
		}
		b[zigzag[k&63]] = v * q[k&63]
		last = k
	}
	d.bits.pos = r.pos
	if r.over() {
		return false
	}
	c.put(&b, last, bx, by)
	return true
}

// put transforms a block into samples; last is its last coefficient that is not 0.
func (c *component) put(b *block, last, bx, by int) {
	to := c.plane[(by*c.stride+bx)*c.size:]
	switch {
	case last == 0 || c.size == 1:
		flat(to, c.stride, c.size, b[0])
	case c.size == 8:
		transform8(b, to, c.stride)
	case c.size == 4:
		transform4(b, to, c.stride)
	default:
		transform2(b, to, c.stride)
	}
}

package jpeg

// progressiveDC reads a block's mean, or one bit more of it.
func (d *decoder) progressiveDC(c *component, b *[64]int16, s band) bool {
	if s.refine {
		b[0] |= int16(d.bits.take(1) << s.low)
		return !d.bits.over()
	}
	if !d.dc(c) {
		return false
	}
	b[0] = int16(c.dc << s.low)
	return !d.bits.over()
}

// endRun reads how many blocks from this one on have no more in this band.
func (d *decoder) endRun(run int32) int {
	return 1<<run + int(d.bits.take(uint(run)))
}

// firstAC reads a band of a block; run is of blocks that have none. It returns the
// run that is left.
func (d *decoder) firstAC(c *component, b *[64]int16, s band, run int) (int, bool) {
	if run > 0 {
		return run - 1, true
	}
	for k := s.first; k <= s.last; k++ {
		e, v := d.value(c.acs)
		if e == 0 {
			return 0, false
		}
		zeros := e >> 5 & 15
		if e&noValue != 0 && zeros < 15 {
			run = d.endRun(zeros) - 1
			break
		}
		k += int(zeros)
		if e&noValue != 0 {
			continue
		}
		if k > s.last {
			return 0, false
		}
		b[zigzag[k]] = int16(v << s.low)
	}
	return run, !d.bits.over()
}

// refineAC reads one bit more of a block's band (G.1.2.3).
func (d *decoder) refineAC(c *component, b *[64]int16, s band, run int) (int, bool) {
	bit := int16(1) << s.low
	k := s.first
	if run == 0 {
		for ; k <= s.last; k++ {
			e, v := d.value(c.acs)
			if e == 0 || e&noValue == 0 && v != 1 && v != -1 {
				return 0, false
			}
			zeros := int(e >> 5 & 15)
			if e&noValue != 0 && zeros < 15 {
				run = d.endRun(int32(zeros))
				break
			}
			if k = d.refine(b, k, s.last, zeros, bit); k > s.last {
				return 0, false
			}
			if e&noValue == 0 {
				b[zigzag[k]] = int16(v) * bit
			}
			if d.bits.over() {
				return 0, false
			}
		}
	}
	if run > 0 {
		d.refine(b, k, s.last, 64, bit)
		run--
	}
	return run, !d.bits.over()
}

// refine reads a bit for each coefficient that is not 0, until it stands at the
// next one that is after skipping so many; it returns where.
func (d *decoder) refine(b *[64]int16, k, last, zeros int, bit int16) int {
	for ; k <= last; k++ {
		v := &b[zigzag[k]]
		if *v == 0 {
			if zeros == 0 {
				break
			}
			zeros--
			continue
		}
		if d.bits.take(1) == 0 {
			continue
		}
		if *v > 0 {
			*v += bit
		} else {
			*v -= bit
		}
	}
	return k
}

// reconstruct transforms the blocks that the scans have put together.
func (d *decoder) reconstruct(c *component) {
	q := &d.quant[c.quant]
	for by := range c.down {
		for bx := range c.across {
			from := &c.coeffs[by*c.across+bx]
			var b block
			last := 0
			for k, at := range zigzag {
				if v := from[at]; v != 0 {
					b[at] = int32(v) * q[k]
					last = k
				}
			}
			c.put(&b, last, bx, by)
		}
	}
}

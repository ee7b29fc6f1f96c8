package jpeg

// The inverse cosine transforms of libjpeg, in 13 bits of fraction: jidctint.c of
// 8x8 samples (Loeffler, Ligtenberg and Moschytz 1989, in rows and columns), and
// jidctred.c of 4x4 and 2x2, which leave out what the picture has no room for.
const (
	fraction = 13
	extra    = 2 // bits kept between columns and rows

	fix0211164243 = 1730
	fix0298631336 = 2446
	fix0390180644 = 3196
	fix0509795579 = 4176
	fix0541196100 = 4433
	fix0601344887 = 4926
	fix0720959822 = 5906
	fix0765366865 = 6270
	fix0850430095 = 6967
	fix0899976223 = 7373
	fix1061594337 = 8697
	fix1175875602 = 9633
	fix1272758580 = 10426
	fix1451774981 = 11893
	fix1501321110 = 12299
	fix1847759065 = 15137
	fix1961570560 = 16069
	fix2053119869 = 16819
	fix2172734803 = 17799
	fix2562915447 = 20995
	fix3072711026 = 25172
	fix3624509785 = 29692
)

// sample clips to 8 bits around the middle, 128.
func sample(v int32) uint8 {
	v += 128
	if uint32(v) > 255 {
		v = ^(v >> 31) & 255
	}
	return uint8(v)
}

// flat fills a block that has a mean alone.
func flat(to []uint8, stride, size int, mean int32) {
	v := sample((mean + 4) >> 3)
	for y := range size {
		line := to[y*stride:][:size]
		for x := range line {
			line[x] = v
		}
	}
}

// odd is the part of the eight-point transform from coefficients 1, 3, 5 and 7.
func odd(c1, c3, c5, c7 int32) (o0, o1, o2, o3 int32) {
	z1, z2, z3, z4 := c7+c1, c5+c3, c7+c3, c5+c1
	z5 := (z3 + z4) * fix1175875602
	z1 *= -fix0899976223
	z2 *= -fix2562915447
	z3 = z3*-fix1961570560 + z5
	z4 = z4*-fix0390180644 + z5
	return c7*fix0298631336 + z1 + z3, c5*fix2053119869 + z2 + z4, c3*fix3072711026 + z2 + z3, c1*fix1501321110 + z1 + z4
}

// even is the part from coefficients 0, 2, 4 and 6.
func even(c0, c2, c4, c6 int32) (e0, e1, e2, e3 int32) {
	z := (c2 + c6) * fix0541196100
	t2, t3 := z-c6*fix1847759065, z+c2*fix0765366865
	t0, t1 := (c0+c4)<<fraction, (c0-c4)<<fraction
	return t0 + t3, t1 + t2, t1 - t2, t0 - t3
}

// transform8 writes 8x8 samples: columns first, then rows.
func transform8(b *block, to []uint8, stride int) {
	const down1, half1 = fraction - extra, 1 << (fraction - extra - 1)
	const down2, half2 = fraction + extra + 3, 1 << (fraction + extra + 2)
	for x := range 8 {
		c := b[x : x+57 : 64]
		if c[8]|c[16]|c[24]|c[32]|c[40]|c[48]|c[56] == 0 {
			v := c[0] << extra
			c[0], c[8], c[16], c[24], c[32], c[40], c[48], c[56] = v, v, v, v, v, v, v, v
			continue
		}
		e0, e1, e2, e3 := even(c[0], c[16], c[32], c[48])
		o0, o1, o2, o3 := odd(c[8], c[24], c[40], c[56])
		c[0], c[56] = (e0+o3+half1)>>down1, (e0-o3+half1)>>down1
		c[8], c[48] = (e1+o2+half1)>>down1, (e1-o2+half1)>>down1
		c[16], c[40] = (e2+o1+half1)>>down1, (e2-o1+half1)>>down1
		c[24], c[32] = (e3+o0+half1)>>down1, (e3-o0+half1)>>down1
	}
	for y := range 8 {
		c := b[8*y : 8*y+8 : 8*y+8]
		line := to[y*stride:][:8:8]
		e0, e1, e2, e3 := even(c[0], c[2], c[4], c[6])
		o0, o1, o2, o3 := odd(c[1], c[3], c[5], c[7])
		line[0], line[7] = sample((e0+o3+half2)>>down2), sample((e0-o3+half2)>>down2)
		line[1], line[6] = sample((e1+o2+half2)>>down2), sample((e1-o2+half2)>>down2)
		line[2], line[5] = sample((e2+o1+half2)>>down2), sample((e2-o1+half2)>>down2)
		line[3], line[4] = sample((e3+o0+half2)>>down2), sample((e3-o0+half2)>>down2)
	}
}

// four is the reduced transform of a line, at twice the scale: coefficient 4 falls away.
func four(c0, c1, c2, c3, c5, c6, c7 int32) (v0, v1, v2, v3 int32) {
	t0 := c0 << (fraction + 1)
	t2 := c2*fix1847759065 - c6*fix0765366865
	o0 := c1*fix1061594337 - c3*fix2172734803 + c5*fix1451774981 - c7*fix0211164243
	o2 := c1*fix2562915447 + c3*fix0899976223 - c5*fix0601344887 - c7*fix0509795579
	return t0 + t2 + o2, t0 - t2 + o0, t0 - t2 - o0, t0 + t2 - o2
}

// transform4 writes 4x4 samples.
func transform4(b *block, to []uint8, stride int) {
	const down1, half1 = fraction - extra + 1, 1 << (fraction - extra)
	const down2, half2 = fraction + extra + 3 + 1, 1 << (fraction + extra + 3)
	for x := range 8 {
		if x == 4 {
			continue
		}
		c := b[x : x+57 : 64]
		v0, v1, v2, v3 := four(c[0], c[8], c[16], c[24], c[40], c[48], c[56])
		c[0], c[8], c[16], c[24] = (v0+half1)>>down1, (v1+half1)>>down1, (v2+half1)>>down1, (v3+half1)>>down1
	}
	for y := range 4 {
		c := b[8*y : 8*y+8 : 8*y+8]
		line := to[y*stride:][:4:4]
		v0, v1, v2, v3 := four(c[0], c[1], c[2], c[3], c[5], c[6], c[7])
		line[0], line[1] = sample((v0+half2)>>down2), sample((v1+half2)>>down2)
		line[2], line[3] = sample((v2+half2)>>down2), sample((v3+half2)>>down2)
	}
}

// two is the transform to two values, at four times the scale: of the even
// coefficients only the mean has a share.
func two(c0, c1, c3, c5, c7 int32) (v0, v1 int32) {
	t := c0 << (fraction + 2)
	o := c1*fix3624509785 - c3*fix1272758580 + c5*fix0850430095 - c7*fix0720959822
	return t + o, t - o
}

// transform2 writes 2x2 samples.
func transform2(b *block, to []uint8, stride int) {
	const down1, half1 = fraction - extra + 2, 1 << (fraction - extra + 1)
	const down2, half2 = fraction + extra + 3 + 2, 1 << (fraction + extra + 4)
	for _, x := range [5]int{0, 1, 3, 5, 7} {
		c := b[x : x+57 : 64]
		v0, v1 := two(c[0], c[8], c[24], c[40], c[56])
		c[0], c[8] = (v0+half1)>>down1, (v1+half1)>>down1
	}
	for y := range 2 {
		c := b[8*y : 8*y+8 : 8*y+8]
		v0, v1 := two(c[0], c[1], c[3], c[5], c[7])
		to[y*stride], to[y*stride+1] = sample((v0+half2)>>down2), sample((v1+half2)>>down2)
	}
}

package main

// GELU is x Phi(x), Phi the normal distribution's: as 1 - Phi(|x|), the tail, is exp(-x²/2)
// times a polynomial in 1/(1 + p|x|), value and derivative share the exponential.

// exponential sets s to exp(x) of x between -87 and 87; x and n are lost. See logistic.
func (a *asm) exponential(v vec, x, s, n int) {
	a.op("VMULPS", a.c(v, "log2e"), v.r(x), v.r(n))
	if a.masks {
		a.op("VRNDSCALEPS", "$8", v.r(n), v.r(n))
	} else {
		a.op("VROUNDPS", "$8", v.r(n), v.r(n))
	}
	a.op("VFNMADD231PS", a.c(v, "ln2"), v.r(n), v.r(x))
	a.load(v, a.c(v, "e6"), s)
	for _, c := range []string{"e5", "e4", "e3", "e2", "one", "one"} {
		a.op("VFMADD213PS", a.c(v, c), v.r(x), v.r(s))
	}
	if a.masks {
		a.op("VSCALEFPS", v.r(n), v.r(s), v.r(s))
	} else {
		a.op("VCVTPS2DQ", v.r(n), v.r(n))
		a.op("VPSLLD", "$23", v.r(n), v.r(n))
		a.op("VPADDD", v.r(n), v.r(s), v.r(s))
	}
}

// reciprocal sets to to 1/d; d is lost.
func (a *asm) reciprocal(v vec, d, to int) {
	if a.masks { // an estimate and a step of Newton's
		a.op("VRCP14PS", v.r(d), v.r(to))
		a.op("VFNMADD213PS", a.c(v, "two"), v.r(to), v.r(d))
		a.op("VMULPS", v.r(to), v.r(d), v.r(to))
		return
	}
	a.load(v, a.c(v, "one"), to)
	a.op("VDIVPS", v.r(d), v.r(to), v.r(to))
}

// magnitude sets to to |u|, at most 87; temp is scratch.
func (a *asm) magnitude(v vec, u, to, temp int) {
	a.zero(to)
	a.op("VSUBPS", v.r(u), v.r(to), v.r(to))
	a.max(v, u, to)
	a.min(v, a.constant(v, "most", temp), to)
}

// tail sets t to 1 - Phi(|u|), within 8e-8, and e to exp(-u²/2); n is scratch.
// Abramowitz and Stegun, 7.1.26.
func (a *asm) tail(v vec, u, e, t, n int) {
	a.op("VMULPS", v.r(u), v.r(u), v.r(n))
	a.op("VMULPS", a.c(v, "minusHalf"), v.r(n), v.r(n))
	a.max(v, a.constant(v, "least", t), n)
	a.exponential(v, n, e, t)
	a.magnitude(v, u, t, n)
	a.load(v, a.c(v, "tailp"), n)
	a.op("VFMADD213PS", a.c(v, "one"), v.r(n), v.r(t))
	a.reciprocal(v, t, n)
	a.load(v, a.c(v, "tail5"), t)
	for _, c := range []string{"tail4", "tail3", "tail2", "tail1"} {
		a.op("VFMADD213PS", a.c(v, c), v.r(n), v.r(t))
	}
	a.op("VMULPS", v.r(n), v.r(t), v.r(t))
	a.op("VMULPS", v.r(e), v.r(t), v.r(t))
}

// gelu replaces u by max(u, 0) - |u| (1 - Phi(|u|)).
func (a *asm) gelu(v vec, u, t0, t1, t2 int) {
	a.tail(v, u, t0, t1, t2)
	a.magnitude(v, u, t0, t2)
	a.zero(t2)
	a.max(v, t2, u)
	a.op("VFNMADD231PS", v.r(t0), v.r(t1), v.r(u))
}

// geluSlope sets g to Phi(u) + u phi(u).
func (a *asm) geluSlope(v vec, u, g, t0, t1, t2 int) {
	a.tail(v, u, t0, t1, t2)
	a.load(v, a.c(v, "one"), g)
	a.op("VFNMADD231PS", a.c(v, "two"), v.r(t1), v.r(g))
	a.zero(t2)
	a.keep(v, v.r(t2), v.r(u), g, t2)
	a.op("VADDPS", v.r(t1), v.r(g), v.r(g))
	a.op("VMULPS", a.c(v, "density"), v.r(t0), v.r(t0))
	a.op("VFMADD231PS", v.r(u), v.r(t0), v.r(g))
}

package main

// The optimisers keep their rates in vector registers and handle the odd values
// at the end one at a time, with the same operations.

// sgd is stochastic gradient descent.
func (a *asm) sgd() {
	lr, momentum, decay, gscale := a.regs-1, a.regs-2, a.regs-3, a.regs-4
	a.broadcast("lr", lr)
	a.broadcast("momentum", momentum)
	a.broadcast("decay", decay)
	a.broadcast("gscale", gscale)
	a.get("w", "DI", "v", "R8", "dw", "SI", "n", "CX")
	a.op("SHLQ", 2, "CX")
	a.op("XORL", "BX", "BX")
	loop := func(velocity, nesterov bool) {
		a.blocks("CX", []block{{a.wide, 3}, {a.wide, 1}, {scalar, 1}}, func(b block) {
			for i := range b.n {
				w, d, v := 3*i, 3*i+1, 3*i+2
				a.load(b.vec, a.at("DI", b.vec, i), w)
				a.op(b.op("VMUL"), a.at("SI", b.vec, i), b.r(gscale), b.r(d))
				a.op(b.op("VFMADD231"), b.r(w), b.r(decay), b.r(d))
				switch {
				case nesterov: // v = momentum*v + d, d += momentum*v
					a.load(b.vec, a.at("R8", b.vec, i), v)
					a.op(b.op("VFMADD213"), b.r(d), b.r(momentum), b.r(v))
					a.store(b.vec, v, a.at("R8", b.vec, i))
					a.op(b.op("VFMADD231"), b.r(v), b.r(momentum), b.r(d))
				case velocity:
					a.load(b.vec, a.at("R8", b.vec, i), v)
					a.op(b.op("VFMADD231"), b.r(v), b.r(momentum), b.r(d))
					a.store(b.vec, d, a.at("R8", b.vec, i))
				}
				a.op(b.op("VFNMADD231"), b.r(d), b.r(lr), b.r(w))
				a.store(b.vec, w, a.at("DI", b.vec, i))
			}
		})
		a.ret()
	}
	a.either("R8", "plain", func(velocity bool) {
		if !velocity {
			loop(false, false)
			return
		}
		a.op("CMPB", a.arg("nesterov"), 0)
		a.op("JNE", "nesterov")
		loop(true, false)
		a.mark("nesterov")
		loop(true, true)
	})
}

// adamW takes one vector at a time: the square root and the division set the pace.
func (a *asm) adamW() {
	r := a.regs
	keep, beta1, beta2, lr, root, eps, gscale := r-1, r-2, r-3, r-4, r-5, r-6, r-7
	rest1, rest2 := r-8, r-9 // 1 - beta
	a.broadcast("gscale", gscale)
	a.broadcast("keep", keep)
	a.broadcast("beta1", beta1)
	a.broadcast("beta2", beta2)
	a.broadcast("lr", lr)
	a.broadcast("root", root)
	a.broadcast("eps", eps)
	a.get("w", "DI", "m", "R8", "v", "R9", "dw", "SI", "n", "CX")
	a.op("MOVL", "$0x3f800000", "AX") // 1
	a.op("VMOVD", "AX", "X0")
	a.op("VBROADCASTSS", "X0", a.wide.r(0))
	a.op("VSUBPS", a.wide.r(beta1), a.wide.r(0), a.wide.r(rest1))
	a.op("VSUBPS", a.wide.r(beta2), a.wide.r(0), a.wide.r(rest2))
	a.op("SHLQ", 2, "CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", []block{{a.wide, 1}, {scalar, 1}}, func(b block) {
		w, g, m, v, s := 0, 1, 2, 3, 4
		a.load(b.vec, a.at("DI", b.vec, 0), w)
		a.op(b.op("VMUL"), a.at("SI", b.vec, 0), b.r(gscale), b.r(g))
		a.op(b.op("VMUL"), a.at("R8", b.vec, 0), b.r(beta1), b.r(m))
		a.op(b.op("VFMADD231"), b.r(g), b.r(rest1), b.r(m))
		a.store(b.vec, m, a.at("R8", b.vec, 0))
		a.op(b.op("VMUL"), a.at("R9", b.vec, 0), b.r(beta2), b.r(v))
		a.op(b.op("VMUL"), b.r(g), b.r(rest2), b.r(s))
		a.op(b.op("VFMADD231"), b.r(g), b.r(s), b.r(v))
		a.store(b.vec, v, a.at("R9", b.vec, 0))
		if b.lanes == 1 {
			a.op("VSQRTSS", b.r(v), b.r(v), b.r(v))
		} else {
			a.op("VSQRTPS", b.r(v), b.r(v))
		}
		a.op(b.op("VFMADD213"), b.r(eps), b.r(root), b.r(v))
		a.op(b.op("VMUL"), b.r(m), b.r(lr), b.r(m))
		a.op(b.op("VDIV"), b.r(v), b.r(m), b.r(m))
		a.op(b.op("VFMSUB213"), b.r(m), b.r(keep), b.r(w)) // keep*w - m
		a.store(b.vec, w, a.at("DI", b.vec, 0))
	})
	a.ret()
}

// blend moves an average.
func (a *asm) blend() {
	share := a.regs - 1
	a.broadcast("share", share)
	a.get("a", "DI", "w", "SI", "n", "CX")
	a.op("SHLQ", 2, "CX")
	a.op("XORL", "BX", "BX")
	a.blocks("CX", []block{{a.wide, 4}, {a.wide, 1}, {scalar, 1}}, func(b block) {
		for i := range b.n {
			average, d := 2*i, 2*i+1
			a.load(b.vec, a.at("DI", b.vec, i), average)
			a.load(b.vec, a.at("SI", b.vec, i), d)
			a.op(b.op("VSUB"), b.r(average), b.r(d), b.r(d))
			a.op(b.op("VFMADD231"), b.r(d), b.r(share), b.r(average))
			a.store(b.vec, average, a.at("DI", b.vec, i))
		}
	})
	a.ret()
}

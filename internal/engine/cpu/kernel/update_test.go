package kernel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestSGD(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		n := rapid.IntRange(1, 200).Draw(t, "n")
		g, w := s.in(1, n, 0), s.out(1, n, 0)
		var v, oldV *matrix
		momentum, nesterov := float32(0), false
		if rapid.Bool().Draw(t, "momentum") {
			v = s.out(1, n, 0)
			oldV = v.clone()
			momentum, nesterov = 0.9, rapid.Bool().Draw(t, "nesterov")
		}
		const lr, decay, gscale = 0.1, 0.01, 0.5
		oldW := w.clone()
		s.run(func() {
			vp, _ := v.orNil()
			set.SGD(w.ptr(), vp, g.ptr(), n, lr, momentum, decay, gscale, nesterov)
		})
		for i := range n {
			d := g.at(0, i)*gscale + decay*oldW.at(0, i)
			size := math.Abs(g.at(0, i)) + math.Abs(oldW.at(0, i))
			step := d
			if v != nil {
				step += float64(momentum) * oldV.at(0, i)
				size += math.Abs(oldV.at(0, i))
				near(t, "v", 0, i, v.row(0)[i], step, 4, size)
			}
			if nesterov {
				step = d + float64(momentum)*step
			}
			near(t, "w", 0, i, w.row(0)[i], oldW.at(0, i)-lr*step, 6, size)
		}
	})
}

func TestAdamW(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		n := rapid.IntRange(1, 200).Draw(t, "n")
		g, w, m, v := s.in(1, n, 0), s.out(1, n, 0), s.out(1, n, 0), s.out(1, n, 0)
		for i, x := range v.row(0)[:n] {
			v.row(0)[i] = x * x
		}
		oldW, oldM, oldV := w.clone(), m.clone(), v.clone()
		const gscale, keep, beta1, beta2, lr, root, eps = float32(0.5), float32(0.99), float32(0.9), float32(0.999), float32(0.01), float32(3), float32(1e-3)
		s.run(func() { set.AdamW(w.ptr(), m.ptr(), v.ptr(), g.ptr(), n, gscale, keep, beta1, beta2, lr, root, eps) })
		for i := range n {
			d := g.at(0, i) * float64(gscale)
			first := float64(beta1)*oldM.at(0, i) + (1-float64(beta1))*d
			second := float64(beta2)*oldV.at(0, i) + (1-float64(beta2))*d*d
			want := float64(keep)*oldW.at(0, i) - float64(lr)*first/(math.Sqrt(second)*float64(root)+float64(eps))
			near(t, "m", 0, i, m.row(0)[i], first, 8, math.Abs(oldM.at(0, i))+math.Abs(d))
			near(t, "v", 0, i, v.row(0)[i], second, 300, oldV.at(0, i)+d*d)
			near(t, "w", 0, i, w.row(0)[i], want, 600, math.Abs(oldW.at(0, i))+math.Abs(want))
		}
	})
}

func TestBlend(t *testing.T) {
	eachSetRapid(t, func(t *rapid.T, set *Set) {
		s := newScope(t)
		n := rapid.IntRange(1, 200).Draw(t, "n")
		a, w := s.out(1, n, 0), s.in(1, n, 0)
		old := a.clone()
		const share = 0.125
		s.run(func() { set.Blend(a.ptr(), w.ptr(), n, share) })
		for i := range n {
			near(t, "a", 0, i, a.row(0)[i], old.at(0, i)+share*(w.at(0, i)-old.at(0, i)), 4, math.Abs(old.at(0, i))+math.Abs(w.at(0, i)))
		}
	})
}

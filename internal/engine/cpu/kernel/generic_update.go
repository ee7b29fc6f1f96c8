package kernel

import (
	"math"
	"unsafe"
)

func sgd(w, v, dw unsafe.Pointer, n int, lr, momentum, decay, gscale float32, nesterov bool) {
	if n == 0 {
		return
	}
	weights, grads := floats(w, n), floats(dw, n)
	if v == nil {
		for i := range weights {
			weights[i] -= lr * (grads[i]*gscale + decay*weights[i])
		}
		return
	}
	velocity := floats(v, n)
	for i := range weights {
		d := grads[i]*gscale + decay*weights[i]
		velocity[i] = momentum*velocity[i] + d
		if nesterov {
			weights[i] -= lr * (d + momentum*velocity[i])
		} else {
			weights[i] -= lr * velocity[i]
		}
	}
}

func adamW(w, m, v, dw unsafe.Pointer, n int, gscale, keep, beta1, beta2, lr, root, eps float32) {
	if n == 0 {
		return
	}
	weights, first, second, grads := floats(w, n), floats(m, n), floats(v, n), floats(dw, n)
	for i := range weights {
		g := grads[i] * gscale
		first[i] = beta1*first[i] + (1-beta1)*g
		second[i] = beta2*second[i] + (1-beta2)*g*g
		weights[i] = keep*weights[i] - lr*first[i]/(float32(math.Sqrt(float64(second[i])))*root+eps)
	}
}

func blend(a, w unsafe.Pointer, n int, share float32) {
	if n == 0 {
		return
	}
	average, weights := floats(a, n), floats(w, n)
	for i := range average {
		average[i] += share * (weights[i] - average[i])
	}
}

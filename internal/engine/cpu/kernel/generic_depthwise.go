package kernel

import "unsafe"

func depthwise(a *DepthwiseArgs) {
	weights := pointers(a.Weights, a.Taps)
	for p := range a.Pixels {
		rows := pointers(unsafe.Add(a.Rows, p*(a.Taps+1)*int(unsafe.Sizeof(uintptr(0)))), a.Taps+1)
		out := floats(rows[a.Taps], a.C)
		for j := range out {
			v := float32(0)
			if a.Bias != nil {
				v = floats(a.Bias, a.C)[j]
			}
			for t, w := range weights {
				v += floats(rows[t], a.C)[j] * floats(w, a.C)[j]
			}
			out[j] = clamp(v, a.Lo, a.Hi)
		}
	}
}

func depthwiseGrad(a *DepthwiseGradArgs) {
	for t := range a.Count {
		sum := row(a.Sum, a.SumStride, t, a.C)
		if a.Acc == 0 {
			clear(sum)
		}
		for p := range a.Pixels {
			rows := pointers(unsafe.Add(a.Rows, p*(a.Taps+1)*int(unsafe.Sizeof(uintptr(0)))), a.Taps+1)
			dy := floats(rows[a.Taps], a.C)
			for j, v := range floats(rows[a.First+t], a.C) {
				sum[j] += v * dy[j]
			}
		}
	}
}

package kernel

import "unsafe"

func depthwise(a *DepthwiseArgs) {
	rows, weights := pointers(a.Rows, a.Taps), pointers(a.Weights, a.Taps)
	for p := range a.Pixels {
		out := row(a.Out, a.OutStep, p, a.C)
		for j := range out {
			v := float32(0)
			if a.Bias != nil {
				v = floats(a.Bias, a.C)[j]
			}
			for t, w := range weights {
				v += row(rows[t], a.RowStep, p, a.C)[j] * floats(w, a.C)[j]
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
			dy := row(a.DY, a.DYStep, p, a.C)
			for j, v := range row(unsafe.Add(a.X, t*a.XTap), a.XStep, p, a.C) {
				sum[j] += v * dy[j]
			}
		}
	}
}

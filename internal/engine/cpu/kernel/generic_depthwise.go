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

// slid is pixel p of input line h of several whose first pixels are at rows.
func slid(rows *[4]uintptr, first, step, last, lines, h, p, c int) []float32 {
	if h == 0 {
		step = first
	} else if h == lines+1 {
		step = last
	}
	return row(pointer(rows[h]), step, p, c)
}

func depthwise3(a *Depthwise3Args) {
	for y := range a.Lines {
		for p := range a.Width {
			out := row(unsafe.Add(a.Out, y*a.OutLine), a.OutStep, p, a.C)
			copy(out, floats(a.Bias, a.C))
			for kw := max(0, 1-p); kw < min(3, a.Width+1-p); kw++ {
				for kh := range 3 {
					w := floats(pointer(a.Weights[3*kh+kw]), a.C)
					for j, v := range slid(&a.Rows, a.First, a.Step, a.Last, a.Lines, y+kh, p+kw-1, a.C) {
						out[j] += v * w[j]
					}
				}
			}
			for j, v := range out {
				out[j] = clamp(v, a.Lo, a.Hi)
			}
		}
	}
}

func depthwise3Grad(a *Depthwise3GradArgs) {
	for kh := range 3 {
		for kw := range 3 {
			sum := row(a.Sum, a.SumStride, 3*kh+kw, a.C)
			for q := max(0, kw-1); q < min(a.Width, a.Width+kw-1); q++ {
				for y := range a.Lines {
					dy := row(pointer(a.DY[y]), a.DYStep, q+1-kw, a.C)
					for j, v := range slid(&a.Rows, a.First, a.Step, a.Last, a.Lines, y+kh, q, a.C) {
						sum[j] += v * dy[j]
					}
				}
			}
		}
	}
}

func depthwise5(a *Depthwise5Args) {
	rows := pointers(a.Rows, a.Lines+4)
	for y := range a.Lines {
		for p := range a.Width {
			out := row(unsafe.Add(a.Out, y*a.OutLine), a.OutStep, p, a.C)
			copy(out, floats(a.Bias, a.C))
			for kw := max(0, 2-p); kw < min(5, a.Width+2-p); kw++ {
				for kh := range 5 {
					w := floats(pointer(a.Weights[5*kh+kw]), a.C)
					for j, v := range row(rows[y+kh], a.Step, p+kw-2, a.C) {
						out[j] += v * w[j]
					}
				}
			}
			for j, v := range out {
				out[j] = clamp(v, a.Lo, a.Hi)
			}
		}
	}
}

func depthwise5Grad(a *Depthwise5GradArgs) {
	rows, dys := pointers(a.Rows, a.Lines+4), pointers(a.DY, a.Lines)
	for kh := range 5 {
		for kw := range 5 {
			sum := row(a.Sum, a.SumStride, 5*kh+kw, a.C)
			for y := range a.Lines {
				for q := max(0, kw-2); q < min(a.Width, a.Width+kw-2); q++ {
					dy := row(dys[y], a.DYStep, q+2-kw, a.C)
					for j, v := range row(rows[y+kh], a.Step, q, a.C) {
						sum[j] += v * dy[j]
					}
				}
			}
		}
	}
}

// pointer reads an address as pointers does.
func pointer(a uintptr) unsafe.Pointer { return pointers(unsafe.Pointer(&a), 1)[0] }

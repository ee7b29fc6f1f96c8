package ref

import (
	"math"

	"graft/internal/graph"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// phi is the normal distribution.
func phi(x float64) float64 { return math.Erfc(-x/math.Sqrt2) / 2 }

// activate writes the function of each value; NaN stays NaN.
func activate(op graph.Op, x, y []float64) {
	for i, v := range x {
		switch op {
		case graph.ReLU:
			y[i] = max(v, 0)
		case graph.ReLU6:
			y[i] = min(max(v, 0), 6)
		case graph.HardSwish:
			y[i] = v * min(max(v/6+0.5, 0), 1)
		case graph.SiLU:
			y[i] = v * sigmoid(v)
		case graph.Sigmoid:
			y[i] = sigmoid(v)
		case graph.HardSigmoid:
			y[i] = min(max(v/6+0.5, 0), 1)
		case graph.GELU:
			y[i] = v * phi(v)
		}
	}
}

// activateInput is dx = dy f'(x); where f has a corner, as PyTorch has it.
func activateInput(op graph.Op, x, dy, dx []float64) {
	for i, v := range x {
		slope := 0.0
		switch op {
		case graph.ReLU:
			if v > 0 {
				slope = 1
			}
		case graph.ReLU6:
			if v > 0 && v < 6 {
				slope = 1
			}
		case graph.HardSwish:
			switch {
			case v > 3:
				slope = 1
			case v > -3:
				slope = v/3 + 0.5
			}
		case graph.SiLU:
			s := sigmoid(v)
			slope = s * (1 + v*(1-s))
		case graph.Sigmoid:
			s := sigmoid(v)
			slope = s * (1 - s)
		case graph.HardSigmoid:
			if v > -3 && v < 3 {
				slope = 1.0 / 6
			}
		case graph.GELU:
			slope = phi(v) + v*math.Exp(-v*v/2)/math.Sqrt(2*math.Pi)
		}
		dx[i] = dy[i] * slope
	}
}

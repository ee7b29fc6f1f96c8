package train

// A Schedule gives the rate of a step, counted from 0 over the whole run.
type Schedule func(step, steps int) float64

// Constant is the same rate at every step.
func Constant(rate float64) Schedule {
	return func(int, int) float64 { return rate }
}

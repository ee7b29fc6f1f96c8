package train

import "math"

// better reports whether e, of the phase that began after so many epochs, is to be kept
// instead of f. The choice goes by the held-out accuracy, and by the loss between equals. With
// choose = "loss" the smaller loss is better, a finer measure where held-out pictures are few;
// but losses of two phases do not compare, since label smoothing and rates differ, so the later
// one takes over as soon as it is within one standard error of the earlier one's accuracy
// (Breiman, Friedman, Olshen, Stone 1984): with less than that there is no evidence against it.
// With choose = "last" every epoch is better than the one before, so patience has nothing to count.
func (r Recipe) better(e, f *Epoch, started int) bool {
	if f == nil || r.Choose == "last" {
		return true
	}
	a, b := e.held(), f.held()
	switch {
	case r.Choose != "loss":
		return a.Accuracy > b.Accuracy || a.Accuracy == b.Accuracy && a.Loss < b.Loss
	case f.Epoch > started:
		return a.Loss < b.Loss
	}
	return a.Accuracy >= b.Accuracy-math.Sqrt(b.Accuracy*(1-b.Accuracy)/float64(max(b.N, 1)))
}

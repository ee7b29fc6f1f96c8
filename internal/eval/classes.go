package eval

// A Class says how well one class was found. A quotient without a denominator
// (no picture of the class, or none predicted as it) is 0, and Undefined tells.
type Class struct {
	Name      string
	Precision float64 // of the pictures predicted as the class, the share that is of it
	Recall    float64 // of the class's pictures, the share predicted as it
	F1        float64 // harmonic mean of the two
	Support   int     // pictures of the class
	Undefined bool    // precision or recall had no denominator
}

// Classes derives each class's figures from the confusion matrix.
func (r *Result) Classes(names []string) []Class {
	classes := make([]Class, len(names))
	for k := range classes {
		hit, predicted, support := r.Confusion[k][k], 0, 0
		for j := range names {
			predicted += r.Confusion[j][k]
			support += r.Confusion[k][j]
		}
		c := Class{Name: names[k], Support: support, Undefined: predicted == 0 || support == 0}
		c.Precision = share(hit, predicted)
		c.Recall = share(hit, support)
		if hit > 0 {
			c.F1 = 2 * float64(hit) / float64(predicted+support)
		}
		classes[k] = c
	}
	return classes
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

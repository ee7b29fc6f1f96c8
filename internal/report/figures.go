package report

import (
	"cmp"
	"math"
	"slices"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// An answer is what the model said of a picture that judges it.
type answer struct {
	path             string
	label, predicted int
	prob             float64 // of predicted
	labelProb        float64
	entropy          float64 // of the probabilities, in nats: how uncertain
}

func (a *answer) right() bool { return a.label == a.predicted }

// answersOf are those on the test pictures, or on the validation pictures where there are
// none of test, with calibrated probabilities; a nil calibration leaves them as they are.
func answersOf(list []rundir.Prediction, c *eval.Calibration) (part string, answers []answer) {
	part = "val"
	for i := range list {
		if list[i].Part == "test" {
			part = "test"
		}
	}
	for _, p := range list {
		if p.Part != part {
			continue
		}
		probs := c.Probabilities(p.Logits)
		a := answer{path: p.Path, label: p.Class, predicted: eval.Largest(probs), labelProb: float64(probs[p.Class])}
		a.prob = float64(probs[a.predicted])
		for _, q := range probs {
			if q > 0 {
				a.entropy -= float64(q) * math.Log(float64(q))
			}
		}
		answers = append(answers, a)
	}
	return part, answers
}

// confusion counts the answers: [label][predicted].
func confusion(answers []answer, classes int) *eval.Result {
	r := &eval.Result{N: len(answers), Confusion: make([][]int, classes)}
	for i := range r.Confusion {
		r.Confusion[i] = make([]int, classes)
	}
	right := 0
	for _, a := range answers {
		r.Confusion[a.label][a.predicted]++
		if a.right() {
			right++
		}
	}
	if len(answers) > 0 {
		r.Accuracy = float64(right) / float64(len(answers))
	}
	return r
}

// A pair is two classes of which one was taken for the other.
type pair struct {
	label, predicted, n, of int
}

// confused are the pairs most often taken for each other, the most often first.
func confused(r *eval.Result, most int) []pair {
	var list []pair
	for i, row := range r.Confusion {
		of := 0
		for _, n := range row {
			of += n
		}
		for j, n := range row {
			if i != j && n > 0 {
				list = append(list, pair{i, j, n, of})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b pair) int { return cmp.Compare(b.n, a.n) })
	return list[:min(most, len(list))]
}

// A bin is the answers whose probability lies within a tenth.
type bin struct {
	n              int
	prob, accuracy float64 // means
}

// reliability are ten bins by probability, and the expected calibration error: the mean
// distance between probability and accuracy, weighted by pictures (Guo and others 2017).
func reliability(answers []answer) (bins [10]bin, ece float64) {
	for _, a := range answers {
		b := &bins[min(9, int(a.prob*10))]
		b.n++
		b.prob += a.prob
		if a.right() {
			b.accuracy++
		}
	}
	for i := range bins {
		b := &bins[i]
		if b.n > 0 {
			b.prob, b.accuracy = b.prob/float64(b.n), b.accuracy/float64(b.n)
			ece += math.Abs(b.prob-b.accuracy) * float64(b.n) / float64(len(answers))
		}
	}
	return bins, ece
}

// worst are the wrong answers, the surest first.
func worst(answers []answer, most int) []answer {
	list := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.right() })
	slices.SortStableFunc(list, func(a, b answer) int { return cmp.Compare(b.prob, a.prob) })
	return list[:min(most, len(list))]
}

// leastCertain are the answers of the greatest entropy, right or wrong, but those in except.
func leastCertain(answers, except []answer, most int) []answer {
	list := slices.DeleteFunc(slices.Clone(answers), func(a answer) bool {
		return slices.ContainsFunc(except, func(e answer) bool { return e.path == a.path })
	})
	slices.SortStableFunc(list, func(a, b answer) int { return cmp.Compare(b.entropy, a.entropy) })
	return list[:min(most, len(list))]
}

// mostWrong are the classes in order, or, of more than most, those with the most mistakes in either
// direction, in order.
func mostWrong(r *eval.Result, most int) []int {
	n := len(r.Confusion)
	order, wrong := make([]int, n), make([]int, n)
	for i, row := range r.Confusion {
		order[i] = i
		for j, k := range row {
			if i != j {
				wrong[i] += k
				wrong[j] += k
			}
		}
	}
	if n <= most {
		return order
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(wrong[b], wrong[a]) })
	order = order[:most]
	slices.Sort(order)
	return order
}

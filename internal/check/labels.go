package check

import (
	"cmp"
	"fmt"
	"slices"

	"graft/internal/dataset"
)

// Labels is what a network's answers say about the labels.
type Labels struct {
	Pictures  int     `json:"pictures"`  // that were asked about
	Agreement float64 `json:"agreement"` // share whose most probable class is their label
	Estimate  float64 `json:"estimate"`  // of wrong labels
	// Joint[i][j] is the estimated number of pictures labelled i whose true class is j.
	Joint [][]float64 `json:"joint"`
}

// A Suspect is a picture whose label is likely wrong.
type Suspect struct {
	Picture int // its place in the list
	Class   int // the class it more likely has
	Margin  float64
}

// ConfidentLearning is the method of Northcutt, Jiang and Chuang, "Confident Learning:
// Estimating Uncertainty in Dataset Labels" (2021): probs[i] are picture i's
// probabilities by a network that did not learn from it, labels[i] its label.
//
// The threshold of a class is the mean probability of that class over the pictures
// labelled so. A picture counts towards (label, j) where j is the most probable of the
// classes above their thresholds. These counts, calibrated to the number of pictures
// of each label, estimate the joint distribution; what lies off its diagonal is the
// number of wrong labels. Suspects are the pictures counted off the diagonal whose label is
// also not the most probable class, ordered by how far the probability of the label lies below
// that of the other class ("prune by noise rate" with the margin as its order).
func ConfidentLearning(probs [][]float32, labels []int, classes int) (*Labels, []Suspect) {
	thresholds, of := make([]float64, classes), make([]int, classes)
	for i, p := range probs {
		thresholds[labels[i]] += float64(p[labels[i]])
		of[labels[i]]++
	}
	for k := range thresholds {
		thresholds[k] /= float64(max(of[k], 1))
	}
	counts := make([][]float64, classes)
	for k := range counts {
		counts[k] = make([]float64, classes)
	}
	l := &Labels{Pictures: len(probs)}
	var suspects []Suspect
	agree := 0
	for i, p := range probs {
		label, best, top := labels[i], -1, 0
		for k := range classes {
			if of[k] > 0 && float64(p[k]) >= thresholds[k] && (best < 0 || p[k] > p[best]) {
				best = k
			}
			if p[k] > p[top] {
				top = k
			}
		}
		if top == label {
			agree++
		}
		if best < 0 {
			continue
		}
		counts[label][best]++
		if best != label && top != label {
			suspects = append(suspects, Suspect{i, best, float64(p[best] - p[label])})
		}
	}
	l.Agreement = float64(agree) / float64(max(len(probs), 1))
	l.Joint = counts
	for i, row := range counts {
		sum := 0.0
		for _, n := range row {
			sum += n
		}
		for j := range row {
			if sum > 0 {
				row[j] *= float64(of[i]) / sum
			}
			if i != j {
				l.Estimate += row[j]
			}
		}
	}
	slices.SortStableFunc(suspects, func(a, b Suspect) int { return cmp.Compare(b.Margin, a.Margin) })
	return l, suspects
}

// AddLabels puts what a network says about the labels into the report.
// parts[i] and probs[i] belong to samples[i].
func (r *Report) AddLabels(d *dataset.Dataset, parts []dataset.Split, samples []dataset.Sample, probs [][]float32) {
	labels := make([]int, len(samples))
	for i, s := range samples {
		labels[i] = s.Class
	}
	l, suspects := ConfidentLearning(probs, labels, len(d.Classes))
	r.Labels = l
	f, s := Finding{Kind: "label"}, sheet{name: "label"}
	for _, x := range suspects {
		sample := samples[x.Picture]
		why := fmt.Sprintf("%s %.2f, %s %.2f", d.Classes[x.Class], probs[x.Picture][x.Class], d.Classes[sample.Class], probs[x.Picture][sample.Class])
		f.Groups = append(f.Groups, Group{[]Picture{{sample.Path, string(parts[x.Picture]), d.Classes[sample.Class]}}, why, "relabel"})
		s.rows = append(s.rows, []dataset.Sample{sample})
	}
	r.add(f, s, "label is likely wrong, the likeliest first", "labels are likely wrong, the likeliest first")
}

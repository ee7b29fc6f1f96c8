package eval

import (
	"math"
	"slices"
)

// McNemar is the exact two-sided p-value (McNemar 1947, with the binomial distribution) of two
// classifiers being equally accurate, where of the same pictures onlyA were right by the first
// alone and onlyB by the second alone: the probability that chance shares these pictures out as
// unevenly or more. It equals statsmodels' mcnemar(exact=True).
func McNemar(onlyA, onlyB int) float64 {
	n := onlyA + onlyB
	all, _ := math.Lgamma(float64(n + 1))
	p := 0.0
	for k := range min(onlyA, onlyB) + 1 {
		a, _ := math.Lgamma(float64(k + 1))
		b, _ := math.Lgamma(float64(n - k + 1))
		p += 2 * math.Exp(all-a-b-float64(n)*math.Ln2)
	}
	return min(p, 1)
}

// Holm adjusts p-values for being several (Holm 1979): each may be held against the same
// level, and the chance of any false alarm stays below it.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case p[a] < p[b]:
			return -1
		case p[a] > p[b]:
			return 1
		}
		return 0
	})
	adjusted, least := make([]float64, len(p)), 0.0
	for rank, i := range order {
		least = max(least, min(1, p[i]*float64(len(p)-rank)))
		adjusted[i] = least
	}
	return adjusted
}

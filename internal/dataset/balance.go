package dataset

import (
	"math/rand/v2"
	"slices"
)

// BalancedOrder is the order of an epoch of n samples in which every class comes equally
// often: a rare one's samples again and again, each as often as the other, of a frequent
// one as many as there is room for, others from epoch to epoch.
func BalancedOrder(n int, class func(i int) int, r *rand.Rand) []int {
	byClass := map[int][]int{}
	var classes []int
	for _, i := range r.Perm(n) {
		c := class(i)
		if byClass[c] == nil {
			classes = append(classes, c)
		}
		byClass[c] = append(byClass[c], i)
	}
	slices.Sort(classes)
	order := make([]int, n)
	for k := range order {
		samples := byClass[classes[k%len(classes)]]
		order[k] = samples[k/len(classes)%len(samples)]
	}
	r.Shuffle(n, func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

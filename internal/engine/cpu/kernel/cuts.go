package kernel

// A cuts says by which kernel, a place in Rows, to begin a number of rows: so many as it has an entry for,
// with any more by the largest.
type cuts []uint8

// newCuts finds the cheapest tiles for every number of rows.
func newCuts(rows ...int) cuts {
	c := make(cuts, 6*rows[0]+1)
	costs := make([]int, len(c))
	for n := 1; n < len(c); n++ {
		for i, r := range rows {
			if r > n {
				continue
			}
			if cost := costs[n-r] + tileCost(r); costs[n] == 0 || cost < costs[n] {
				c[n], costs[n] = uint8(i), cost
			}
		}
	}
	return c
}

// tileCost is the time that a tile takes, in eighths of a row at the processor's peak: with few rows, sums wait
// for the ones before. Measured with tiles of two vectors, at K = 576 (docs/performance.md).
func tileCost(rows int) int {
	few := max(0, 6-rows)
	return 8*rows + few*few + 2
}

// First is the kernel, a place in Rows, for the first of the tiles that n rows are cut into: 49 rows are
// cheaper in tiles of 6 and 5 than in tiles of 6 and one of 1.
func (s *Set) First(n int) int {
	if n < len(s.cuts) {
		return int(s.cuts[n])
	}
	return 0
}

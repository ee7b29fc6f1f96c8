package likeness

import (
	"context"
	"math/bits"
	"slices"
	"sync"
)

// Multi-index hashing (Norouzi, Punjani and Fleet 2012): of two hashes that differ
// in at most Radius bits, one of four quarters differs in at most Radius/4. Each
// quarter has a table of 65,536 buckets, and a search looks into those within that
// distance of its own quarter.
const (
	quarters      = 4
	quarterBits   = 64 / quarters
	quarterRadius = Radius / quarters
)

// flips are the patterns of at most quarterRadius bits of a quarter.
var flips = func() (list []uint16) {
	for p := range 1 << quarterBits {
		if bits.OnesCount(uint(p)) <= quarterRadius {
			list = append(list, uint16(p))
		}
	}
	return list
}()

// A table holds numbers of hashes by a quarter: those of bucket b are
// items[start[b]:start[b+1]], in order.
type table struct {
	start [1<<quarterBits + 1]int32
	items []int32
}

func quarter(h uint64, q int) uint16 { return uint16(h >> (q * quarterBits)) }

func (t *table) fill(hashes []uint64, q int) {
	for _, h := range hashes {
		t.start[int(quarter(h, q))+1]++
	}
	for b := range 1 << quarterBits {
		t.start[b+1] += t.start[b]
	}
	next := slices.Clone(t.start[:1<<quarterBits])
	t.items = make([]int32, len(hashes))
	for i, h := range hashes {
		b := quarter(h, q)
		t.items[next[b]] = int32(i)
		next[b]++
	}
}

// pairs calls visit once for every pair i < j whose hashes differ in at most Radius
// bits, from some goroutines; of one i always from the same.
func pairs(ctx context.Context, hashes []uint64, threads int, visit func(i, j int)) error {
	var tables [quarters]table
	for q := range tables {
		tables[q].fill(hashes, q)
	}
	var all sync.WaitGroup
	for worker := range threads {
		all.Go(func() {
			for i := worker; i < len(hashes) && ctx.Err() == nil; i += threads {
				search(&tables, hashes, i, visit)
			}
		})
	}
	all.Wait()
	return ctx.Err()
}

// search finds the j > i near hash i. A pair that several quarters would find is
// the first one's.
func search(tables *[quarters]table, hashes []uint64, i int, visit func(i, j int)) {
	h := hashes[i]
	for q := range tables {
		t := &tables[q]
		for _, f := range flips {
			b := quarter(h, q) ^ f
			for _, j := range t.items[t.start[b]:t.start[int(b)+1]] {
				x := h ^ hashes[j]
				if int(j) > i && bits.OnesCount64(x) <= Radius && firstQuarter(x) == q {
					visit(i, int(j))
				}
			}
		}
	}
}

// firstQuarter is the first quarter in which a difference has few enough bits.
func firstQuarter(x uint64) int {
	for q := range quarters {
		if bits.OnesCount16(quarter(x, q)) <= quarterRadius {
			return q
		}
	}
	return quarters
}

// Groups divides prints into sets of the same picture, by their place in the
// list: sets of two and more, each in order, ordered by their first. nil prints
// are like nothing. Likeness joins: a chain of pictures, each like the next, is
// one set.
func Groups(ctx context.Context, prints []*Print, threads int) ([][]int, error) {
	var hashes []uint64
	var at []int // in prints
	for i, p := range prints {
		if p != nil && !p.Plain {
			hashes, at = append(hashes, p.Hash), append(at, i)
		}
	}
	parent := make([]int32, len(at))
	for i := range parent {
		parent[i] = int32(i)
	}
	root := func(i int32) int32 {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	var mu sync.Mutex
	err := pairs(ctx, hashes, max(threads, 1), func(i, j int) {
		if Same(prints[at[i]], prints[at[j]]) {
			mu.Lock()
			defer mu.Unlock()
			a, b := root(int32(i)), root(int32(j))
			parent[max(a, b)] = min(a, b)
		}
	})
	if err != nil {
		return nil, err
	}
	members := map[int32][]int{}
	var order []int32
	for i := range parent {
		r := root(int32(i))
		if len(members[r]) == 1 {
			order = append(order, r)
		}
		members[r] = append(members[r], at[i])
	}
	slices.Sort(order)
	groups := make([][]int, len(order))
	for k, r := range order {
		groups[k] = members[r]
	}
	return groups, nil
}

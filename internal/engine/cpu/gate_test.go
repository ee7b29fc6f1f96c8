package cpu

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

// A gate lets nobody through before all have arrived, and everybody after, whether who
// waits watches or sleeps.
func TestGate(t *testing.T) {
	for _, watch := range []time.Duration{0, time.Microsecond, watchTime} {
		for _, others := range []int{1, 3} {
			t.Run(fmt.Sprintf("%v/%d", watch, others), func(t *testing.T) {
				const rounds = 300
				var done gate
				done.init(watch)
				starts := make([]gate, others)
				var arrived atomic.Int32
				for i := range starts {
					start := &starts[i]
					start.init(watch)
					start.shut(1)
					go func() {
						for range rounds {
							start.pass()
							arrived.Add(1)
							done.arrive()
						}
					}()
				}
				for round := range rounds {
					done.shut(others)
					for i := range starts {
						starts[i].arrive()
					}
					done.pass()
					if got := int(arrived.Load()); got != (round+1)*others {
						t.Fatalf("round %d: passed after %d arrivals, want %d", round, got, (round+1)*others)
					}
				}
			})
		}
	}
}

// counted notes how often each item ran.
type counted []atomic.Int32

func (c counted) items(int) int           { return len(c) }
func (c counted) run(_ *worker, i, _ int) { c[i].Add(1) }

// Every item of every task runs once, for any number of workers and items.
func TestPool(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := newPool(threads)
		for items := range 40 {
			c := make(counted, items)
			p.do(c, 1)
			for i := range c {
				if n := c[i].Load(); n != 1 {
					t.Fatalf("%d threads, %d items: item %d ran %d times", threads, items, i, n)
				}
			}
		}
		p.close()
	}
}

package cpu

import (
	"sync/atomic"
	"time"
)

// A gate is passed by one goroutine when a number of arrivals have been, and is shut
// behind it. Who waits watches a little before it sleeps: between the tasks of a step
// the wait is a few microseconds, and to be woken takes tens of them. Where waits turn
// out long, since others have the processors, it watches less.
type gate struct {
	left   atomic.Int32
	asleep atomic.Bool
	wake   chan struct{}
	most   time.Duration // that it watches
	watch  time.Duration // for how long, next time

	_ [line]byte // what one worker watches lies apart from what others do
}

// watchTime is longer than what one worker does alone at batch 1, and short beside what
// a thread is given at a time.
const watchTime = 100 * time.Microsecond

// init makes a gate whose goroutine watches for so long at most.
func (g *gate) init(most time.Duration) {
	g.wake, g.most, g.watch = make(chan struct{}, 1), most, most
}

// shut asks for n arrivals, n > 0, where nobody is about to arrive.
func (g *gate) shut(n int) { g.left.Store(int32(n)) }

// arrive is called once for each arrival asked for.
func (g *gate) arrive() {
	if g.left.Add(-1) == 0 && g.asleep.CompareAndSwap(true, false) {
		g.wake <- struct{}{}
	}
}

// enter passes if nobody is left to arrive, and shuts the gate for one arrival.
func (g *gate) enter() bool { return g.left.Load() == 0 && g.left.CompareAndSwap(0, 1) }

// pass returns when it has entered.
func (g *gate) pass() {
	for start := time.Now(); !g.look(start); start = time.Now() {
		g.asleep.Store(true)
		if g.left.Load() != 0 || !g.asleep.CompareAndSwap(true, false) {
			<-g.wake // who arrives last, from now on, wakes
		}
		if g.watch /= 2; time.Since(start) < 2*g.most {
			g.watch = g.most
		}
	}
}

// look tries to enter until the time is over.
func (g *gate) look(start time.Time) bool {
	const looks = 64 // between those at the clock
	for {
		for range looks {
			if g.enter() {
				return true
			}
		}
		if time.Since(start) >= g.watch {
			return false
		}
	}
}

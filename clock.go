package graft

import (
	"time"

	"graft/internal/rundir"
)

// A clock adds up where the time of a run goes, by stages in the order of their beginning.
type clock struct {
	stages []rundir.Stage
	last   time.Time
}

// start begins a stage's time.
func (c *clock) start() { c.last = time.Now() }

// lap gives the time since the last start or lap to a stage.
func (c *clock) lap(stage string) {
	now := time.Now()
	c.add(stage, now.Sub(c.last))
	c.last = now
}

func (c *clock) add(stage string, d time.Duration) {
	for i := range c.stages {
		if c.stages[i].Name == stage {
			c.stages[i].Seconds += d.Seconds()
			return
		}
	}
	c.stages = append(c.stages, rundir.Stage{Name: stage, Seconds: d.Seconds()})
}

// rounded are the stages as they are written.
func (c *clock) rounded() []rundir.Stage {
	var list []rundir.Stage
	for _, s := range c.stages {
		list = append(list, rundir.Stage{Name: s.Name, Seconds: rundir.Round(s.Seconds)})
	}
	return list
}

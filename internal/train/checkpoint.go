package train

import (
	"graft/internal/engine"
	"graft/internal/graph"
)

// A State is what a model file keeps of a run: the parameters and buffers, in
// the graph's order, and how far training had come. Package rundir writes it.
type State struct {
	Params [][]float32
	Epoch  int // finished epochs
	Steps  int // updates
}

// Capture reads the state of net.
func Capture(net engine.Network, g *graph.Graph, epoch, steps int) *State {
	s := &State{Params: make([][]float32, len(g.Params)), Epoch: epoch, Steps: steps}
	for i, p := range g.Params {
		s.Params[i] = make([]float32, p.Len())
		net.Read(i, s.Params[i])
	}
	return s
}

// Load gives net the parameters of a state.
func Load(net engine.Network, params [][]float32) {
	for i := range params {
		net.Load(i, params[i])
	}
}

package engine

import "graft/internal/graph"

// A Planner is an Engine that can tell what Compile would hold, without
// taking the memory.
type Planner interface {
	Plan(g *graph.Graph, c Config) (*Plan, error)
}

// A Plan is the memory of a network, in bytes.
type Plan struct {
	Batch   int  `json:"batch"`
	Train   bool `json:"train"`
	Steps   int  `json:"steps"`   // tasks of a training step, or of an inference
	Forward int  `json:"forward"` // those before the loss; all of an inference

	Arena     int `json:"arena"` // all tensors, sharing places over time
	Bound     int `json:"bound"` // the most that is alive at one step: no arena can be smaller
	Kept      int `json:"kept"`  // of that, what the forward pass keeps for the backward pass
	Weights   int `json:"weights"`
	Gradients int `json:"gradients"`
	Momentum  int `json:"momentum"` // and what else the optimiser keeps
	Packed    int `json:"packed"`   // weights transposed for input gradients
	Scratch   int `json:"scratch"`  // of the workers
	Total     int `json:"total"`

	Tensors []PlannedTensor `json:"tensors"` // by first step
}

// A PlannedTensor is a buffer in the arena. Steps count from 0.
type PlannedTensor struct {
	Name  string `json:"name"`
	Node  string `json:"node"`            // for which it is written first
	Shape []int  `json:"shape,omitempty"` // height, width, channels of a sample
	Bytes int    `json:"bytes"`           // for the whole batch
	First int    `json:"first"`
	Last  int    `json:"last"`
	Place int    `json:"place"` // in the arena
	Kept  bool   `json:"kept"`  // for the backward pass
}

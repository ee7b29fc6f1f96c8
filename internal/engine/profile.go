package engine

// A Profiler is a Network that can time its layers.
type Profiler interface {
	// Profile runs whole training steps, or inferences, and times each layer's part
	// of every one. between is called before each step, untimed; it ends the profile
	// by returning false.
	Profile(b Batch, u Update, infer bool, between func() bool) ([]LayerTime, error)
}

// A LayerTime is what a layer cost in one pass.
type LayerTime struct {
	Layer  string // the node's name, as the graph has it
	Op     string
	Pass   string // forward, input grad, weight grad, both grads, sum, or update
	Kernel string // the algorithms and kernels that ran it
	// Flops are the operations that the layer is made of, two a multiply-add, however
	// it is computed; Bytes what it reads and writes, each once.
	Flops, Bytes float64
	Seconds      []float64 // a step each
}

package graft

import (
	"cmp"
	"fmt"
	"runtime/debug"

	"graft/internal/engine"
	"graft/internal/graph"
	"graft/internal/model"
	"graft/internal/train"
)

// A MemoryPlan is the memory of a network, tensor by tensor, in bytes.
type MemoryPlan struct {
	Model   string `json:"model"`
	Classes int    `json:"classes"`
	Size    int    `json:"size"`
	Batch   int    `json:"batch"`            // the whole, of which the rest plans a part
	Memory  int64  `json:"memory,omitempty"` // the cap, 0 for none
	// Part is the most pictures that go through the network at once, and Parts how
	// many such parts a whole batch goes in.
	Part  int `json:"part"`
	Parts int `json:"parts"`
	// Loading is what batches being made take beside the network, Total both.
	Loading int `json:"loading"`
	// BatchNorm says that statistics are taken of parts.
	BatchNorm bool `json:"batch_norm"`
	*engine.Plan
}

// A PlanConfig says what to plan.
type PlanConfig struct {
	Model     string
	Batch     int // 0 is 32
	Classes   int // 0 is what its weights were trained on
	Size      int // side of the pictures; 0 is the model's
	Memory    int64
	Threads   int
	Infer     bool      // inference alone
	Precision Precision // "" is Auto
}

// PlanMemory tells what a network would hold in training or, with Infer, in
// prediction, and the parts that a batch would be split into under a cap. It
// takes none of it.
func PlanMemory(c PlanConfig) (*MemoryPlan, error) {
	m, err := model.Find(c.Model)
	if err != nil {
		return nil, err
	}
	r := &MemoryPlan{Model: m.Name, Classes: c.Classes, Size: c.Size, Batch: max(c.Batch, 0), Memory: c.Memory}
	if r.Classes == 0 {
		r.Classes = m.Classes
	}
	if r.Size == 0 {
		r.Size = m.Size
	}
	if c.Batch == 0 {
		c.Batch, r.Batch = 32, 32
	}
	if c.Batch < 1 || r.Classes < 2 || r.Size < m.Size/8 || r.Size > 4096 {
		return nil, fmt.Errorf("batch %d, %d classes, %d pixels: there must be 1 picture, 2 classes, %d to 4096 pixels at least", c.Batch, r.Classes, r.Size, m.Size/8)
	}
	g := m.Build(r.Classes, r.Size)
	e, err := engineFor(g, c.Threads, c.Precision)
	if err != nil {
		return nil, err
	}
	l := &memoryLimit{engine: e, graph: g, bytes: c.Memory, batch: c.Batch, train: !c.Infer, evaluated: 1}
	if r.Part, r.Plan, err = l.part(); err != nil {
		return nil, err
	}
	r.Parts = train.Parts(c.Batch, r.Part)
	r.Loading = l.loading(r.Part)
	r.BatchNorm = !c.Infer && train.Normalises(g)
	return r, nil
}

// aheadCapped is how many batches are made ahead under a cap.
const aheadCapped = 1

// A memoryLimit fits a network and its batches into so many bytes.
type memoryLimit struct {
	engine    engine.Engine
	graph     *graph.Graph
	bytes     int64 // 0 is no limit
	batch     int
	train     bool
	trainable func(int) bool
	slots     []engine.Slot
	evaluated int          // loaders for evaluation, beside the one for training
	judged    *graph.Graph // whose pictures they load; nil is graph
}

// loading is what the batches that are being made take, and the copy of the
// parameters that an epoch's model files are written from.
func (l *memoryLimit) loading(part int) int {
	ahead := 2
	if l.bytes > 0 {
		ahead = aheadCapped
	}
	values := l.evaluated * min(part, batchSize) * cmp.Or(l.judged, l.graph).Input().Len()
	if l.train {
		values += l.batch * l.graph.Input().Len()
	}
	bytes := (ahead + 1) * values * 4
	if l.train {
		params, _ := graph.Counts(l.graph)
		bytes += params * 4
	}
	return bytes
}

// part finds the largest part of the batch with which everything fits.
func (l *memoryLimit) part() (int, *engine.Plan, error) {
	planner, ok := l.engine.(engine.Planner)
	if !ok {
		return 0, nil, fmt.Errorf("%s plans no memory", l.engine.Device())
	}
	for parts, last := 1, 0; ; parts++ {
		part := (l.batch + parts - 1) / parts
		if part == last {
			continue
		}
		last = part
		p, err := planner.Plan(l.graph, engine.Config{Batch: part, Train: l.train, Trainable: l.trainable, Slots: l.slots})
		if err != nil {
			return 0, nil, err
		}
		need := int64(p.Total + l.loading(part))
		if l.bytes == 0 || need <= l.bytes {
			return part, p, nil
		}
		if part == 1 {
			return 0, nil, fmt.Errorf("--memory %d MB is too little for %s with batches of %d: one picture at a time takes %d MB; the least that works is --memory %dMB",
				l.bytes/1e6, l.graph.Name, l.batch, megabytes(need), megabytes(need))
		}
	}
}

// megabytes are of a million bytes, rounded up.
func megabytes(n int64) int64 { return (n + 1e6 - 1) / 1e6 }

// heapAllowance is what Go's heap may take under a cap beside the buffers that were
// counted: pictures being decoded, files being written.
const heapAllowance = 80 << 20

// limitHeap makes Go's collector keep the heap within what a cap leaves beside the
// network, gives back what preparing took, and returns how to undo it.
func limitHeap(capped int64, network int) (undo func()) {
	if capped == 0 {
		return func() {}
	}
	old := debug.SetMemoryLimit(max(capped-int64(network), 0) + heapAllowance)
	debug.FreeOSMemory()
	return func() { debug.SetMemoryLimit(old) }
}

package graft

import (
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
	l := &memoryLimit{engine: e, cut: cut{learns: g}, bytes: c.Memory, batch: c.Batch, train: !c.Infer, evaluated: 1}
	fitting, err := l.fit()
	if err != nil {
		return nil, err
	}
	r.Part, r.Plan = fitting.part, fitting.plan
	r.Parts = train.Parts(c.Batch, r.Part)
	r.Loading = l.loading(r.Part)
	r.BatchNorm = !c.Infer && train.Normalises(g)
	return r, nil
}

// aheadCapped is how many batches are made ahead under a cap.
const aheadCapped = 1

// A memoryLimit fits a network and its batches into so many bytes.
type memoryLimit struct {
	engine engine.Engine
	cut
	bytes     int64 // 0 is no limit
	batch     int
	train     bool
	trainable func(int) bool
	slots     []engine.Slot
	evaluated int // loaders for evaluation, beside the one for training
}

// loading is what the batches that are being made take, and the copy of the
// parameters that an epoch's model files are written from.
func (l *memoryLimit) loading(part int) int {
	ahead := 2
	if l.bytes > 0 {
		ahead = aheadCapped
	}
	judged := l.learns
	if l.beside != nil && !l.features {
		judged = l.beside
	}
	values := l.evaluated * min(part, batchSize) * judged.Input().Len()
	if l.train {
		values += l.batch * l.learns.Input().Len()
	}
	bytes := (ahead + 1) * values * 4
	if l.train {
		params, _ := graph.Counts(l.learns)
		bytes += params * 4
	}
	return bytes
}

// A fitting is a part of the batch that goes through the network at once, what it plans, and
// the bytes of everything.
type fitting struct {
	part  int
	plan  *engine.Plan
	bytes int64
}

// fit finds the largest part of the batch with which everything fits.
func (l *memoryLimit) fit() (f fitting, err error) {
	planner, ok := l.engine.(engine.Planner)
	if !ok {
		return f, fmt.Errorf("%s plans no memory", l.engine.Device())
	}
	for parts := 1; ; parts++ {
		part := (l.batch + parts - 1) / parts
		if part == f.part {
			continue
		}
		f.part = part
		if f.plan, err = planner.Plan(l.learns, engine.Config{Batch: part, Train: l.train, Trainable: l.trainable, Slots: l.slots}); err != nil {
			return f, err
		}
		f.bytes = int64(f.plan.Total + l.loading(part))
		if l.beside != nil {
			p, err := planner.Plan(l.beside, engine.Config{Batch: min(part, batchSize)})
			if err != nil {
				return f, err
			}
			f.bytes += int64(p.Total)
		}
		if l.bytes == 0 || f.bytes <= l.bytes {
			return f, nil
		}
		if part == 1 {
			return f, fmt.Errorf("--memory %d MB is too little for %s with batches of %d: one picture at a time takes %d MB; the least that works is --memory %dMB",
				l.bytes/1e6, l.learns.Name, l.batch, megabytes(f.bytes), megabytes(f.bytes))
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

package cpu

import (
	"cmp"
	"slices"
	"strings"

	"graft/internal/engine"
	"graft/internal/engine/cpu/kernel"
	"graft/internal/graph"
)

// Plan is the memory that Compile would take; see engine.Planner.
func (e *Engine) Plan(g *graph.Graph, c engine.Config) (*engine.Plan, error) {
	net, arena, err := e.plan(g, c)
	if err != nil {
		return nil, err
	}
	defer net.release()
	r := &engine.Plan{Batch: c.Batch, Train: c.Train, Arena: arena, Weights: len(net.weights) * 4,
		Gradients: len(net.grads) * 4, Momentum: net.slotBytes(), Scratch: e.threads * net.scratchBytes()}
	for _, b := range net.system {
		r.Packed += len(b)
	}
	r.Packed -= r.Weights + r.Gradients + r.Momentum
	r.Total = r.Arena + r.Weights + r.Gradients + r.Momentum + r.Packed + r.Scratch
	p, of := net.infer, g
	if c.Train {
		p, of = net.step, graph.Grad(g, c.Trainable)
	}
	r.Steps, r.Forward = len(p.tasks), len(p.tasks)
	if c.Train {
		r.Forward = slices.IndexFunc(p.tasks, func(t task) bool { _, is := t.(*lossTask); return is })
	}
	p.describe(r, of)
	return r, nil
}

// foldedSuffix follows a layer's name in that of its weights for inference.
const foldedSuffix = ".folded"

// slotBytes is what the optimiser keeps of the parameters.
func (net *network) slotBytes() (n int) {
	for _, s := range net.slots {
		n += 4 * len(s)
	}
	return n
}

// scratchBytes is what one worker holds.
func (net *network) scratchBytes() int {
	return 4*(net.planeFloats+3*net.slotFloats+net.scratchFloats+net.asideFloats) + kernel.WinoScratch + 8*(net.tableRows+net.tableOut+net.tableTaps)
}

// describe lists the tensors of a planned program, and the most of them alive at once.
func (p *program) describe(r *engine.Plan, g *graph.Graph) {
	alive := make([]int, len(p.tasks)+1) // changes, by step
	for _, t := range p.tensors {
		if t.root != t || t.first < 0 {
			continue
		}
		d := engine.PlannedTensor{Name: t.name, Node: nodeName(g, p.emitted[t.first].node), Bytes: t.bytes * r.Batch,
			First: t.first, Last: t.last, Place: t.place, Kept: r.Train && t.first < r.Forward && t.last > r.Forward}
		if t.kept {
			d.Node = strings.TrimSuffix(t.name, foldedSuffix)
		}
		if t.stride > 0 {
			d.Shape = []int{t.h, t.w, t.c}
		}
		if d.Kept {
			r.Kept += d.Bytes
		}
		alive[t.first] += roundUp(d.Bytes, line) + slack
		alive[t.last+1] -= roundUp(d.Bytes, line) + slack
		r.Tensors = append(r.Tensors, d)
	}
	sum := 0
	for _, change := range alive {
		sum += change
		r.Bound = max(r.Bound, sum)
	}
	slices.SortStableFunc(r.Tensors, func(a, b engine.PlannedTensor) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Bytes, a.Bytes))
	})
}

// nodeName is the forward node's name, whatever pass a node is of.
func nodeName(g *graph.Graph, i int) string {
	n := &g.Nodes[i]
	if n.Kind != graph.Forward {
		n = &g.Nodes[n.Of]
	}
	return n.Name
}

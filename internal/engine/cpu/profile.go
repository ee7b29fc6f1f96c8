package cpu

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"graft/internal/engine"
	"graft/internal/graph"
)

// Profile times the layers of steps; see engine.Profiler. A layer in a pass is all
// tasks emitted for one node of the step's graph.
func (net *network) Profile(b engine.Batch, u engine.Update, infer bool, between func() bool) ([]engine.LayerTime, error) {
	if err := net.check(b.X, b.N); err != nil {
		return nil, err
	}
	// One call of the ordinary kind checks the labels, and readies packed and folded weights.
	logits := make([]float32, b.N*net.g.Classes())
	err := net.Infer(b.X, b.N, logits)
	p, g := net.infer, net.g
	if !infer {
		if _, err = net.Gradients(b, engine.Pass{}); err == nil {
			p, g = net.step, graph.Grad(net.g, func(i int) bool { return net.trained[i] })
		}
	}
	if err != nil {
		return nil, err
	}
	rows, of := p.layers(net, g, b.N)
	if !infer {
		rows = append(rows, net.packRow(), net.updateRow())
	}
	took := make([]time.Duration, len(rows))
	timed := func(row int, t task, n int) {
		start := time.Now()
		net.pool.do(t, n)
		took[row] += time.Since(start)
	}
	net.input, net.labels, net.count = b.X, b.Labels, b.N
	net.seed, net.first, net.accumulate, net.scale = 0, 0, false, 1/float32(b.N)
	for between() {
		clear(took)
		for i, t := range p.tasks {
			timed(of[i], t, b.N)
		}
		if !infer {
			net.update = u
			timed(len(rows)-1, net.updates, 0)
			for _, t := range net.pack {
				timed(len(rows)-2, t, b.N)
			}
		}
		for i, d := range took {
			rows[i].Seconds = append(rows[i].Seconds, d.Seconds())
		}
	}
	net.input, net.labels, net.update = nil, nil, engine.Update{}
	net.packStale, net.foldStale = true, true
	return rows, nil
}

// layers groups a program's tasks by the node they were emitted for, and says
// which row each task belongs to.
func (p *program) layers(net *network, g *graph.Graph, n int) (rows []engine.LayerTime, of []int) {
	byNode := map[int]int{}
	var steps [][]int
	for i, o := range p.emitted {
		row, known := byNode[o.node]
		if !known {
			row = len(rows)
			byNode[o.node] = row
			rows = append(rows, net.row(g, o.node, n))
			steps = append(steps, nil)
		}
		steps[row] = append(steps[row], i)
		of = append(of, row)
	}
	for row, list := range steps {
		var kernels []string
		products := false
		for _, i := range list {
			name, product := net.algorithm(p.tasks[i], g, p.emitted[i].node)
			products = products || product
			if name != "" && !slices.Contains(kernels, name) {
				kernels = append(kernels, name)
			}
		}
		r := &rows[row]
		r.Kernel = strings.Join(kernels, ", ")
		if strings.Contains(r.Kernel, "together") {
			r.Pass = "both grads"
			r.Flops *= 2
		}
		for _, i := range list {
			if t, ok := p.tasks[i].(*depthwiseBackTask); ok && t.expansion != nil {
				r.Flops += 4 * float64(g.MACs(t.expansion.conv)) * float64(n)
			}
		}
		if !products {
			r.Flops = 0
		}
		r.Bytes += p.touched(list, n)
	}
	return rows, of
}

// row begins the row of a node: its names, its operations, the bytes of its weights.
func (net *network) row(g *graph.Graph, node, n int) engine.LayerTime {
	d, f := &g.Nodes[node], node
	r := engine.LayerTime{Layer: d.Name, Op: d.Op.String(), Pass: "forward"}
	switch {
	case d.Kind == graph.InputGrad:
		r.Pass, f = "input grad", d.Of
	case d.Kind == graph.ParamGrad:
		r.Pass, f = "weight grad", d.Of
	case g.Loss > 0 && node > g.Loss:
		r.Pass = "sum"
	}
	r.Flops = 2 * float64(g.MACs(f)) * float64(n)
	if r.Flops > 0 {
		r.Bytes = float64(net.layouts[g.Nodes[f].Params[0]].size * 4)
	}
	return r
}

// touched are the bytes that tasks read and write, each once, without what lives
// among them only.
func (p *program) touched(steps []int, n int) float64 {
	first, last := steps[0], steps[len(steps)-1]
	most := map[*tensor]int{}
	for _, i := range steps {
		times := map[*tensor]int{}
		for _, t := range p.emitted[i].uses {
			if t == nil || t.kept || t.stride == 0 && t.first >= first && t.last <= last {
				continue
			}
			times[t]++
			most[t] = max(most[t], times[t])
		}
	}
	bytes := 0
	for t, times := range most {
		size := t.bytes
		if t.stride > 0 && t.root != t {
			size = t.pixels() * t.cp * t.value
		}
		bytes += times * size * n
	}
	return float64(bytes)
}

func (net *network) packRow() engine.LayerTime {
	r := engine.LayerTime{Layer: "weights", Op: "transpose", Pass: "update", Kernel: "transposition for input gradients"}
	for _, t := range net.pack {
		if t, ok := t.(*transposeTask); ok {
			r.Bytes += 8 * float64(len(t.dst))
		}
	}
	return r
}

func (net *network) updateRow() engine.LayerTime {
	r := engine.LayerTime{Layer: "weights", Op: "SGD", Pass: "update", Kernel: "one pass"}
	for _, s := range net.updates.segments {
		r.Bytes += 5 * 4 * float64(s.size) // weight and momentum read and written, gradient read
	}
	return r
}

// algorithm names what runs a task, "" for what only serves another task, and
// says whether it is the matrix product of its layer.
func (net *network) algorithm(t task, g *graph.Graph, node int) (name string, product bool) {
	tile := fmt.Sprintf("tile %dx%d %s", net.set.MR, net.set.NR, net.set.Name)
	switch t := t.(type) {
	case *biasMergeTask:
		return "bias sums", false
	case *normGradMergeTask:
		return "sums merged", false
	case *depthwiseMergeTask, *shareTask, *winoWeightTask, *strassenWeightTask, *winoGradMergeTask, *splitGradTask, *normMergeTask,
		*normFrozenTask, *normFrozenGradTask, *scaleWeightTask, *expansionMomentsTask, *expansionMergeTask:
		return "", false
	case *gatherTask:
		return net.directName(g, node) + " " + tile + bf16(t.in), true
	case *stemTask:
		return net.directName(g, node) + " " + tile + bf16(t.conv.in) + ", maxPool", true
	case *pointwiseBackTask:
		return "input gradient and outer products together " + tile + bf16(t.input.in), true
	case *depthwiseTask:
		return fmt.Sprintf("depthwise %dx%d %s", t.window.Kernel, t.window.Kernel, net.set.Name), true
	case *depthwiseBackTask:
		if t.expansion != nil {
			return fmt.Sprintf("depthwise %dx%d and expansion's gradients together, %s", t.window.Kernel, t.window.Kernel, tile), true
		}
		return fmt.Sprintf("depthwise %dx%d gradients together %s", t.window.Kernel, t.window.Kernel, net.set.Name), true
	case *strassenTask:
		return "strassen " + strings.TrimPrefix(net.directName(g, node), "direct ") + " " + tile, true
	case *winogradTask:
		return t.form.name() + " " + tile + bf16(t.in), true
	case *winoGradTask:
		return t.form.name() + " outer products " + net.set.Name + bf16(t.in), true
	case *squareGradTask:
		return net.directName(g, node) + " outer products in squares " + net.set.Name, true
	case *weightGradTask:
		split := bf16(t.in)
		if t.sums != nil {
			split += fmt.Sprintf(" in %d splits", gradSplits)
		}
		return net.directName(g, node) + " outer products " + net.set.Name + split, true
	case *normalizeTask:
		name = "normalise"
		if t.residual != nil {
			name += " + add"
		}
		if t.lo == 0 {
			name += " + relu"
		}
		return name, false
	case *momentsTask:
		return "moments", false
	case *normGradSumsTask:
		return "sums" + masked(t.g), false
	case *normGradTask:
		return "norm gradient" + masked(t.g), false
	case *normActivateTask:
		return "normalise + activation", false
	case *biasGradTask:
		return "bias sums", false
	case *stageTask:
		return "staging of pictures", false
	case interface{ algorithm() string }:
		return t.algorithm(), false
	}
	return strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", t), "*cpu."), "Task"), false
}

// bf16 says what a task multiplies that reads a tensor.
func bf16(t *tensor) string {
	if t.value == 2 {
		return " bf16"
	}
	return ""
}

func masked(g gradient) string {
	switch {
	case g.mask != nil:
		return " + relu mask"
	case g.pending():
		return " + activation"
	}
	return ""
}

// directName is the direct algorithm of a convolution or linear layer.
func (net *network) directName(g *graph.Graph, node int) string {
	n := &g.Nodes[node]
	if n.Kind != graph.Forward {
		n = &g.Nodes[n.Of]
	}
	switch {
	case n.Op == graph.Linear:
		return "linear"
	case net.layouts[n.Params[0]].rowTaps:
		return "first-layer rows"
	case n.Window.Stride > 1:
		return fmt.Sprintf("direct %dx%d/%d", n.Window.Kernel, n.Window.Kernel, n.Window.Stride)
	}
	return fmt.Sprintf("direct %dx%d", n.Window.Kernel, n.Window.Kernel)
}

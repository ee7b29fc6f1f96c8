// Package ref is the reference engine: naive loops in double precision, one
// file an operation, forward and backward side by side. It is the oracle that
// other engines are tested against, and meant to be read.
//
// It plans nothing: every value of the graph is a slice of its own. It splits
// the samples or channels of heavy operations among goroutines, each writing
// its own results.
package ref

import (
	"fmt"
	"runtime"
	"sync"

	"graft/internal/engine"
	"graft/internal/graph"
)

// Engine is the reference engine.
type Engine struct{}

// New returns the reference engine.
func New() *Engine { return &Engine{} }

// Device says that this is the slow one.
func (*Engine) Device() string { return "reference" }

// A network keeps its parameters in PyTorch's order.
type network struct {
	g, step *graph.Graph
	batch   int
	trained []bool // parameters with a gradient

	params, grads [][]float64
	slots         [engine.SlotCount][][]float64
	logits        []float64
	count         int
}

// Compile prepares a network.
func (*Engine) Compile(g *graph.Graph, c engine.Config) (engine.Network, error) {
	if err := graph.Verify(g); err != nil {
		return nil, err
	}
	if c.Batch < 1 {
		return nil, fmt.Errorf("reference engine: batch of %d", c.Batch)
	}
	n := &network{g: g, batch: c.Batch, trained: make([]bool, len(g.Params))}
	if c.Train {
		n.step = graph.Grad(g, c.Trainable)
		for _, node := range n.step.Nodes {
			for _, p := range node.Params {
				trains := c.Trainable == nil || c.Trainable(p)
				n.trained[p] = n.trained[p] || node.Kind == graph.ParamGrad && trains && !g.Params[p].Buffer()
			}
		}
	}
	for _, p := range g.Params {
		n.params = append(n.params, make([]float64, p.Len()))
		n.grads = append(n.grads, make([]float64, p.Len()))
		for s := range n.slots {
			n.slots[s] = append(n.slots[s], make([]float64, p.Len()))
		}
	}
	return n, nil
}

// A pass is one run over a graph: the values of its nodes, NHWC, and what
// operations keep for their gradients.
type pass struct {
	net    *network
	g      *graph.Graph
	n      int
	train  bool
	seed   uint64
	first  int // place of the first sample in the whole batch
	scale  float64
	labels []int32
	soft   engine.Soft
	outer  func(logits, dy []float64) // writes the gradient at the logits; nil is the cross-entropy's
	values [][]float64
	norms  map[int]*normStats
	args   map[int][]int32
	loss   float64
	right  int
}

func (p *pass) run(x []float32) {
	p.values = make([][]float64, len(p.g.Nodes))
	p.norms, p.args = map[int]*normStats{}, map[int][]int32{}
	for i := range p.g.Nodes {
		n := &p.g.Nodes[i]
		y := make([]float64, p.n*n.Out.Len())
		p.values[i] = y
		switch n.Kind {
		case graph.Forward:
			if n.Op == graph.Input {
				for j := range y {
					y[j] = float64(x[j])
				}
				continue
			}
			p.forward(i, n, y)
		case graph.InputGrad:
			p.inputGrad(n, p.values[n.In[0]], y)
		case graph.ParamGrad:
			p.paramGrad(n, p.values[n.In[0]])
		}
	}
}

func (p *pass) forward(i int, n *graph.Node, y []float64) {
	x := p.values[n.In[0]]
	switch n.Op {
	case graph.Conv, graph.Linear:
		p.conv(n, x, y)
	case graph.BatchNorm:
		p.batchNorm(i, n, x, y)
	case graph.ReLU, graph.ReLU6, graph.HardSwish, graph.SiLU, graph.Sigmoid, graph.HardSigmoid, graph.GELU:
		activate(n.Op, x, y)
	case graph.MaxPool:
		p.maxPool(i, n, x, y)
	case graph.GlobalAvgPool:
		p.avgPool(n, x, y)
	case graph.Add:
		for j, v := range p.values[n.In[1]] {
			y[j] = x[j] + v
		}
	case graph.Mul:
		p.mul(n, x, p.values[n.In[1]], y)
	case graph.Concat:
		p.concat(n, y)
	case graph.Dropout:
		p.dropout(i, n, x, y)
	case graph.StochasticDepth:
		p.stochasticDepth(i, n, x, y)
	case graph.Shortcut:
		p.shortcut(n, x, y)
	case graph.LayerNorm:
		p.layerNorm(n, x, y)
	case graph.LayerScale:
		p.layerScale(n, x, y)
	case graph.Tokens:
		p.tokens(n, x, y)
	case graph.Attention:
		p.attention(n, x, y)
	case graph.FirstToken:
		for img := range p.n {
			copy(y[img*n.Out.C:(img+1)*n.Out.C], x[img*p.g.Nodes[n.In[0]].Out.Len():])
		}
	case graph.CrossEntropy:
		if p.outer != nil {
			p.outer(x, y)
			return
		}
		p.crossEntropy(n, x, y)
	}
}

// inputGrad writes the gradient of forward node n.Of's input into dx.
func (p *pass) inputGrad(n *graph.Node, dy, dx []float64) {
	f := &p.g.Nodes[n.Of]
	switch n.Op {
	case graph.Conv, graph.Linear:
		p.convInput(f, dy, dx)
	case graph.BatchNorm:
		p.batchNormInput(n.Of, f, dy, dx)
	case graph.ReLU, graph.ReLU6, graph.HardSwish, graph.SiLU, graph.Sigmoid, graph.HardSigmoid, graph.GELU:
		activateInput(n.Op, p.values[f.In[0]], dy, dx)
	case graph.Mul:
		p.mulInput(f, n.Arg, dy, dx)
	case graph.MaxPool:
		for j, at := range p.args[n.Of] {
			dx[at] += dy[j]
		}
	case graph.GlobalAvgPool:
		p.avgPoolInput(f, dy, dx)
	case graph.Concat:
		p.concatInput(f, n.Arg, dy, dx)
	case graph.Dropout:
		p.dropout(n.Of, f, dy, dx) // the same values are dropped
	case graph.StochasticDepth:
		p.stochasticDepth(n.Of, f, dy, dx)
	case graph.Shortcut:
		p.shortcutInput(f, dy, dx)
	case graph.LayerNorm:
		p.layerNormInput(f, dy, dx)
	case graph.LayerScale:
		p.layerScale(f, dy, dx)
	case graph.Tokens:
		for img := range p.n {
			copy(dx[img*n.Out.Len():(img+1)*n.Out.Len()], dy[img*f.Out.Len()+f.Out.C:])
		}
	case graph.Attention:
		p.attentionInput(f, dy, dx)
	case graph.FirstToken:
		for img := range p.n {
			copy(dx[img*n.Out.Len():], dy[img*f.Out.C:(img+1)*f.Out.C])
		}
	}
}

func (p *pass) paramGrad(n *graph.Node, dy []float64) {
	f := &p.g.Nodes[n.Of]
	switch n.Op {
	case graph.BatchNorm:
		p.batchNormParams(n.Of, f, dy)
	case graph.LayerNorm:
		p.layerNormParams(f, dy)
	case graph.LayerScale:
		for j, g := range dy {
			p.net.grads[f.Params[0]][j%f.Out.C] += g * p.values[f.In[0]][j]
		}
	case graph.Tokens:
		p.tokensParams(f, dy)
	default:
		p.convParams(f, p.values[f.In[0]], dy)
	}
}

func (n *network) Gradients(b engine.Batch, o engine.Pass) (engine.Result, error) {
	if n.step == nil {
		return engine.Result{}, fmt.Errorf("reference engine: the network was compiled for inference only")
	}
	if err := n.check(b.X, b.N); err != nil {
		return engine.Result{}, err
	}
	for i, l := range b.Labels[:b.N] {
		if l < 0 || int(l) >= n.g.Classes() {
			return engine.Result{}, fmt.Errorf("sample %d: %w: %d of %d", i, engine.ErrLabel, l, n.g.Classes())
		}
	}
	if !o.Accumulate {
		for _, g := range n.grads {
			clear(g)
		}
	}
	p := &pass{net: n, g: n.step, n: b.N, train: true, seed: o.Seed, first: o.First, scale: float64(o.Scale), labels: b.Labels, soft: o.Soft}
	if o.Scale == 0 {
		p.scale = 1 / float64(b.N)
	}
	p.run(b.X)
	n.logits, n.count = p.values[n.g.Logits], b.N
	return engine.Result{Loss: p.loss, Correct: p.right}, nil
}

func (n *network) check(x []float32, count int) error {
	if count < 1 || count > n.batch {
		return fmt.Errorf("reference engine: %d samples in a batch; the network is planned for 1 to %d", count, n.batch)
	}
	if len(x) < count*n.g.Input().Len() {
		return fmt.Errorf("reference engine: %d values are no %d pictures of %v", len(x), count, n.g.Input())
	}
	return nil
}

func (n *network) Logits(dst []float32) { narrow(dst, n.logits) }

func (n *network) Infer(x []float32, count int, logits []float32) error {
	if err := n.check(x, count); err != nil {
		return err
	}
	p := &pass{net: n, g: n.g, n: count}
	p.run(x)
	narrow(logits, p.values[n.g.Logits])
	return nil
}

func (n *network) Load(i int, src []float32)        { widen(n.params[i], src) }
func (n *network) Read(i int, dst []float32)        { narrow(dst, n.params[i]) }
func (n *network) SetGradient(i int, src []float32) { widen(n.grads[i], src) }

func (n *network) Gradient(i int, dst []float32) {
	clear(dst)
	if n.trained[i] {
		narrow(dst, n.grads[i])
	}
}

func (n *network) Bytes() int {
	total := 0
	for _, p := range n.params {
		total += (2 + len(n.slots)) * 8 * len(p)
	}
	return total
}

func (n *network) Close() {}

func widen(dst []float64, src []float32) {
	for i := range dst {
		dst[i] = float64(src[i])
	}
}

func narrow(dst []float32, src []float64) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}

// parallel runs f for 0 to n-1 on all processors; each call writes its own results.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		limit <- struct{}{}
		wg.Go(func() {
			f(i)
			<-limit
		})
	}
	wg.Wait()
}

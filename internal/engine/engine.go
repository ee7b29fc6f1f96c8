// Package engine says what an engine does: it compiles a graph into a Network
// that can infer, compute gradients and update its parameters.
//
// It knows graphs and plain slices of float32. It knows no implementation:
// engine/ref is the readable oracle, engine/cpu the fast one, and package train
// uses either through these interfaces.
//
// Layouts at this border are fixed, whatever an engine keeps inside: pictures
// are NHWC, parameters and gradients are in PyTorch's shapes and order (OIHW),
// logits are samples x classes.
package engine

import (
	"errors"

	"graft/internal/graph"
)

// An Engine makes networks for one kind of processor.
type Engine interface {
	// Device names the processor, the instruction set and the threads in use.
	Device() string
	// Compile plans a network: memory, layouts, kernels and the order of work.
	// Its parameters start at zero.
	Compile(g *graph.Graph, c Config) (Network, error)
}

// A Config says what a network must be able to do.
type Config struct {
	Batch int  // the most samples one call carries
	Train bool // plan gradients and updates too
	// Trainable says which parameters (by index) get gradients; nil is all but
	// the buffers. A BatchNorm without a trainable parameter keeps its statistics.
	Trainable func(param int) bool
	// Slots lists what updates keep of each parameter besides Momentum.
	Slots []Slot
}

// A Slot is something that the optimiser keeps of every trainable parameter.
type Slot uint8

// The slots. One that Config does not list holds zeros.
const (
	Momentum Slot = iota // SGD's velocity, AdamW's first moment
	Variance             // AdamW's second moment
	Average              // the exponential moving average of the values
	Anchor               // the values that L2-SP pulls toward
	SlotCount
)

// A Network is a compiled graph with its parameters and optimiser state. It is
// for one goroutine at a time. A call does not allocate, and its results do not
// depend on the number of threads, bit for bit.
type Network interface {
	// Gradients runs the forward pass with batch statistics and dropout, then the
	// backward pass. The gradients stay in the network until the next call.
	Gradients(b Batch, p Pass) (Result, error)
	// Logits copies the logits of the last Gradients call, its N x classes.
	Logits(dst []float32)
	// GradientNorm is the Euclidean norm of all trainable parameters' gradients.
	GradientNorm() float64
	// Update changes the trainable parameters along the gradients, and their
	// moving average, in one pass.
	Update(u Update)
	// Swap exchanges the trainable parameters with their moving average.
	Swap()
	// Infer runs the forward pass with running statistics and without dropout.
	// x holds n pictures; logits gets n x classes values.
	Infer(x []float32, n int, logits []float32) error

	// Load sets parameter i from values in PyTorch's order; Read gets them.
	Load(param int, src []float32)
	Read(param int, dst []float32)
	// Gradient reads the gradient of parameter i, zeros where it has none.
	Gradient(param int, dst []float32)
	// SetGradient replaces it: the seam where gradients are summed over machines,
	// clipped or inspected between Gradients and Update.
	SetGradient(param int, src []float32)
	// LoadSlot and ReadSlot move what the optimiser keeps of a parameter.
	LoadSlot(s Slot, param int, src []float32)
	ReadSlot(s Slot, param int, dst []float32)

	// Bytes is the memory the network holds.
	Bytes() int
	// Close gives the network's threads and memory back.
	Close()
}

// A Batch is N pictures and their labels. X is NHWC and may be longer than N
// pictures need; so may Labels.
type Batch struct {
	X      []float32
	Labels []int32
	N      int
}

// A Pass sets how Gradients runs.
type Pass struct {
	// Scale multiplies the gradient of every sample's loss: 1/N for the mean over
	// the batch, 1 for the sum. 0 stands for 1/N.
	Scale float32
	// Seed decides which values dropout keeps, together with the place of each value.
	Seed uint64
	// First is the place in the whole batch of this part's first sample, for dropout.
	First int
	// Accumulate adds to the gradients of the call before instead of replacing them.
	Accumulate bool
	// Soft says how labels become targets.
	Soft Soft
}

// Soft turns labels into targets: the cross-entropy of a sample is the sum over the
// classes of -target x log probability. Its zero value is the label alone. Smoothing
// and Weights are those of torch.nn.CrossEntropyLoss; mixed samples have two labels.
type Soft struct {
	Smoothing float64
	Weights   []float32 // by class; nil is 1 for all
	Mixed     []int32   // by sample, the second label; nil is none
	Share     []float32 // by sample, how much of it is of its first label
}

// Hard reports whether the targets are the labels.
func (s *Soft) Hard() bool { return s.Smoothing == 0 && s.Weights == nil && s.Mixed == nil }

// Target is that of a class for sample i, labelled label.
func (s *Soft) Target(i, label, class, classes int) float64 {
	of := 0.0
	if class == label {
		of = 1
	}
	if s.Mixed != nil {
		share := float64(s.Share[i])
		of *= share
		if class == int(s.Mixed[i]) {
			of += 1 - share
		}
	}
	t := of*(1-s.Smoothing) + s.Smoothing/float64(classes)
	if s.Weights != nil {
		t *= float64(s.Weights[class])
	}
	return t
}

// Weight is what sample i counts in a weighted mean.
func (s *Soft) Weight(i, label int) float64 {
	if s.Weights == nil {
		return 1
	}
	if s.Mixed == nil {
		return float64(s.Weights[label])
	}
	share := float64(s.Share[i])
	return share*float64(s.Weights[label]) + (1-share)*float64(s.Weights[s.Mixed[i]])
}

// A Result is what a pass over a batch found.
type Result struct {
	Loss    float64 // sum of the samples' cross-entropies
	Correct int     // samples whose largest logit (the first, if several) is their label
}

// An Update holds the settings of one optimiser step; slices are by parameter.
// With g the gradient times Scale, of torch.optim.SGD:
//
//	d = g + Decay*w + Anchor*(w - anchor)
//	v = Momentum*v + d
//	w = w - Rate*v    or, with Nesterov, w - Rate*(d + Momentum*v)
//
// and with Adam, of torch.optim.AdamW (Loshchilov and Hutter 2019):
//
//	w = w - Rate*Decay*w - Rate*Anchor*(w - anchor)
//	m = Momentum*m + (1-Momentum)*g;  v = Beta2*v + (1-Beta2)*g*g
//	w = w - Rate * m/(1-Momentum^Step) / (sqrt(v/(1-Beta2^Step)) + Eps)
//
// Then, unless Average is 0, average = Average*average + (1-Average)*w.
type Update struct {
	Rate     []float32
	Decay    []float32
	Anchor   []float32 // of L2-SP (Li, Grandvalet, Davoine 2018); nil is none
	Momentum float32   // AdamW's beta1
	Nesterov bool
	Adam     bool
	Beta2    float32
	Eps      float32
	Step     int     // AdamW: of this update, from 1
	Scale    float32 // of the gradients; 0 stands for 1
	Average  float32
}

// ErrLabel is returned for a label outside the classes.
var ErrLabel = errors.New("label outside the network's classes")

// DropoutKey mixes a pass's seed with the number of a dropout node.
func DropoutKey(seed uint64, node int) uint64 { return mix(seed ^ mix(uint64(node)+1)) }

// Keep reports whether dropout keeps value i of a node's output, counted over
// the whole batch in NHWC order: with probability 1-p, by a hash of the key and
// i, so that it depends on no order of evaluation. The hash is of 32 bits, for
// vector units: hash-prospector's mix of two multiplications, with the key's upper
// half between them.
func Keep(key uint64, i int, p float64) bool {
	h := uint32(i) + uint32(key)
	h = (h ^ h>>16) * 0x21f0aaad
	h = (h ^ h>>15 ^ uint32(key>>32)) * 0x735a2d97
	return h^h>>15 >= uint32(KeepLimit(p))
}

// KeepLimit is what the hash of a value kept is not less than.
func KeepLimit(p float64) int { return int(min(p*(1<<32), 1<<32-1)) }

// mix is the step and finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

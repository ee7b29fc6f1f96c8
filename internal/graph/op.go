// Package graph describes a network as data: a list of nodes in the order they
// run, each with its operation, its inputs, its output's shape and the
// parameters it reads.
//
// It knows the closed list of operations, how shapes follow from them, which
// nodes a backward pass needs (Grad) and what a well-formed graph looks like
// (Verify). It knows nothing of memory, threads, kernels, weight files or
// particular architectures: engines read graphs, package model builds them.
package graph

// An Op is one of the closed list of operations an engine must know.
// The comments give each one's meaning; x is the first input, y the output.
// Shapes are those of one sample, height x width x channels.
type Op uint8

const (
	Input           Op = iota // the batch of normalised pictures
	Conv                      // y = x convolved with Params[0] (+ Params[1]); torch.nn.Conv2d
	Linear                    // y = Params[0] x + Params[1] at each pixel; torch.nn.Linear
	BatchNorm                 // torch.nn.BatchNorm2d; Params are weight, bias, running_mean, running_var
	ReLU                      // y = max(x, 0)
	ReLU6                     // y = min(max(x, 0), 6)
	HardSwish                 // y = x HardSigmoid(x); Howard et al. 2019
	SiLU                      // y = x Sigmoid(x)
	Sigmoid                   // y = 1/(1 + exp(-x))
	HardSigmoid               // y = min(max(x/6 + 1/2, 0), 1)
	GELU                      // y = x Phi(x), the normal distribution's; Hendrycks, Gimpel 2016
	MaxPool                   // torch.nn.MaxPool2d
	GlobalAvgPool             // mean over height and width; torch.nn.AdaptiveAvgPool2d(1)
	Add                       // y = In[0] + In[1]
	Mul                       // y = In[0] times In[1], which is 1x1xC: squeeze-excitation's scale
	Concat                    // inputs side by side along the channels
	Dropout                   // in a training pass: zero with probability P, else x/(1-P)
	StochasticDepth           // Dropout of whole samples: torchvision.ops.StochasticDepth, mode "row"
	Shortcut                  // He et al.'s option A: every Stride-th pixel, zero channels added evenly on both sides
	LayerNorm                 // each pixel's channels to mean 0 and deviation 1, times weight plus bias; torch.nn.LayerNorm
	LayerScale                // y = x times Params[0], a factor a channel; Touvron et al. 2021
	Tokens                    // the pixels in a row behind a class token, positions added; Dosovitskiy et al. 2021
	Attention                 // x is 1xTx3C, queries, keys and values; softmax(Q K^T / sqrt(C/Heads)) V of each head side by side
	FirstToken                // the first pixel
	CrossEntropy              // loss of the logits In[0] against the labels; the output is the logits' gradient
	opCount
)

var opNames = [opCount]string{
	"Input", "Conv", "Linear", "BatchNorm", "ReLU", "ReLU6", "HardSwish", "SiLU", "Sigmoid", "HardSigmoid", "GELU", "MaxPool", "GlobalAvgPool",
	"Add", "Mul", "Concat", "Dropout", "StochasticDepth", "Shortcut", "LayerNorm", "LayerScale", "Tokens", "Attention", "FirstToken", "CrossEntropy",
}

func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return "unknown op"
}

// Activation reports whether the operation is a function of each value by itself.
func (o Op) Activation() bool { return o >= ReLU && o <= GELU }

// A Kind tells a forward node from the two sorts of gradient node.
//
// An InputGrad node's first input is the gradient of the output of node Of and
// its output is the gradient of Of's input number Arg. A ParamGrad node reads
// the same and writes the gradients of Of's parameters; it has no output. The
// ParamGrad of a BatchNorm stands directly before its InputGrad, which needs
// the same sums.
type Kind uint8

const (
	Forward Kind = iota
	InputGrad
	ParamGrad
)

func (k Kind) String() string { return [...]string{"", "/dx", "/dw"}[k] }

// A Window holds the numbers of a convolution or pooling.
type Window struct {
	Kernel, Stride, Pad int
	Groups              int  // convolution; 1 is dense
	Ceil                bool // pooling: round the output's size up (ceil_mode)
	// Same is TensorFlow's padding: the output has a Stride-th of the input's size,
	// rounded up, and an odd pixel of padding stands below and to the right. Pad is
	// that above and to the left; Builder.Conv finds it.
	Same bool
}

// A Shape is that of one sample: height, width, channels.
type Shape struct{ H, W, C int }

// Len is the number of values of one sample.
func (s Shape) Len() int { return s.H * s.W * s.C }

// A Node is one operation. Nodes are numbered by their place in Graph.Nodes.
type Node struct {
	Op   Op
	Kind Kind
	Name string // the module's name in torchvision, or a name derived from its input
	In   []int  // nodes whose outputs this one reads; always earlier ones
	Out  Shape

	Params []int // indices into Graph.Params
	Window Window
	Heads  int     // Attention
	Eps    float64 // BatchNorm, LayerNorm
	Decay  float64 // BatchNorm: the momentum of its running statistics, PyTorch's convention
	P      float64 // Dropout, StochasticDepth: probability of zero
	Frozen bool    // BatchNorm: uses its running statistics in training too, and keeps them

	Of  int // gradients: the forward node
	Arg int // InputGrad: which of Of's inputs
}

// A Role says what a parameter is to its operation.
type Role uint8

const (
	Weight      Role = iota // of Conv (OIHW) or Linear (OI)
	Bias                    // of Conv, Linear or a norm
	Scale                   // a norm's weight, or LayerScale's
	RunningMean             // a buffer: follows the data, has no gradient
	RunningVar              // likewise
	Embedding               // of Tokens: the class token, the positions
)

// A Distribution is where a parameter's first values come from.
type Distribution uint8

const (
	Constant Distribution = iota // every value is Init.V
	Normal                       // mean 0, deviation Init.V
	Uniform                      // between -Init.V and Init.V
)

// An Init says how a parameter starts when no weights are loaded.
type Init struct {
	Dist Distribution
	V    float64
}

// A Param is a parameter or buffer, in PyTorch's order, name and shape.
type Param struct {
	Name  string
	Shape []int
	Role  Role
	Init  Init
}

// Len is the number of values.
func (p Param) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

// Buffer reports whether the parameter follows the data instead of a gradient.
func (p Param) Buffer() bool { return p.Role == RunningMean || p.Role == RunningVar }

// A Graph is a network: its first node is the Input.
type Graph struct {
	Name   string
	Nodes  []Node
	Params []Param
	Logits int    // the node whose output is 1x1xclasses
	Head   string // module name of the output layer
	Loss   int    // the CrossEntropy node of a graph made by Grad, else 0
	// Features says that the output, node Logits, is no logits but features of any
	// shape, HWC: such a graph infers only.
	Features bool
}

// Classes is the width of the output layer.
func (g *Graph) Classes() int { return g.Nodes[g.Logits].Out.C }

// Outputs is the number of values that inference gives for a picture.
func (g *Graph) Outputs() int { return g.Nodes[g.Logits].Out.Len() }

// Input is the shape of a picture.
func (g *Graph) Input() Shape { return g.Nodes[0].Out }

// Param returns the index of the named parameter, or -1.
func (g *Graph) Param(name string) int {
	for i := range g.Params {
		if g.Params[i].Name == name {
			return i
		}
	}
	return -1
}

// InHead reports whether a parameter belongs to the output layer.
func (g *Graph) InHead(param int) bool {
	n := g.Params[param].Name
	return len(n) > len(g.Head) && n[:len(g.Head)] == g.Head && n[len(g.Head)] == '.'
}

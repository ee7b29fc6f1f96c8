package train

import (
	"time"

	"graft/internal/engine"
	"graft/internal/graph"
)

// A State is what a model file keeps of a run: the parameters and buffers, in
// the graph's order, and how far training had come. Package rundir writes it.
type State struct {
	Params [][]float32
	Epoch  int // finished epochs
	Steps  int // updates
	// Answers are what the network said of the pictures that judged the epoch: validation's,
	// then test's. Nil where there are more than AnswersLimit values of them.
	Answers []Answer
}

// An Answer is what the network said of a held-out picture.
type Answer struct {
	Part   Phase // Validating or Testing
	Sample int   // its place in the part's list
	Class  int
	Logits []float32
}

// AnswersLimit is the most logits that are kept of an evaluation, 80 MB.
const AnswersLimit = 20 << 20

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

// A Checkpoint is all that training needs to go on as if it had never stopped. The
// random numbers of a step follow from the seed and the position, so none are kept.
type Checkpoint struct {
	Params [][]float32
	// Slots are what the optimiser keeps of the parameters that learn, nil of others.
	Slots    map[engine.Slot][][]float32
	Position Position
}

// A Position is how far a run had come.
type Position struct {
	Phase    int           `json:"phase"`    // of the recipe, from 0
	Started  int           `json:"started"`  // epochs finished before the phase began
	Finished int           `json:"finished"` // epochs
	Batches  int           `json:"batches"`  // of the epoch under way
	Loss     float64       `json:"loss"`     // summed over them
	Correct  int           `json:"correct"`
	Images   int           `json:"images"`
	Step     int           `json:"step"`              // updates in the phase
	Steps    int           `json:"steps"`             // updates before the phase
	Updates  int           `json:"updates,omitempty"` // of them, those that the optimiser's state has seen
	Spent    time.Duration `json:"spent"`
	Plateau  Plateau       `json:"plateau"`
	Best     *Epoch        `json:"best"`
	Last     *Epoch        `json:"last"`
	Own      *Epoch        `json:"own,omitempty"`  // the best of the phase itself, from which patience counts
	Head     *Score        `json:"head,omitempty"` // what the output layer reached alone
	Over     string        `json:"over,omitempty"` // why the phase ends before its epochs do
	Ends     bool          `json:"ends,omitempty"` // and the run with it
}

// slots are what a recipe's updates keep besides momentum.
func (r Recipe) Slots() []engine.Slot {
	var s []engine.Slot
	if r.Optimiser == "adamw" {
		s = append(s, engine.Variance)
	}
	if r.EMA != 0 {
		s = append(s, engine.Average)
	}
	if r.L2SP != 0 {
		s = append(s, engine.Anchor)
	}
	return s
}

// kept are the slots that a checkpoint holds: L2-SP's anchor is where training began.
func (r Recipe) kept() []engine.Slot {
	s := []engine.Slot{engine.Momentum}
	for _, slot := range r.Slots() {
		if slot != engine.Anchor {
			s = append(s, slot)
		}
	}
	return s
}

// checkpoint captures the run.
func (r *run) checkpoint() *Checkpoint {
	c := &Checkpoint{Params: Capture(r.Net, r.Whole, 0, 0).Params, Slots: map[engine.Slot][][]float32{}, Position: r.at}
	c.Position.Spent = r.spent()
	for _, slot := range r.Recipe.kept() {
		values := make([][]float32, len(r.Whole.Params))
		for i, p := range r.Whole.Params {
			if p.Buffer() || r.Frozen != nil && r.Frozen[i] {
				continue
			}
			values[i] = make([]float32, p.Len())
			r.Net.ReadSlot(slot, i, values[i])
		}
		c.Slots[slot] = values
	}
	return c
}

// restore gives the network what a checkpoint has of the optimiser.
func (r *run) restore(c *Checkpoint) {
	for slot, values := range c.Slots {
		for i, v := range values {
			if v != nil {
				r.Net.LoadSlot(slot, i, v)
			}
		}
	}
	r.at = c.Position
}

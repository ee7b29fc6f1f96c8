package graph

// Tap returns g with its penultimate features behind its logits: a picture's output is the
// classes' logits and then as many values as the body gives channels, their means over all
// places. The body is what lies below the output layer. ok is false where nothing does.
func Tap(g *Graph) (tapped *Graph, features int, ok bool) {
	frozen, err := Freeze(g, "all")
	if err != nil {
		return nil, 0, false
	}
	lower, _, ok := Split(g, frozen)
	if !ok {
		return nil, 0, false
	}
	t := *g
	t.Features = true
	t.Nodes = append(append([]Node(nil), g.Nodes[:g.Logits+1]...), Node{Op: GlobalAvgPool, Name: "tap.mean", In: []int{lower.Logits}})
	tap := len(t.Nodes) - 1
	body := g.Nodes[lower.Logits].Out
	t.Nodes[tap].Out = Shape{1, 1, body.C}
	t.Nodes = append(t.Nodes, Node{Op: Concat, Name: "tap", In: []int{g.Logits, tap}, Out: Shape{1, 1, g.Classes() + body.C}})
	t.Logits = tap + 1
	return &t, body.C, true
}

package enginetest

import (
	"fmt"

	"graft/internal/graph"
)

// transformers are small graphs of what transformers brought.
func transformers() []testCase {
	small := graph.Shape{H: 9, W: 7, C: 3}
	var list []testCase
	for _, c := range []int{16, 20, 48} {
		list = append(list, testCase{fmt.Sprintf("layer norm of %d", c), 3, network(small, func(b builder) int {
			x := b.conv("c", 0, c, 3, 1, 1)
			y := b.LayerNorm("n", b.depthwise("d", x, 7, 1, 3), 1e-6)
			y = b.Linear("e", b.Activation(graph.GELU, b.Linear("f", y, 4*c)), c)
			y = b.StochasticDepth("drop", b.LayerScale("gamma", y, 1), 0.3)
			x = b.Add("add", y, x)
			return b.conv("h", b.LayerNorm("m", x, 1e-6), 8, 2, 2, 0)
		})})
	}
	list = append(list, testCase{"layer norm shared", 3, network(small, func(b builder) int {
		x := b.LayerNorm("n", b.conv("c", 0, 16, 3, 1, 1), 1e-6)
		return b.Add("add", b.LayerScale("gamma", x, 1), b.LayerNorm("m", x, 1e-3))
	})})
	for _, s := range [][3]int{{16, 2, 5}, {64, 2, 4}, {24, 3, 7}, {80, 1, 6}} {
		list = append(list, testCase{fmt.Sprintf("attention %v", s), 3, func() *graph.Graph { return attention(s[0], s[1], s[2]) }})
	}
	return list
}

// Transformer is a small network of all that transformers brought.
func Transformer() *graph.Graph { return attention(32, 2, 5) }

// attention is two layers of attention over 4 rows tokens of c channels.
func attention(c, heads, rows int) *graph.Graph {
	b := builder{graph.NewBuilder("test", graph.Shape{H: 2 * rows, W: 8, C: 3})}
	x := b.Tokens("tokens", "token", "positions", b.conv("c", 0, c, 2, 2, 0))
	for i := range 2 {
		n := fmt.Sprint("layer", i)
		y := b.Attention(n+".attention", b.Linear(n+".qkv", b.LayerNorm(n+".ln", x, 1e-6), 3*c), heads)
		y = b.Activation(graph.GELU, b.Linear(n+".out", y, c))
		x = b.Add(n+".add", b.LayerScale(n+".gamma", y, 1), x)
	}
	return b.Graph(b.Linear("fc", b.FirstToken("first", x), 5), "fc")
}

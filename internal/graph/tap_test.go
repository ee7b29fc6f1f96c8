package graph

import "testing"

// A tapped network is well formed: logits, then the body's channels, pooled where it ends in maps.
func TestTap(t *testing.T) {
	for _, pooled := range []bool{false, true} {
		b := NewBuilder("tiny", Shape{8, 8, 3})
		x := b.ReLU(b.Conv("body", 0, 12, Window{Kernel: 3, Stride: 1, Pad: 1}, true))
		if pooled {
			x = b.Linear("head", b.GlobalAvgPool("pool", x), 4)
		} else {
			x = b.GlobalAvgPool("pool", b.Conv("head", x, 4, Window{Kernel: 1, Stride: 1}, true))
		}
		g := b.Graph(x, "head")
		nodes := len(g.Nodes)
		tapped, features, ok := Tap(g)
		if !ok || features != 12 || tapped.Outputs() != 16 || len(g.Nodes) != nodes {
			t.Fatalf("%v, %d features, %d outputs", ok, features, tapped.Outputs())
		}
		if err := Verify(tapped); err != nil {
			t.Error(err)
		}
	}
}

package cpu

import "testing"

// TestAxis checks that tiles cover a line once, and are no shorter than three but for the last.
func TestAxis(t *testing.T) {
	for n := 1; n < 100; n++ {
		a := newAxis(n)
		for i := range a.tiles {
			lines := a.start(i+1) - a.start(i)
			if lines != outputs && lines != outputs-1 || (lines == outputs) != (i < a.whole) {
				t.Errorf("%d: tile %d of %d lines, %d are whole", n, i, lines, a.whole)
			}
		}
		if end := a.start(a.tiles); a.start(0) != 0 || end < n || end >= n+outputs-1 || a.whole > 0 && end != n {
			t.Errorf("%d: %d tiles end at %d", n, a.tiles, end)
		}
	}
}

// TestTilesOfPoints checks that the tiles wanted of a plane are those that its line and column are for.
func TestTilesOfPoints(t *testing.T) {
	for _, side := range []int{5, 6, 7, 8, 13, 14} {
		out := &tensor{h: side, w: side + 2}
		g := newTiling(out, outputs, 64, false)
		var tiles tiles
		g.list(&tiles, 0, 2*g.y.tiles)
		if want := 2 * g.y.tiles * g.x.tiles; len(tiles.list) != want {
			t.Fatalf("%d: %d tiles, want %d", side, len(tiles.list), want)
		}
		for _, p := range plainPoints {
			first, end := tiles.of(p)
			for i, at := range tiles.list {
				wanted := (at.h == outputs || p.plane/6 < 5) && (at.w == outputs || p.plane%6 < 5)
				if wanted != (i >= first && i < end) {
					t.Errorf("%d: tile %v of plane %d: wanted %t, of %d to %d it is %d", side, at, p.plane, wanted, first, end, i)
				}
			}
		}
	}
}

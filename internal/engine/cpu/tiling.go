package cpu

import "unsafe"

// outputs is the side of Winograd's tiles, in pixels of the smaller map.
const outputs = 4

// An axis cuts the lines of a map into tiles of four, of which the last ones are of three where four times their
// number is too many: 14 is 4+4+3+3. What a transform gives at the point infinity serves a tile's fourth line
// alone, so that tiles of three do without those products, and everything else stays as it is.
type axis struct{ tiles, whole int }

func newAxis(n int) axis {
	tiles := (n + outputs - 1) / outputs
	return axis{tiles, max(0, n-(outputs-1)*tiles)}
}

// start is a tile's first line.
func (a axis) start(tile int) int { return outputs*tile - max(0, tile-a.whole) }

// values is how many values the tiles have between them, given those of a whole one and of a short one.
func (a axis) values(whole, short int) int { return a.whole*whole + (a.tiles-a.whole)*short }

// tiling cuts a tensor's pixels into tiles, and rows of tiles over the batch into
// blocks whose pixels follow one another.
type tiling struct {
	scale int // pixels a line of a tile
	y, x  axis
	block int // rows of tiles in a block: a part of a sample's, or whole samples'
}

// newTiling chooses blocks of enough tiles to pay for reading the transformed
// weights, and of few enough for their planes to stay in the cache. all says
// that every block but the last has the same number of pixels.
func newTiling(t *tensor, side, channels int, all bool) tiling {
	scale := side / outputs
	g := tiling{scale: scale, y: newAxis((t.h + scale - 1) / scale), x: newAxis((t.w + scale - 1) / scale)}
	want := max(24, min(channels/4, 96))
	for d := 1; d < g.y.tiles; d++ {
		if g.y.tiles%d == 0 && d*g.x.tiles*10 >= want*7 && (t.h%side == 0 || !all) {
			g.block = d
			return g
		}
	}
	sample := g.y.tiles * g.x.tiles
	g.block = g.y.tiles * max(1, (want+sample/2)/sample)
	return g
}

func (g *tiling) blocks(n int) int { return (n*g.y.tiles + g.block - 1) / g.block }

// tiles is the most there are in a block.
func (g *tiling) tiles() int { return g.block * g.x.tiles }

// chunk is the pixels of a block.
func (g *tiling) chunk(t *tensor) int {
	if g.block < g.y.tiles {
		return g.block * outputs * g.scale * t.w
	}
	return g.block / g.y.tiles * t.pixels()
}

// span is the pixels, counted over the batch, of the tile rows [r0, r1).
func (g *tiling) span(t *tensor, r0, r1 int) (m0, m1 int) {
	at := func(r int) int {
		return r/g.y.tiles*t.pixels() + min(g.y.start(r%g.y.tiles)*g.scale, t.h)*t.w
	}
	return at(r0), at(r1)
}

// A tile is a place in a map, in pixels of the smaller one, and how much of it is the tile's own.
type tile struct{ sample, top, left, h, w int }

// tiles are those of a block, in an order in which those that a plane is wanted of follow one another: three
// lines high, whole, three wide, three by three.
type tiles struct {
	list []tile
	ends [4]int
}

// list lists the tiles of rows [r0, r1).
func (g *tiling) list(t *tiles, r0, r1 int) {
	t.list = t.list[:0]
	const whole, short = outputs, outputs - 1
	part := func(i, h, w, c0, c1 int) {
		for r := r0; r < r1; r++ {
			row := r % g.y.tiles
			if (row < g.y.whole) != (h == whole) {
				continue
			}
			for c := c0; c < c1; c++ {
				t.list = append(t.list, tile{r / g.y.tiles, g.y.start(row), g.x.start(c), h, w})
			}
		}
		t.ends[i] = len(t.list)
	}
	part(0, short, whole, 0, g.x.whole)
	part(1, whole, whole, 0, g.x.whole)
	part(2, whole, short, g.x.whole, g.x.tiles)
	part(3, short, short, g.x.whole, g.x.tiles)
}

// of is the tiles [first, end) that a plane is wanted of.
func (t *tiles) of(p point) (first, end int) {
	end = t.ends[3]
	if p.bottom {
		first, end = t.ends[0], t.ends[2]
	}
	if p.right {
		end = t.ends[1]
	}
	return first, end
}

// tour visits the tiles with a table of their pixels, whose second half is the next
// tile's: the kernels fetch that into the cache meanwhile.
func (t *tiles) tour(table []uintptr, fill func(table []uintptr, t tile), visit func(tile)) {
	half := len(table) / 2
	here, next := table[:half], table[half:]
	fill(next, t.list[0])
	for i, at := range t.list {
		copy(here, next)
		if i+1 < len(t.list) {
			fill(next, t.list[i+1])
		}
		visit(at)
	}
}

// readWindow lists the pixels that a tile reads, writeWindow those that it writes.
func (f *form) readWindow(in *tensor, table []uintptr, t tile, channel int, zeros unsafe.Pointer) {
	in.window(table, t.sample, t.top*f.step-f.edge, t.left*f.step-f.edge, f.read, f.read, f.read, channel*in.value, zeros)
}

func (f *form) writeWindow(out *tensor, table []uintptr, t tile, offset int, outside unsafe.Pointer) {
	scale := f.write / outputs
	out.window(table, t.sample, t.top*scale, t.left*scale, f.write, t.h*scale, t.w*scale, offset, outside)
}

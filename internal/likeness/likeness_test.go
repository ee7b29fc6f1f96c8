package likeness

import (
	"context"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"graft/internal/transform"

	"pgregory.net/rapid"
)

// TestSearchFindsWhatComparingAllFinds holds the tables to the plain double loop.
func TestSearchFindsWhatComparingAllFinds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		centres := rapid.SliceOfN(rapid.Uint64(), 1, 6).Draw(r, "centres")
		var hashes []uint64
		for range rapid.IntRange(0, 60).Draw(r, "n") {
			h := rapid.SampledFrom(centres).Draw(r, "centre")
			for range rapid.IntRange(0, Radius).Draw(r, "flips") {
				h ^= 1 << rapid.IntRange(0, 63).Draw(r, "bit")
			}
			hashes = append(hashes, h)
		}
		var want, got [][2]int
		for i, a := range hashes {
			for j := i + 1; j < len(hashes); j++ {
				if bits.OnesCount64(a^hashes[j]) <= Radius {
					want = append(want, [2]int{i, j})
				}
			}
		}
		var mu sync.Mutex
		if err := pairs(context.Background(), hashes, 2, func(i, j int) {
			mu.Lock()
			got = append(got, [2]int{i, j})
			mu.Unlock()
		}); err != nil {
			r.Fatal(err)
		}
		slices.SortFunc(got, func(a, b [2]int) int { return slices.Compare(a[:], b[:]) })
		if !slices.Equal(got, want) {
			r.Fatalf("pairs %v, comparing all finds %v", got, want)
		}
	})
}

// scene draws soft blobs, so that it can be scaled.
func scene(seed uint64, w, h int) *transform.Picture {
	r := rand.New(rand.NewPCG(seed, 1))
	type blob struct{ x, y, size, red, green, blue float64 }
	blobs := make([]blob, 12)
	for i := range blobs {
		blobs[i] = blob{r.Float64(), r.Float64(), 0.05 + 0.2*r.Float64(), 255 * r.Float64(), 255 * r.Float64(), 255 * r.Float64()}
	}
	p := transform.New(w, h)
	for y := range h {
		for x := range w {
			q := p.Pix[3*(y*w+x):]
			for _, b := range blobs {
				dx, dy := (float64(x)+0.5)/float64(w)-b.x, (float64(y)+0.5)/float64(h)-b.y
				if dx*dx+dy*dy < b.size*b.size {
					q[0], q[1], q[2] = uint8(b.red), uint8(b.green), uint8(b.blue)
				}
			}
		}
	}
	return p
}

func TestScaledNoisyCopiesAreTheSame(t *testing.T) {
	for seed := range uint64(8) {
		p := scene(seed, 400, 300)
		small := transform.Resize(p, 173, 130)
		r := rand.New(rand.NewPCG(seed, 2))
		for i := range small.Pix {
			small.Pix[i] = uint8(max(0, min(255, int(small.Pix[i])+r.IntN(17)-8)))
		}
		if !Same(Of(p), Of(small)) {
			t.Errorf("scene %d: a smaller noisy copy is another picture", seed)
		}
		if Same(Of(p), Of(scene(seed+100, 400, 300))) {
			t.Errorf("scene %d is the same as scene %d", seed, seed+100)
		}
		other := transform.New(400, 300)
		for i := 0; i < len(p.Pix); i += 3 { // the same shapes in other colours
			other.Pix[i], other.Pix[i+1], other.Pix[i+2] = p.Pix[i+2], p.Pix[i+1], p.Pix[i]
		}
		if Same(Of(p), Of(other)) {
			t.Errorf("scene %d with red and blue exchanged is the same", seed)
		}
	}
}

func TestPlainPicturesAreLikeNothing(t *testing.T) {
	white := transform.New(50, 50)
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	if Same(Of(white), Of(white)) || Same(Of(transform.New(9, 9)), Of(transform.New(9, 9))) {
		t.Error("pictures without structure were compared")
	}
}

func TestGroups(t *testing.T) {
	prints := []*Print{Of(scene(1, 200, 200)), nil, Of(scene(2, 200, 150)), Of(scene(1, 150, 150)), Of(transform.New(20, 20)), Of(scene(2, 100, 75)), Of(scene(3, 90, 90)), Of(scene(1, 99, 99))}
	for _, threads := range []int{0, 1, 3} {
		g, err := Groups(context.Background(), prints, threads)
		if err != nil || fmt.Sprint(g) != "[[0 3 7] [2 5]]" {
			t.Errorf("%d threads: %v, %v", threads, g, err)
		}
	}
}

func TestPrintsAreKeptAsText(t *testing.T) {
	for _, p := range []*Print{Of(scene(1, 80, 60)), Of(transform.New(9, 9))} {
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Print
		if err := back.UnmarshalText(text); err != nil || back != *p {
			t.Errorf("%v: %v came back as %v", err, *p, back)
		}
	}
	for _, bad := range []string{"", "!", "AAAA"} {
		if new(Print).UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was read", bad)
		}
	}
}

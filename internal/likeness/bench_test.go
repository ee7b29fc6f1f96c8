package likeness

import (
	"context"
	"math/rand/v2"
	"testing"
)

// BenchmarkGroups searches 100,000 prints without structure in common.
func BenchmarkGroups(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	prints := make([]*Print, 100_000)
	for i := range prints {
		prints[i] = &Print{Hash: r.Uint64()}
		for k := range prints[i].Luma {
			prints[i].Luma[k] = uint8(r.IntN(256))
		}
	}
	for b.Loop() {
		if _, err := Groups(context.Background(), prints, 2); err != nil {
			b.Fatal(err)
		}
	}
}

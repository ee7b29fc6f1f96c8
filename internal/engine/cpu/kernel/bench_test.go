package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// shareOfPeak reports flops an iteration as GFLOPS and as a share of what Peak
// reaches in the same run: slices of both alternate, since a shared machine's
// clock moves, and the best of each counts.
func shareOfPeak(b *testing.B, s *Set, flops float64, f func()) {
	f()
	rate := func(flops float64, n int, f func()) float64 {
		start := time.Now()
		for range n {
			f()
		}
		return flops * float64(n) / time.Since(start).Seconds() / 1e9
	}
	const slice = 2e6 // ns, about
	slow := s.Name == "generic"
	peakN := 1 << 15
	if slow {
		peakN = 1 << 19
	}
	start := time.Now()
	f()
	n := max(1, int(slice/float64(time.Since(start).Nanoseconds())))
	var best, peak float64
	for b.Loop() {
		peak = max(peak, rate(float64(peakN*s.PeakFlops), 1, func() { s.Peak(peakN) }))
		best = max(best, rate(flops, n, f))
	}
	b.ReportMetric(best, "GFLOPS")
	b.ReportMetric(100*best/peak, "%peak")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkTile multiplies rows that stay in the second-level cache.
func BenchmarkTile(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range Available() {
		for v, mr := range s.Rows {
			for _, k := range []int{64, 128, 256, 576, 1152, 2304, 4608} {
				if v > 0 && k != 576 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%dx%d/K=%d", s.Name, mr, s.NR, k), func(b *testing.B) {
					tiles := max(2, min(480, 100000/k)/mr)
					rows := tiles * mr
					x, w, y := newMatrix(rng, rows, k, 0), newMatrix(rng, k, s.NR, 0), newMatrix(rng, rows, s.NR, 0)
					var table, out []uintptr
					for t := range tiles {
						for r := range mr {
							table = append(table, x.addr(t*mr+r))
							out = append(out, y.addr(t*mr+r))
						}
						table = append(table, 0)
					}
					a := &TileArgs{Taps: 1, K: k, B: aligned(w), Lo: 0, Hi: inf, Width: s.NR}
					shareOfPeak(b, s, 2*float64(rows*k*s.NR), func() {
						for t := range tiles {
							a.Rows, a.Out = unsafe.Pointer(&table[t*(mr+1)]), unsafe.Pointer(&out[t*mr])
							s.Tile[v](a)
						}
					})
				})
			}
		}
	}
}

// aligned is a cache line in the first margin of a matrix from where its values
// fit too: benchmarks measure what the engine does, which aligns its panels.
func aligned(m *matrix) unsafe.Pointer {
	p := unsafe.Pointer(&m.words[0])
	return unsafe.Add(p, -uintptr(p)&63)
}

// BenchmarkTileGrad sums over a block of pixels.
func BenchmarkTileGrad(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, s := range Available() {
		for v, rows := range s.GradRows {
			for _, pixels := range []int{256, 512} {
				b.Run(fmt.Sprintf("%s/%dx%d/P=%d", s.Name, rows, s.NR, pixels), func(b *testing.B) {
					const c = 48 // a multiple of all row counts
					x, y := newMatrix(rng, pixels, c, 0), newMatrix(rng, pixels, 2*s.NR, 0)
					out := newMatrix(rng, c, s.NR, 0)
					var table []uintptr
					for p := range pixels {
						table = append(table, x.addr(p))
					}
					a := &GradArgs{
						X: unsafe.Pointer(&table[0]), Y: aligned(y), YStride: y.bytes(), Next: aligned(y),
						CStride: out.bytes(), P: pixels, Acc: 1, Width: s.NR,
					}
					shareOfPeak(b, s, 2*float64(pixels*c*s.NR), func() {
						for r := 0; r < c; r += rows {
							a.XOff, a.C = r*4, unsafe.Add(out.ptr(), r*out.bytes())
							s.TileGrad[v](a)
						}
					})
				})
			}
		}
	}
}

// BenchmarkRows measures the passes over rows in bytes read and written: in the
// second-level cache, and from memory.
func BenchmarkRows(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	const c = 128
	for _, s := range Available() {
		for _, rows := range []int{128, 1 << 15} {
			x, y, z := newMatrix(rng, rows, c, 0), newMatrix(rng, rows, c, 0), newMatrix(rng, rows, c, 0)
			v := newMatrix(rng, 6, c, 0)
			xp, yp, zp, n := aligned(x), aligned(y), aligned(z), x.bytes()
			param := func(i int) unsafe.Pointer { return unsafe.Add(aligned(v), i*v.bytes()) }
			// chunked calls f for chunks of 64 rows, as the engine does.
			const chunk = 64
			chunked := func(f func(at int)) func() {
				return func() {
					for i := 0; i < rows; i += chunk {
						f(i * n)
					}
				}
			}
			for _, k := range []struct {
				name     string
				operands int // passes over memory
				f        func()
			}{
				{"Moments", 1, chunked(func(i int) { s.Moments(unsafe.Add(xp, i), n, chunk, c, param(0), param(1)) })},
				{"ScaleShift", 2, chunked(func(i int) {
					s.ScaleShift(unsafe.Add(yp, i), n, unsafe.Add(xp, i), n, nil, 0, chunk, c, param(0), param(1), 0)
				})},
				{"ScaleShiftAdd", 3, chunked(func(i int) {
					s.ScaleShift(unsafe.Add(yp, i), n, unsafe.Add(xp, i), n, unsafe.Add(zp, i), n, chunk, c, param(0), param(1), 0)
				})},
				{"NormGradSums", 3, chunked(func(i int) {
					s.NormGradSums(unsafe.Add(yp, i), n, unsafe.Add(zp, i), n, unsafe.Add(xp, i), n, chunk, c, param(0), param(1), param(2))
				})},
				{"NormGrad", 4, chunked(func(i int) {
					s.NormGrad(unsafe.Add(yp, i), n, unsafe.Add(yp, i), n, unsafe.Add(zp, i), n, unsafe.Add(xp, i), n, chunk, c,
						param(0), param(1), param(2), param(3), nil, 0)
				})},
				{"CopyRows", 2, chunked(func(i int) { s.CopyRows(unsafe.Add(yp, i), n, unsafe.Add(xp, i), n, chunk, c) })},
				{"SGD", 5, func() { s.SGD(yp, zp, xp, rows*c, 1e-9, 0.9, 0, 1, false) }},
			} {
				b.Run(fmt.Sprintf("%s/%s/rows=%d", s.Name, k.name, rows), func(b *testing.B) {
					b.SetBytes(int64(k.operands * rows * n))
					for b.Loop() {
						k.f()
					}
				})
			}
		}
	}
}

// Package likeness tells which pictures show the same thing pixel for pixel,
// whatever their size, format and compression: a 64-bit perceptual hash finds
// candidates among many, a small copy of each picture decides.
//
// It knows pixels. It knows no files and no labels.
package likeness

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"graft/internal/transform"
)

// Sides of the small copies, in cells.
const (
	lumaSide   = 16
	chromaSide = 4
)

// A Print is what is kept of a picture: about 300 bytes.
type Print struct {
	Hash   uint64                            // see hash
	Luma   [lumaSide * lumaSide]uint8        // brightness, rows from the top
	Chroma [2 * chromaSide * chromaSide]int8 // red and blue less brightness, halved
	Plain  bool                              // without structure: like nothing
}

// plainDeviation is the standard deviation of brightness below which a picture
// has no structure to compare by.
const plainDeviation = 4

// Of takes a picture's print.
func Of(p *transform.Picture) *Print {
	const n = 32
	small := transform.Resize(p, n, n)
	var luma [n * n]float64
	for i := range luma {
		luma[i] = brightness(small.Pix[3*i:])
	}
	f := &Print{Hash: hash(&luma)}
	var sum, squares float64
	for _, v := range luma {
		sum += v
		squares += v * v
	}
	mean := sum / (n * n)
	f.Plain = squares/(n*n)-mean*mean < plainDeviation*plainDeviation
	const k = n / lumaSide
	for y := range lumaSide {
		for x := range lumaSide {
			s := 0.0
			for dy := range k {
				for dx := range k {
					s += luma[(y*k+dy)*n+x*k+dx]
				}
			}
			f.Luma[y*lumaSide+x] = uint8(math.Round(s / (k * k)))
		}
	}
	f.chroma(small, n)
	return f
}

// brightness is Rec. 601 luma, as JPEG and Pillow's convert('L') have it.
func brightness(q []uint8) float64 {
	return 0.299*float64(q[0]) + 0.587*float64(q[1]) + 0.114*float64(q[2])
}

func (f *Print) chroma(small *transform.Picture, n int) {
	k := n / chromaSide
	for y := range chromaSide {
		for x := range chromaSide {
			var red, blue float64
			for dy := range k {
				for dx := range k {
					q := small.Pix[3*((y*k+dy)*n+x*k+dx):]
					l := brightness(q)
					red += float64(q[0]) - l
					blue += float64(q[2]) - l
				}
			}
			at := 2 * (y*chromaSide + x)
			f.Chroma[at] = int8(max(-128, min(127, math.Round(red/float64(2*k*k)))))
			f.Chroma[at+1] = int8(max(-128, min(127, math.Round(blue/float64(2*k*k)))))
		}
	}
}

// lowFrequencies are the 64 lowest of the 32 x 32 cosine transform but the mean,
// by the sum of their two frequencies, then the first: {vertical, horizontal}.
var lowFrequencies = func() (list [64][2]int) {
	var all [][2]int
	for u := range 16 {
		for v := range 16 {
			if u+v > 0 {
				all = append(all, [2]int{u, v})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b [2]int) int { return cmp.Compare(a[0]+a[1], b[0]+b[1]) })
	copy(list[:], all)
	return list
}()

var cosines = func() (table [16][32]float64) {
	for u := range table {
		for x := range table[u] {
			table[u][x] = math.Cos(math.Pi * float64(u) * (float64(x) + 0.5) / 32)
		}
	}
	return table
}()

// hash is the DCT hash of Zauner, "Implementation and benchmarking of perceptual
// image hash functions" (2010): bit i says whether coefficient lowFrequencies[i]
// lies above their median. Scaling, recompression, brightness and contrast leave
// the signs of low frequencies as they are.
func hash(luma *[32 * 32]float64) uint64 {
	var rows [32][16]float64
	for y := range rows {
		for v := range rows[y] {
			for x, l := range luma[y*32 : y*32+32] {
				rows[y][v] += l * cosines[v][x]
			}
		}
	}
	var c, sorted [64]float64
	for i, f := range lowFrequencies {
		for y := range rows {
			c[i] += rows[y][f[1]] * cosines[f[0]][y]
		}
	}
	sorted = c
	slices.Sort(sorted[:])
	median := (sorted[31] + sorted[32]) / 2
	h := uint64(0)
	for i, v := range c {
		if v > median {
			h |= 1 << i
		}
	}
	return h
}

// Radius is how many bits of the hash may differ between candidates. The figures
// behind this and the limits below are in docs/data.md.
const Radius = 10

// Limits of what counts as the same picture.
const (
	leastCorrelation = 0.985
	mostChroma       = 6.0 // mean difference, in halved levels
)

// Same reports whether two prints are of the same picture.
func Same(a, b *Print) bool {
	return !a.Plain && !b.Plain && bits.OnesCount64(a.Hash^b.Hash) <= Radius &&
		Correlation(a, b) >= leastCorrelation && chromaDifference(a, b) <= mostChroma
}

// Correlation is Pearson's of the two small copies' brightness, -1 to 1.
func Correlation(a, b *Print) float64 {
	var sa, sb, saa, sbb, sab int
	for i, v := range a.Luma {
		x, y := int(v), int(b.Luma[i])
		sa, sb = sa+x, sb+y
		saa, sbb, sab = saa+x*x, sbb+y*y, sab+x*y
	}
	const n = lumaSide * lumaSide
	va, vb := float64(n*saa-sa*sa), float64(n*sbb-sb*sb)
	if va <= 0 || vb <= 0 {
		return 0
	}
	return float64(n*sab-sa*sb) / math.Sqrt(va*vb)
}

func chromaDifference(a, b *Print) float64 {
	sum := 0
	for i, v := range a.Chroma {
		d := int(v) - int(b.Chroma[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(len(a.Chroma))
}

// MarshalText writes a print as base64 of its fields in order.
func (f *Print) MarshalText() ([]byte, error) {
	b := binary.BigEndian.AppendUint64(nil, f.Hash)
	b = append(b, f.Luma[:]...)
	for _, v := range f.Chroma {
		b = append(b, byte(v))
	}
	if f.Plain {
		b = append(b, 1)
	}
	return base64.StdEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads what MarshalText wrote.
func (f *Print) UnmarshalText(text []byte) error {
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		return err
	}
	const whole = 8 + len(f.Luma) + len(f.Chroma)
	if len(b) != whole && len(b) != whole+1 {
		return fmt.Errorf("a print of %d bytes", len(b))
	}
	f.Hash = binary.BigEndian.Uint64(b)
	copy(f.Luma[:], b[8:])
	for i := range f.Chroma {
		f.Chroma[i] = int8(b[8+len(f.Luma)+i])
	}
	f.Plain = len(b) > whole
	return nil
}

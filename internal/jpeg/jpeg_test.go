package jpeg

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"
)

const golden = "../../testdata/golden/decode"

// painted is a picture of smooth shapes and some noise.
func painted(w, h int, seed uint64) *image.RGBA {
	r := rand.New(rand.NewPCG(seed, 1))
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	fx, fy := r.Float64()/4, r.Float64()/4
	for y := range h {
		for x := range w {
			v := 120 + 100*math.Sin(float64(x)*fx)*math.Cos(float64(y)*fy)
			m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v/2 + 20), uint8(240 - v + 10*r.Float64()), 255})
		}
	}
	return m
}

func encoded(t interface{ Fatal(...any) }, m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, m, &stdjpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// furthest is the largest difference of two images' values in 8 bits.
func furthest(a, b image.Image) int {
	worst := 0
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range [3]int{int(r>>8) - int(r2>>8), int(g>>8) - int(g2>>8), int(b1>>8) - int(b2>>8)} {
				worst = max(worst, d, -d)
			}
		}
	}
	return worst
}

// TestReadsAsStandardLibrary holds pictures of all sizes, at full size, against
// image/jpeg, whose transform rounds otherwise.
func TestReadsAsStandardLibrary(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, h := rapid.IntRange(1, 70).Draw(t, "w"), rapid.IntRange(1, 70).Draw(t, "h")
		var m image.Image = painted(w, h, rapid.Uint64().Draw(t, "seed"))
		if rapid.Bool().Draw(t, "grey") {
			g := image.NewGray(m.Bounds())
			for i := range g.Pix {
				g.Pix[i] = m.(*image.RGBA).Pix[4*i]
			}
			m = g
		}
		data := encoded(t, m, rapid.IntRange(1, 100).Draw(t, "quality"))
		got, err := Decode(data, 1)
		if err != nil {
			t.Fatal(err)
		}
		want, err := stdjpeg.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if got.Bounds() != want.Bounds() {
			t.Fatalf("%v, want %v", got.Bounds(), want.Bounds())
		}
		if d := furthest(got, want); d > 3 {
			t.Fatalf("%dx%d differs by %d", w, h, d)
		}
	})
}

// TestShrunkIsTheMeanOfWhole: a sample at 1/N is about the mean of NxN.
func TestShrunkIsTheMeanOfWhole(t *testing.T) {
	data := encoded(t, painted(160, 96, 3), 95)
	whole, err := Decode(data, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 4, 8} {
		small, err := Decode(data, n)
		if err != nil {
			t.Fatal(err)
		}
		y, all := small.(*image.YCbCr), whole.(*image.YCbCr)
		if y.SubsampleRatio != image.YCbCrSubsampleRatio444 {
			t.Errorf("1/%d: chroma %v, want all of it", n, y.SubsampleRatio)
		}
		sum, count := 0.0, 0.0
		for py := range 96 / n {
			for px := range 160 / n {
				mean := 0.0
				for i := range n * n {
					mean += float64(all.Y[all.YOffset(px*n+i%n, py*n+i/n)])
				}
				d := mean/float64(n*n) - float64(y.Y[y.YOffset(px, py)])
				sum += d * d
				count++
			}
		}
		if psnr := 10 * math.Log10(255*255/(sum/count)); psnr < 40 {
			t.Errorf("1/%d: %.1f dB from the mean", n, psnr)
		}
	}
}

func TestLeavesToOthers(t *testing.T) {
	whole := encoded(t, painted(40, 40, 1), 80)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	twelve := bytes.Replace(whole, []byte{0xff, 0xc0, 0, 17, 8}, []byte{0xff, 0xc0, 0, 17, 12}, 1)
	for name, data := range map[string][]byte{
		"nothing": nil, "png": read("rgb.png"), "cmyk": read("cmyk.jpg"), "half": whole[:len(whole)/2], "header": whole[:200],
		"12 bits": twelve, "without tables": append(whole[:2:2], whole[bytes.Index(whole, []byte{0xff, 0xda}):]...),
	} {
		if img, err := Decode(data, 1); !errors.Is(err, ErrOther) {
			t.Errorf("%s: %v, %v; want ErrOther", name, img, err)
		}
	}
	if _, err := Decode(whole, 3); err == nil || errors.Is(err, ErrOther) {
		t.Errorf("at a third: %v", err)
	}
}

// TestDamageIsNoticedAsByStandardLibrary: what is read here, image/jpeg reads too.
func TestDamageIsNoticedAsByStandardLibrary(t *testing.T) {
	files, _ := filepath.Glob(golden + "/*.jpg")
	rapid.Check(t, func(t *rapid.T) {
		data, err := os.ReadFile(rapid.SampledFrom(files).Draw(t, "file"))
		if err != nil || len(data) == 0 {
			return
		}
		for range rapid.IntRange(1, 3).Draw(t, "bytes") {
			data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "value")
		}
		asStandardLibrary(t, data)
	})
}

func asStandardLibrary(t interface{ Fatalf(string, ...any) }, data []byte) {
	got, err := Decode(data, 1)
	if err != nil {
		return
	}
	want, err := stdjpeg.Decode(bytes.NewReader(data))
	if errors.Is(err, io.ErrUnexpectedEOF) { // the end marker may be missing
		want, err = stdjpeg.Decode(bytes.NewReader(append(bytes.Clone(data), 0xff, 0xd9)))
	}
	if err != nil {
		t.Fatalf("is read; image/jpeg: %v", err)
	}
	if got.Bounds() != want.Bounds() || got.ColorModel() != want.ColorModel() {
		t.Fatalf("%v, image/jpeg has %v", got.Bounds(), want.Bounds())
	}
	for _, n := range []int{2, 4, 8} {
		small, err := Decode(data, n)
		if err != nil {
			t.Fatalf("at 1/%d: %v", n, err)
		}
		b, w := small.Bounds(), got.Bounds()
		if b.Dx() != (w.Dx()+n-1)/n || b.Dy() != (w.Dy()+n-1)/n {
			t.Fatalf("%v at 1/%d is %v", w, n, b)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob(golden + "/*.jpg")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if c, err := stdjpeg.DecodeConfig(bytes.NewReader(data)); err != nil || c.Width*c.Height > 1<<18 {
			return
		}
		asStandardLibrary(t, data)
	})
}

func BenchmarkDecode(b *testing.B) {
	data := encoded(b, painted(640, 480, 1), 90)
	for _, c := range []struct {
		name string
		n    int
	}{{"whole", 1}, {"half", 2}, {"quarter", 4}, {"eighth", 8}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(data, c.n); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

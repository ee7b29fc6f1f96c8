package dataset

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"graft/internal/transform"
)

const goldenDecode = "../../testdata/golden/decode"

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(goldenDecode, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pillow(t testing.TB, name string) *transform.Picture {
	t.Helper()
	f, err := os.Open(filepath.Join(goldenDecode, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return FromImage(img)
}

// TestDecodeReadsAsPillow holds every form of one photograph against what Pillow reads.
func TestDecodeReadsAsPillow(t *testing.T) {
	var cases []struct {
		File, Reads, Error string
	}
	if err := json.Unmarshal(read(t, "cases.json"), &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			got, err := Decode(read(t, c.File), DecodeOptions{})
			switch {
			case c.File == "no-end-marker.jpg":
				// Pillow refuses, but all of the picture is there.
				c.Reads = "baseline-420.jpg.png"
			case c.Error != "":
				if err == nil {
					t.Fatalf("was read; Pillow has %s", c.Error)
				}
				t.Log(err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := pillow(t, c.Reads)
			if got.W != want.W || got.H != want.H {
				t.Fatalf("%dx%d, Pillow has %dx%d", got.W, got.H, want.W, want.H)
			}
			if c.File == "grey16.png" {
				// Pillow clips to white; the right answer is the upper 8 bits, which here
				// are the grey photograph's.
				want = grey(pillow(t, "rgb.png.png"))
			}
			worst, sum := 0, 0
			for i := range want.Pix {
				d := int(got.Pix[i]) - int(want.Pix[i])
				d = max(d, -d)
				worst, sum = max(worst, d), sum+d
			}
			mean := float64(sum) / float64(len(want.Pix))
			t.Logf("largest difference %d, mean %.3f", worst, mean)
			lossy := c.File == "cmyk.jpg" || c.File == "lossy.webp" // not by our own decoder
			if lossy && (worst > 8 || mean >= 1) || !lossy && worst > 0 {
				t.Errorf("too far from Pillow: largest %d, mean %.3f", worst, mean)
			}
		})
	}
}

// TestDecodeShrunkReadsAsPillow: pictures larger than asked for are read as
// Pillow's draft mode reads them.
func TestDecodeShrunkReadsAsPillow(t *testing.T) {
	for _, name := range []string{"baseline-420", "baseline-422", "baseline-444", "progressive-420", "grey"} {
		for _, n := range []int{2, 4, 8} {
			got, err := Decode(read(t, name+".jpg"), DecodeOptions{Enough: 91 / n})
			if err != nil {
				t.Fatal(err)
			}
			want := pillow(t, fmt.Sprintf("scaled/%s-%d.png", name, n))
			if got.W != want.W || got.H != want.H {
				t.Fatalf("%s at 1/%d: %dx%d, Pillow has %dx%d", name, n, got.W, got.H, want.W, want.H)
			}
			if name == "baseline-422" && n == 8 {
				continue // libjpeg enlarges chroma by repetition there
			}
			if !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%s at 1/%d differs from Pillow", name, n)
			}
		}
	}
}

// grey is Pillow's convert('L').
func grey(p *transform.Picture) *transform.Picture {
	out := transform.New(p.W, p.H)
	for i := 0; i < len(p.Pix); i += 3 {
		v := uint8((int(p.Pix[i])*19595 + int(p.Pix[i+1])*38470 + int(p.Pix[i+2])*7471 + 0x8000) >> 16)
		out.Pix[i], out.Pix[i+1], out.Pix[i+2] = v, v, v
	}
	return out
}

func TestDecodeLeavesOrientationOnRequest(t *testing.T) {
	p, err := Decode(read(t, "exif-6.jpg"), DecodeOptions{IgnoreEXIF: true})
	if err != nil {
		t.Fatal(err)
	}
	if p.W != 121 || p.H != 91 {
		t.Errorf("%dx%d, want 121x91 as stored", p.W, p.H)
	}
}

func TestDecodeRefuses(t *testing.T) {
	whole := read(t, "baseline-420.jpg")
	for name, c := range map[string]struct {
		data []byte
		o    DecodeOptions
		want string
	}{
		"empty":     {nil, DecodeOptions{}, "empty"},
		"text":      {[]byte("a letter"), DecodeOptions{}, "not a picture"},
		"truncated": {whole[:len(whole)/2], DecodeOptions{}, "cut short"},
		"too large": {whole, DecodeOptions{MaxPixels: 100}, "--max-pixels"},
		"heic":      {[]byte("\x00\x00\x00\x18ftypheic...."), DecodeOptions{}, "HEIC"},
	} {
		_, err := Decode(c.data, c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one that says %q", name, err, c.want)
		}
	}
}

// TestDecodeRealPhotographs reads every photograph of the shared sets.
func TestDecodeRealPhotographs(t *testing.T) {
	const dir = "../../../shared/data"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("missing: ../shared/data")
	}
	n := 0
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".jpg") || testing.Short() && n > 50 {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		n++
		if _, err := Decode(b, DecodeOptions{}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d photographs", n)
}

func FuzzDecode(f *testing.F) {
	files, _ := filepath.Glob(goldenDecode + "/*")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && len(b) < 8<<10 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Decode(data, DecodeOptions{MaxPixels: 1 << 20})
		if err == nil && len(p.Pix) != 3*p.W*p.H {
			t.Fatalf("%dx%d with %d bytes", p.W, p.H, len(p.Pix))
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	data := read(b, "baseline-420.jpg")
	b.SetBytes(121 * 91)
	for b.Loop() {
		if _, err := Decode(data, DecodeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

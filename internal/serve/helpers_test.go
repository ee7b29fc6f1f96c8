package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"graft"
	"graft/internal/dataset"
	"graft/internal/model"
	"graft/internal/rundir"
	"graft/internal/transform"
)

// writeModel writes a CIFAR ResNet-20 with first parameters of a seed.
func writeModel(t testing.TB, path string, seed uint64, classes ...string) string {
	t.Helper()
	m, err := model.Find("resnet20")
	if err != nil {
		t.Fatal(err)
	}
	g := m.Build(len(classes), 32)
	aside := path + ".new" // renamed, as a run does, so that nobody reads a half
	err = rundir.WriteModel(aside, &rundir.Model{
		Name: "resnet20", Classes: classes, Graph: g, Params: model.Initialise(g, seed),
		Preprocess: transform.Preprocess{Resize: 32, Crop: 32, Interpolation: "bilinear", Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.25, .25, .25}, EXIF: "apply"},
	})
	if err == nil {
		err = os.Rename(aside, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// started is a server of one model, a.
func started(t testing.TB, c Config) (*Server, string) {
	t.Helper()
	if c.Models == nil {
		c.Models = []Model{{"a", writeModel(t, filepath.Join(t.TempDir(), "a.safetensors"), 1, "x", "y", "z")}}
	}
	c.Open.Threads = 1
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		web.Close()
		s.Close()
	})
	return s, web.URL
}

// photographs are files of the built-in data.
func photographs(t testing.TB, n int) [][]byte {
	t.Helper()
	d, err := dataset.Open(context.Background(), "clothing", dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := make([][]byte, n)
	for i := range files {
		if files[i], err = d.Test[i*len(d.Test)/n].Read(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// direct are the answers without a server.
func direct(t testing.TB, path string, files [][]byte) []graft.Prediction {
	t.Helper()
	c, err := graft.OpenWith(path, graft.OpenOptions{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	answers := make([]graft.Prediction, len(files))
	for i, f := range files {
		if answers[i], err = c.PredictBytes(context.Background(), f); err != nil {
			t.Fatal(err)
		}
	}
	return answers
}

// pngOf is a picture of one colour.
func pngOf(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.White})
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bomb is a PNG whose header says that it has 30000 x 30000 pixels.
func bomb(t testing.TB) []byte {
	b := pngOf(t, 1, 1)
	header := []byte("IHDR\x00\x00\x75\x30\x00\x00\x75\x30\x08\x03\x00\x00\x00")
	copy(b[12:], header)
	sum := crc(header)
	copy(b[12+len(header):], sum)
	return b
}

// form is a body of files.
func form(files ...[]byte) (body []byte, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range files {
		part, err := w.CreateFormFile("file", "p.jpg")
		if err != nil {
			panic(err) // a buffer takes everything
		}
		_, _ = part.Write(f)
	}
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// post sends a body and gets status, header and answer.
func post(t testing.TB, url, kind string, body []byte, headers ...string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return do(t, r)
}

func do(t testing.TB, r *http.Request) (int, http.Header, []byte) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, data
}

func get(t testing.TB, url string) (int, http.Header, []byte) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, r)
}

func decoded[T any](t testing.TB, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

func crc(data []byte) []byte { return binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE(data)) }

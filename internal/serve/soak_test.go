package serve

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"graft"
)

// The soak's bounds: requests a second over all its clients, and what may be more at
// its end than after its first tenth.
const (
	soakRate       = 80
	soakClients    = 6
	soakBytes      = 12 << 20
	soakGoroutines = 4
	soakFiles      = 4
)

// A soak is a server under good and bad requests.
type soak struct {
	url    string
	model  string
	client *http.Client
	files  [][]byte
	want   []graft.Prediction
	bomb   []byte

	pause sync.RWMutex // held by requests; a measurement waits for all of them

	mu   sync.Mutex
	seen map[string]int
	bad  []string
}

// TestSoak sends mixed good and bad requests over loopback for 20 seconds, or as long as
// GRAFT_SOAK says (make soak: 15m), while the model is swapped. Good answers must be
// graft predict's, bad requests must get their status, and memory, goroutines and open
// files must not grow.
func TestSoak(t *testing.T) {
	if testing.Short() {
		t.Skip("a soak takes its time: not with -short")
	}
	last := 20 * time.Second
	if v := os.Getenv("GRAFT_SOAK"); v != "" {
		var err error
		if last, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	k := newSoak(t)
	end := time.Now().Add(last)
	ctx, cancel := context.WithDeadline(t.Context(), end)
	defer cancel()
	tick := time.NewTicker(time.Second / soakRate)
	defer tick.Stop()
	var clients sync.WaitGroup
	for c := range soakClients {
		clients.Go(func() { k.client1(ctx, tick.C, rand.New(rand.NewPCG(uint64(c), 7))) })
	}
	every := max(last/10, 5*time.Second)
	clients.Go(func() { k.swap(t, ctx, every/2) })
	samples := k.watch(t, ctx, every)
	clients.Wait()
	for _, kind := range sorted(k.seen) {
		t.Logf("%7d %s", k.seen[kind], kind)
	}
	for _, b := range k.bad {
		t.Error(b)
	}
	_, _, said := get(t, k.url+"/metrics")
	for _, result := range []string{"swapped", "refused"} {
		line := regexp.MustCompile(`graft_model_reloads_total.*"` + result + `"} (\d+)`).FindSubmatch(said)
		if line == nil {
			t.Errorf("no model was %s", result)
			continue
		}
		t.Logf("%7s models %s", line[1], result)
	}
	first, final := samples[0], samples[len(samples)-1]
	if final.rss > first.rss+soakBytes {
		t.Errorf("memory grew from %d to %d bytes", first.rss, final.rss)
	}
	if final.goroutines > first.goroutines+soakGoroutines {
		t.Errorf("goroutines grew from %d to %d", first.goroutines, final.goroutines)
	}
	if final.files > first.files+soakFiles {
		t.Errorf("open files grew from %d to %d", first.files, final.files)
	}
}

func newSoak(t *testing.T) *soak {
	k := &soak{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: soakClients}}, seen: map[string]int{}, bomb: bomb(t)}
	k.model = writeModel(t, filepath.Join(t.TempDir(), "a.safetensors"), 1, "x", "y", "z")
	k.files = photographs(t, 8)
	k.want = direct(t, k.model, k.files)
	s, err := New(Config{Models: []Model{{"a", k.model}}, Open: graft.OpenOptions{Threads: 1}, PictureBytes: 1 << 20, RequestBytes: 2 << 20, BodyTimeout: 10 * time.Second, Timeout: time.Minute, Watch: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k.url = "http://" + l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return k
}

// A sample is what the process holds after a garbage collection.
type sample struct {
	rss               int
	goroutines, files int
}

// watch measures, ten times over a soak of minutes.
func (k *soak) watch(t *testing.T, ctx context.Context, every time.Duration) []sample {
	var samples []sample
	for {
		select {
		case <-ctx.Done():
		case <-time.After(every):
		}
		s := k.measure(t)
		samples = append(samples, s)
		t.Logf("after %v: %.1f MB, %d goroutines, %d files", time.Duration(len(samples))*every, float64(s.rss)/1e6, s.goroutines, s.files)
		if ctx.Err() != nil {
			return samples
		}
	}
}

// swap replaces the model's file: by a new one of the same parameters, and in turn by
// one that is no model, with which the old one goes on.
func (k *soak) swap(t *testing.T, ctx context.Context, every time.Duration) {
	good, err := os.ReadFile(k.model)
	for n := 0; err == nil; n++ {
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
		content := good
		if n%2 == 1 {
			content = []byte("no model")
		}
		if err = os.WriteFile(k.model+".new", content, 0o644); err == nil {
			err = os.Rename(k.model+".new", k.model)
		}
	}
	t.Error(err)
}

func (k *soak) measure(t *testing.T) (s sample) {
	k.pause.Lock()
	defer k.pause.Unlock()
	k.client.CloseIdleConnections()
	// Connections that clients gave up are closed by the server a moment later.
	time.Sleep(300 * time.Millisecond)
	runtime.GC()
	debug.FreeOSMemory()
	s.goroutines = runtime.NumGoroutine()
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("no /proc: memory and files cannot be measured here")
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		t.Fatal(err)
	}
	s.rss = pages * os.Getpagesize()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	s.files = len(open)
	return s
}

// client1 sends one request after another, a tick each.
func (k *soak) client1(ctx context.Context, ticks <-chan time.Time, r *rand.Rand) {
	kinds := []struct {
		name  string
		often int
		send  func(*rand.Rand) error
	}{
		{"good: raw", 60, k.raw},
		{"good: form of four", 20, k.batch},
		{"good: v2 binary", 20, k.v2},
		{"bad: truncated", 16, k.status("/v1/predict", 422, func(r *rand.Rand) []byte { return k.file(r)[:200+r.IntN(400)] })},
		{"bad: no picture", 16, k.status("/v1/predict", 415, func(r *rand.Rand) []byte { return bytes.Repeat([]byte("no picture "), 1+r.IntN(1000)) })},
		{"bad: too long", 8, k.status("/v1/predict", 413, func(*rand.Rand) []byte { return make([]byte, 3<<20/2) })},
		{"bad: bomb", 16, k.status("/v1/predict", 413, func(*rand.Rand) []byte { return k.bomb })},
		{"bad: no model", 8, k.status("/v1/predict?model=b", 404, k.file)},
		{"bad: v2 noise", 12, k.status("/v2/models/a/infer", 400, func(r *rand.Rand) []byte { return noise(r) })},
		{"bad: gone", 12, k.gone},
		{"bad: slow", 1, k.slow},
	}
	var bag []int
	for i, kind := range kinds {
		bag = append(bag, slices.Repeat([]int{i}, kind.often)...)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks:
		}
		kind := kinds[bag[r.IntN(len(bag))]]
		k.pause.RLock()
		err := kind.send(r)
		k.pause.RUnlock()
		k.mu.Lock()
		k.seen[kind.name]++
		if err != nil && len(k.bad) < 20 {
			k.bad = append(k.bad, kind.name+": "+err.Error())
		}
		k.mu.Unlock()
	}
}

func (k *soak) file(r *rand.Rand) []byte { return k.files[r.IntN(len(k.files))] }

func noise(r *rand.Rand) []byte {
	b := make([]byte, r.IntN(4000))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (k *soak) post(path, kind string, body []byte, header int) (int, []byte, error) {
	req, err := http.NewRequest(http.MethodPost, k.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", kind)
	if header > 0 {
		req.Header.Set("Inference-Header-Content-Length", strconv.Itoa(header))
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp.StatusCode, data, err
}

// status expects one, whatever the body.
func (k *soak) status(path string, want int, body func(*rand.Rand) []byte) func(*rand.Rand) error {
	return func(r *rand.Rand) error {
		got, data, err := k.post(path, "application/octet-stream", body(r), 0)
		if err != nil && (want == http.StatusRequestEntityTooLarge || want == http.StatusNotFound) {
			return nil // refused before all of it was sent, and closed
		}
		if err == nil && got != want {
			err = fmt.Errorf("status %d, not %d: %s", got, want, data)
		}
		return err
	}
}

func (k *soak) raw(r *rand.Rand) error {
	i := r.IntN(len(k.files))
	status, data, err := k.post("/v1/predict", "image/jpeg", k.files[i], 0)
	if err != nil {
		return err
	}
	var p graft.Prediction
	if err := json.Unmarshal(data, &p); err != nil || status != http.StatusOK {
		return fmt.Errorf("status %d: %s", status, data)
	}
	return k.same(p, i)
}

func (k *soak) same(p graft.Prediction, i int) error {
	if p.Label != k.want[i].Label || !slices.Equal(p.TopK, k.want[i].TopK) {
		return fmt.Errorf("picture %d is %v, not %v", i, p.TopK, k.want[i].TopK)
	}
	return nil
}

func (k *soak) batch(r *rand.Rand) error {
	from := r.IntN(len(k.files) - 3)
	body, kind := form(k.files[from : from+4]...)
	status, data, err := k.post("/v1/predict/batch", kind, body, 0)
	if err != nil {
		return err
	}
	var answer struct{ Predictions []graft.Prediction }
	if err := json.Unmarshal(data, &answer); err != nil || status != http.StatusOK || len(answer.Predictions) != 4 {
		return fmt.Errorf("status %d: %s", status, data)
	}
	for j, p := range answer.Predictions {
		err = errors.Join(err, k.same(p, from+j))
	}
	return err
}

func (k *soak) v2(r *rand.Rand) error {
	i := r.IntN(len(k.files))
	header := fmt.Appendf(nil, `{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":%d}}],"outputs":[{"name":"logits"}]}`, 4+len(k.files[i]))
	body := append(binary.LittleEndian.AppendUint32(slices.Clone(header), uint32(len(k.files[i]))), k.files[i]...)
	status, data, err := k.post("/v2/models/a/infer", "application/octet-stream", body, len(header))
	if err != nil {
		return err
	}
	var answer struct{ Outputs []struct{ Data []float32 } }
	if err := json.Unmarshal(data, &answer); err != nil || status != http.StatusOK || !slices.Equal(answer.Outputs[0].Data, k.want[i].Logits) {
		return fmt.Errorf("picture %d, status %d: %s", i, status, data)
	}
	return nil
}

// gone hangs up in the middle of a body or before the answer.
func (k *soak) gone(r *rand.Rand) error {
	c, err := net.Dial("tcp", strings.TrimPrefix(k.url, "http://"))
	if err != nil {
		return err
	}
	defer c.Close()
	f := k.file(r)
	fmt.Fprintf(c, "POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", len(f))
	_, err = c.Write(f[:r.IntN(len(f)+1)])
	return err
}

// slow sends a body too slowly, and is cut off.
func (k *soak) slow(*rand.Rand) error {
	c, err := net.Dial("tcp", strings.TrimPrefix(k.url, "http://"))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Fprint(c, "POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(200 * time.Millisecond) {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		buf := make([]byte, 1000)
		n, err := c.Read(buf)
		if n > 0 && !bytes.HasPrefix(buf[:n], []byte("HTTP/1.1 408 ")) {
			return fmt.Errorf("answered %.60q", buf[:n])
		}
		if n > 0 || err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		_, _ = c.Write([]byte("x"))
	}
	return errors.New("was not cut off")
}

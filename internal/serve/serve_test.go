package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"graft"
)

func TestAnswersAreThoseOfPredict(t *testing.T) {
	s, url := started(t, Config{})
	files := photographs(t, 6)
	want := direct(t, s.c.Models[0].Path, files)
	check := func(what string, got graft.Prediction, i int) {
		t.Helper()
		if got.Label != want[i].Label || got.Prob != want[i].Prob || !slices.Equal(got.TopK, want[i].TopK) {
			t.Errorf("%s: picture %d is %v, not %v", what, i, got, want[i])
		}
	}
	for i, f := range files {
		_, _, data := post(t, url+"/v1/predict", "image/jpeg", f)
		check("raw", decoded[graft.Prediction](t, data), i)
		body, kind := form(f)
		_, _, data = post(t, url+"/v1/predict", kind, body)
		check("form", decoded[graft.Prediction](t, data), i)
	}
	body, kind := form(append(slices.Clone(files), []byte("no picture"))...)
	code, _, data := post(t, url+"/v1/predict/batch", kind, body)
	answer := decoded[struct {
		Predictions []struct {
			graft.Prediction
			Status int
		}
	}](t, data)
	if code != http.StatusOK || len(answer.Predictions) != 7 {
		t.Fatalf("%d %s", code, data)
	}
	for i, p := range answer.Predictions[:6] {
		check("batch", p.Prediction, i)
	}
	if p := answer.Predictions[6]; p.Status != 415 || p.Reason != "type" || p.Label != "" {
		t.Errorf("what is no picture got %+v", p)
	}
	if _, _, data = post(t, url+"/v1/predict?top_k=1", "image/jpeg", files[0]); len(decoded[graft.Prediction](t, data).TopK) != 1 {
		t.Errorf("top_k=1 got %s", data)
	}
}

// Every refusal has its status, reason, words, and an id that the log has too.
func TestRefusals(t *testing.T) {
	var log bytes.Buffer
	var mu sync.Mutex
	c := Config{Token: "secret", PictureBytes: 20000, RequestBytes: 40000, Pixels: 500 * 500, Pictures: 2, Log: slog.New(slog.NewJSONHandler(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return log.Write(p)
	}), nil))}
	s, url := started(t, c)
	photo := pngOf(t, 100, 100)
	three, threeKind := form(photo, photo, photo)
	none, noneKind := form()
	bearer := []string{"Authorization", "Bearer secret"}
	infer := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"data":["` + "aGVsbG8=" + `"]}]}`
	cases := []struct {
		name, path, kind, body string
		headers                []string
		status                 int
		reason, words          string
	}{
		{"no token", "/v1/predict", "image/png", string(photo), nil, 401, "token", "Bearer"},
		{"wrong token", "/v1/predict", "image/png", string(photo), []string{"Authorization", "Bearer Secret"}, 401, "token", "Bearer"},
		{"from another site", "/v1/predict", "image/png", string(photo), append([]string{"Sec-Fetch-Site", "cross-site"}, bearer...), 403, "origin", "other sites"},
		{"no such model", "/v1/predict?model=b", "image/png", string(photo), bearer, 404, "model", `"b"; there are: a`},
		{"wrong top_k", "/v1/predict?top_k=0", "image/png", string(photo), bearer, 400, "request", "top_k"},
		{"too long", "/v1/predict", "image/png", strings.Repeat("x", 90000), bearer, 413, "bytes", "limit of"},
		{"bomb", "/v1/predict", "image/png", string(bomb(t)), bearer, 413, "pixels", "30000x30000"},
		{"no picture", "/v1/predict", "image/png", "hello", bearer, 415, "type", "not a picture"},
		{"HEIC", "/v1/predict", "image/heic", "\x00\x00\x00\x18ftypheic", bearer, 415, "type", "HEIC"},
		{"empty", "/v1/predict", "image/png", "", bearer, 415, "type", "empty"},
		{"compressed", "/v1/predict", "image/png", "x", append([]string{"Content-Encoding", "gzip"}, bearer...), 415, "type", "gzip"},
		{"cut short", "/v1/predict", "image/png", string(photo[:60]), bearer, 422, "damaged", "png"},
		{"no form", "/v1/predict/batch", "image/png", string(photo), bearer, 415, "type", "multipart"},
		{"form without end", "/v1/predict/batch", threeKind, string(three[:200]), bearer, 400, "request", "form"},
		{"form without a boundary", "/v1/predict/batch", "multipart/form-data", string(three), bearer, 400, "request", "form"},
		{"too many parts", "/v1/predict/batch", threeKind, string(three), bearer, 413, "request", "more than 2"},
		{"no parts", "/v1/predict/batch", noneKind, string(none), bearer, 400, "request", "form"},
		{"v2, no such model", "/v2/models/b/infer", "application/json", infer, bearer, 404, "model", "there are: a"},
		{"v2, no such version", "/v2/models/a/versions/2/infer", "application/json", infer, bearer, 404, "model", "version 2"},
		{"v2, no picture", "/v2/models/a/infer", "application/json", infer, bearer, 415, "type", "not a picture"},
		{"v2, no JSON", "/v2/models/a/infer", "application/json", "{", bearer, 400, "request", "JSON"},
		{"v2, header too long", "/v2/models/a/infer", "application/json", infer, append([]string{"Inference-Header-Content-Length", "9999"}, bearer...), 400, "request", "9999"},
		{"no such page", "/v3", "application/json", "", bearer, 404, "request", "/docs"},
		{"wrong method", "/healthz", "application/json", "", bearer, 405, "request", "GET"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, h, data := post(t, url+c.path, c.kind, []byte(c.body), c.headers...)
			e := decoded[struct {
				Error, Reason string
				ID            string `json:"request_id"`
			}](t, data)
			if got != c.status || e.Reason != c.reason || !strings.Contains(e.Error, c.words) {
				t.Errorf("got %d %s", got, data)
			}
			mu.Lock()
			defer mu.Unlock()
			if e.ID == "" || h.Get("X-Request-Id") != e.ID || !strings.Contains(log.String(), `"id":"`+e.ID+`"`) {
				t.Errorf("id %q, header %q, log:\n%s", e.ID, h.Get("X-Request-Id"), &log)
			}
		})
	}
	if _, h, _ := post(t, url+"/v1/predict", "image/png", photo, "X-Request-Id", "mine-1"); h.Get("X-Request-Id") != "mine-1" {
		t.Errorf("an id of the client's became %q", h.Get("X-Request-Id"))
	}
	if n := s.buffered.Load(); n != 0 {
		t.Errorf("%d bytes are still promised", n)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// held makes a server's network wait until release is called; arrived counts batches.
func held(s *Server) (arrived *atomic.Int64, release func()) {
	arrived, gate := new(atomic.Int64), make(chan struct{})
	i := s.models[0].now
	predict := i.batch.predict
	i.batch.predict = func(ctx context.Context, in ...*graft.Input) ([]graft.Prediction, error) {
		arrived.Add(1)
		<-gate
		return predict(ctx, in...)
	}
	return arrived, sync.OnceFunc(func() { close(gate) })
}

// until waits for something that is about to be true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestTooMuchAtOnceIsRefused(t *testing.T) {
	cases := []struct {
		name   string
		c      Config
		status int
		reason string
	}{
		{"requests", Config{Requests: 2}, 429, "requests"},
		{"queue", Config{Queue: 2}, 503, "queue"},
		{"buffers", Config{PictureBytes: 1000, RequestBytes: 1000, Buffers: 1500}, 503, "buffers"},
	}
	photo := pngOf(t, 40, 40)
	if len(photo) >= 700 {
		t.Fatalf("the picture has %d bytes", len(photo))
	}
	body := append(slices.Clone(photo), make([]byte, 700-len(photo))...)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, url := started(t, c.c)
			arrived, release := held(s)
			defer release()
			var under sync.WaitGroup
			for range 2 {
				under.Go(func() {
					if code, _, data := post(t, url+"/v1/predict", "image/png", body); code != 200 {
						t.Errorf("a request within the limit got %d %s", code, data)
					}
				})
			}
			until(t, "two pictures under way", func() bool { return arrived.Load() >= 1 && s.models[0].now.batch.waiting.Load() == 2 })
			code, h, data := post(t, url+"/v1/predict", "image/png", body)
			if code != c.status || h.Get("Retry-After") != "1" || !strings.Contains(string(data), `"reason":"`+c.reason+`"`) {
				t.Errorf("got %d, Retry-After %q, %s", code, h.Get("Retry-After"), data)
			}
			if code, _, _ := get(t, url+"/healthz"); code != 200 {
				t.Errorf("not alive: %d", code)
			}
			release()
			under.Wait()
			if code, _, data := post(t, url+"/v1/predict", "image/png", body); code != 200 {
				t.Errorf("afterwards: %d %s", code, data)
			}
		})
	}
}

func TestTime(t *testing.T) {
	s, url := started(t, Config{Timeout: 300 * time.Millisecond})
	_, release := held(s)
	code, _, data := post(t, url+"/v1/predict", "image/png", pngOf(t, 40, 40))
	if code != http.StatusGatewayTimeout {
		t.Errorf("a network that takes too long: %d %s", code, data)
	}
	release()
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nx")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 16)
	if _, err := c.Read(answer); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") {
		t.Errorf("a body that does not come: %q, %v", answer, err)
	}
}

// A panic is a 500 of its requests, with the stack in the log; the next request is answered.
func TestPanics(t *testing.T) {
	var log bytes.Buffer
	s, url := started(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
	b := s.models[0].now.batch
	predict := b.predict
	b.predict = func(context.Context, ...*graft.Input) ([]graft.Prediction, error) { panic("the network broke") }
	code, _, data := post(t, url+"/v1/predict", "image/png", pngOf(t, 40, 40))
	if code != 500 || strings.Contains(string(data), "broke") {
		t.Errorf("got %d %s", code, data)
	}
	b.predict = predict
	if code, _, data := post(t, url+"/v1/predict", "image/png", pngOf(t, 40, 40)); code != 200 {
		t.Errorf("afterwards: %d %s", code, data)
	}
	h := s.observed(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a handler broke") }))
	rec := &recorder{ResponseWriter: nowhere{http.Header{}}}
	h.ServeHTTP(rec, mustRequest(t))
	if rec.status != 500 {
		t.Errorf("a handler's panic: %d", rec.status)
	}
	for _, words := range []string{"the network broke", "a handler broke", "serve_test.go"} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("the log has no %q", words)
		}
	}
}

func mustRequest(t *testing.T) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// While the network is busy pictures gather; they go together, at most Batch at once.
func TestMicroBatches(t *testing.T) {
	s, url := started(t, Config{Batch: 4})
	b := s.models[0].now.batch
	var sizes []int
	seen := b.seen
	b.seen = func(n int, took time.Duration) { sizes = append(sizes, n); seen(n, took) }
	arrived, release := held(s)
	var all sync.WaitGroup
	photo := pngOf(t, 40, 40)
	ask := func() { post(t, url+"/v1/predict", "image/png", photo) }
	all.Go(ask)
	until(t, "one picture in the network", func() bool { return arrived.Load() == 1 })
	for range 6 {
		all.Go(ask)
	}
	until(t, "six wait", func() bool { return len(b.jobs) == 6 })
	release()
	all.Wait()
	if !slices.Equal(sizes, []int{1, 4, 2}) {
		t.Errorf("batches of %v", sizes)
	}
	_, _, said := get(t, url+"/metrics")
	for _, line := range []string{`graft_batch_pictures_sum{model="a"} 7`, `graft_batch_pictures_count{model="a"} 3`, `graft_queue_pictures{model="a"} 0`,
		`graft_http_requests_total{code="200",method="POST",route="/v1/predict"} 7`, `network="resnet20"`} {
		if !strings.Contains(string(said), line) {
			t.Errorf("no %s in\n%s", line, said)
		}
	}
}

// Models are swapped under load: every answer is wholly the old one's or the new one's,
// none is dropped, the old one is closed, and a bad file is refused.
func TestSwap(t *testing.T) {
	dir := t.TempDir()
	path := writeModel(t, filepath.Join(dir, "a.safetensors"), 1, "x", "y", "z")
	other := writeModel(t, filepath.Join(dir, "b.safetensors"), 2, "x", "y", "z")
	files := photographs(t, 2)
	wants := [][]graft.Prediction{direct(t, path, files), direct(t, other, files)}
	s, url := started(t, Config{Models: []Model{{"a", path}}})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var counts [2]atomic.Int64
	for c := range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				code, _, data := post(t, url+"/v1/predict", "image/jpeg", files[c%2])
				p := decoded[graft.Prediction](t, data)
				which := slices.IndexFunc(wants, func(w []graft.Prediction) bool { return slices.Equal(w[c%2].TopK, p.TopK) })
				if code != 200 || which < 0 {
					t.Errorf("got %d %s", code, data)
					return
				}
				counts[which].Add(1)
			}
		})
	}
	for seed := uint64(1); seed <= 3; seed++ {
		old := s.models[0].now
		before := counts[seed%2].Load()
		writeModel(t, path, 1+seed%2, "x", "y", "z")
		if err := s.reload(s.models[0], false); err != nil {
			t.Fatal(err)
		}
		<-old.closed
		until(t, "the new model answers", func() bool { return counts[seed%2].Load() > before })
		if err := os.WriteFile(path, []byte("no model"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(); err == nil || !strings.Contains(err.Error(), "model a") {
			t.Fatalf("a bad file: %v", err)
		}
	}
	stop()
	all.Wait()
	t.Logf("%d and %d answers", counts[0].Load(), counts[1].Load())
}

// Shutdown: readiness is false first, the request under way is answered, then no more are.
func TestDrain(t *testing.T) {
	path := writeModel(t, filepath.Join(t.TempDir(), "a.safetensors"), 1, "x", "y", "z")
	s, err := New(Config{Models: []Model{{"a", path}}, Drain: 300 * time.Millisecond, Open: graft.OpenOptions{Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	arrived, release := held(s)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	answered := make(chan int, 1)
	go func() {
		code, _, _ := post(t, url+"/v1/predict", "image/png", pngOf(t, 40, 40))
		answered <- code
	}()
	until(t, "a request is under way", func() bool { return arrived.Load() == 1 })
	stop()
	until(t, "readiness is false", func() bool { return !s.ready.Load() })
	for _, page := range []string{"/readyz", "/v2/health/ready", "/v2/models/a/ready"} {
		if code, _, data := get(t, url+page); code != 503 || !strings.Contains(string(data), "draining") {
			t.Errorf("%s: %d %s", page, code, data)
		}
	}
	if code, _, _ := get(t, url+"/healthz"); code != 200 {
		t.Errorf("not alive: %d", code)
	}
	until(t, "no more connections", func() bool {
		c, err := net.Dial("tcp", l.Addr().String())
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	select {
	case err := <-ended:
		t.Fatalf("ended before the last answer: %v", err)
	default:
	}
	release()
	if code := <-answered; code != 200 {
		t.Errorf("the request under way got %d", code)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestSeveralModels(t *testing.T) {
	dir := t.TempDir()
	a, b := writeModel(t, filepath.Join(dir, "a.safetensors"), 1, "x", "y"), writeModel(t, filepath.Join(dir, "b.safetensors"), 2, "u", "v", "w")
	_, url := started(t, Config{Models: []Model{{"a", a}, {"b", b}}})
	photo := photographs(t, 1)
	for _, m := range []Model{{"a", a}, {"b", b}} {
		_, _, data := post(t, url+"/v1/predict?model="+m.Name, "image/jpeg", photo[0])
		if want := direct(t, m.Path, photo)[0]; !slices.Equal(decoded[graft.Prediction](t, data).TopK, want.TopK) {
			t.Errorf("%s: %s, not %v", m.Name, data, want)
		}
	}
	if code, _, data := post(t, url+"/v1/predict", "image/jpeg", photo[0]); code != 400 || !strings.Contains(string(data), "a, b") {
		t.Errorf("no model named: %d %s", code, data)
	}
	if _, err := New(Config{Models: []Model{{"a", a}, {"a", b}}}); err == nil || !strings.Contains(err.Error(), "two models") {
		t.Errorf("one name for two: %v", err)
	}
	if _, err := New(Config{Models: []Model{{"a/b", a}}}); err == nil {
		t.Error("a/b was a name")
	}
	if _, err := New(Config{Models: []Model{{"a", filepath.Join(dir, "none")}}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limited(inner, 1)
	accepted := make(chan net.Conn, 2)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				close(accepted)
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection beside the first")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // twice counts once
	<-accepted
	l.Close()
	if _, more := <-accepted; more {
		t.Error("a connection after the end")
	}
}

// Names in answers stay, since clients rely on them.
func TestPredictionsInJSON(t *testing.T) {
	got, err := json.Marshal(batchAnswer{Name: "n", Prediction: &graft.Prediction{Label: "x", Prob: .5, TopK: []graft.LabelProb{{Label: "x", Prob: .5}}}})
	if err != nil || string(got) != `{"name":"n","label":"x","prob":0.5,"topk":[{"label":"x","prob":0.5}]}` {
		t.Errorf("%s, %v", got, err)
	}
}

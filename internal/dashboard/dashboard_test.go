package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"graft/internal/rundir"
)

// folder has the runs "done", "live" and "group/part", a folder that is none, and a link to a
// run elsewhere.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	make := func(at string) *rundir.Dir {
		d, err := rundir.Create(at, false, &rundir.Config{Graft: "1", Model: "tiny", Data: rundir.Data{Name: "pets", Classes: []string{"cat", "dog"}}, Settings: rundir.Settings{Epochs: 3}})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.WriteEpoch(rundir.Epoch{Event: "epoch", Epoch: 1, TestAcc: 0.75, Best: true}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	if err := make(filepath.Join(dir, "done")).WriteDone(rundir.Done{Event: "done"}); err != nil {
		t.Fatal(err)
	}
	if err := make(filepath.Join(dir, "live")).WriteLive(rundir.Live{Updated: time.Now(), Doing: "train", Epoch: 2, Epochs: 3}); err != nil {
		t.Fatal(err)
	}
	make(filepath.Join(dir, "group", "part"))
	if err := os.Mkdir(filepath.Join(dir, "no run"), 0o755); err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "secret")
	make(elsewhere)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "link")); err != nil {
		t.Log(err) // a system without them
	}
	return dir
}

func board(t *testing.T, o Options) *Dashboard {
	t.Helper()
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.root.Close() })
	return d
}

// get asks a dashboard as a browser on this machine does.
func get(d *Dashboard, method, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, nil)
	r.Host = "127.0.0.1:8470"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.Handler().ServeHTTP(w, r)
	return w
}

func TestList(t *testing.T) {
	d := board(t, Options{Dir: folder(t)})
	var answer struct{ Runs []Summary }
	w := get(d, "GET", "/api/runs")
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 {
		t.Fatal(err, w.Code, w.Body)
	}
	states := map[string]rundir.State{}
	for _, r := range answer.Runs {
		states[r.Name] = r.State
		if r.Error != "" || r.Model != "tiny" || *r.TestAcc != 0.75 {
			t.Errorf("%+v", r)
		}
	}
	want := map[string]rundir.State{"done": rundir.Ended, "live": rundir.Running, "group/part": rundir.Lost}
	if len(states) != len(want) {
		t.Errorf("runs %v", states)
	}
	for name, state := range want {
		if states[name] != state {
			t.Errorf("%s is %q, not %q", name, states[name], state)
		}
	}
	var detail Detail
	if w := get(d, "GET", "/api/run/group/part"); json.Unmarshal(w.Body.Bytes(), &detail) != nil || len(detail.Epochs) != 1 || detail.Config.Model != "tiny" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestPathsStayInside: no name leads out of the folder, not by a link either.
func TestPathsStayInside(t *testing.T) {
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "report.html"), []byte("<p>outside of any run"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "done", "report.html")); err != nil {
		t.Log(err)
	}
	d := board(t, Options{Dir: filepath.Join(dir)})
	for _, name := range []string{"link", "..", "../x", "%2e%2e/done", "done/..", "group", "no%20run", "done%00", "/etc", "done/../live", ".", ""} {
		for _, at := range []string{"/api/run/", "/api/pictures/", "/report/", "/api/events/"} {
			if at == "/api/events/" && name == "" {
				continue
			}
			if w := get(d, "GET", at+name); w.Code < 300 {
				t.Errorf("%s%s: %d %s", at, name, w.Code, w.Body)
			}
		}
	}
	if w := get(d, "GET", "/report/done"); w.Code != http.StatusNotFound {
		t.Errorf("a link out of the folder was followed: %d %s", w.Code, w.Body)
	}
	only := board(t, Options{Dir: dir, Only: "done"})
	if w := get(only, "GET", "/api/run/live"); w.Code != http.StatusNotFound {
		t.Errorf("a dashboard of one run shows another: %d", w.Code)
	}
}

// TestWhoMayAsk goes through names, origins and tokens.
func TestWhoMayAsk(t *testing.T) {
	dir := folder(t)
	open, token := board(t, Options{Dir: dir}), board(t, Options{Dir: dir, Token: "SECRET"})
	const stop = "/api/stop/done" // 409 from a run that is over: it was let through
	for _, c := range []struct {
		name   string
		d      *Dashboard
		method string
		path   string
		header []string
		want   int
	}{
		{"loopback", open, "GET", "/", nil, 200},
		{"localhost through a tunnel", open, "GET", "/", []string{"Host", "localhost:1234"}, 200},
		{"IPv6", open, "GET", "/", []string{"Host", "[::1]:8470"}, 200},
		{"DNS rebinding", open, "GET", "/api/runs", []string{"Host", "evil.example:8470"}, 403},
		{"a name that begins well", open, "GET", "/api/runs", []string{"Host", "localhost.evil.example"}, 403},
		{"the page itself", open, "POST", stop, []string{"Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:8470"}, 409},
		{"another site", open, "POST", stop, []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another port of this machine", open, "POST", stop, []string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:3000"}, 403},
		{"another origin, an old browser", open, "POST", stop, []string{"Origin", "http://127.0.0.1:3000"}, 403},
		{"stop by a link", open, "GET", stop, nil, 405},
		{"curl", open, "POST", stop, nil, 409},

		{"no token", token, "GET", "/", nil, 401},
		{"no token, loopback", token, "GET", "/static/app.js", nil, 401},
		{"wrong token", token, "GET", "/?token=SECRE", nil, 401},
		{"token in the address", token, "GET", "/?token=SECRET", nil, 303},
		{"token in the address of a change", token, "POST", stop + "?token=SECRET", nil, 401},
		{"token in a cookie", token, "GET", "/api/runs", []string{"Cookie", cookie + "=SECRET", "Host", "server.example"}, 200},
		{"wrong cookie", token, "GET", "/api/runs", []string{"Cookie", cookie + "=SECRETS"}, 401},
		{"bearer", token, "POST", stop, []string{"Authorization", "Bearer SECRET"}, 409},
		{"cookie from another site", token, "POST", stop, []string{"Cookie", cookie + "=SECRET", "Sec-Fetch-Site", "cross-site"}, 403},
	} {
		w := get(c.d, c.method, c.path, c.header...)
		if w.Code != c.want {
			t.Errorf("%s: %d, not %d: %s", c.name, w.Code, c.want, w.Body)
		}
		if w.Header().Get("Content-Security-Policy") == "" {
			t.Errorf("%s: no content security policy", c.name)
		}
		if w.Code == 303 {
			set := w.Result().Cookies()
			if w.Header().Get("Location") != "/" || len(set) != 1 || !set[0].HttpOnly || set[0].SameSite != http.SameSiteStrictMode {
				t.Errorf("%s: to %s with %v", c.name, w.Header().Get("Location"), set)
			}
		}
	}
}

// TestStop: the request reaches the run's directory, and only one that runs.
func TestStop(t *testing.T) {
	dir := folder(t)
	d := board(t, Options{Dir: dir})
	for name, want := range map[string]int{"live": 202, "done": 409, "group/part": 409, "nothing": 404} {
		if w := get(d, "POST", "/api/stop/"+name); w.Code != want {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		_, err := os.Stat(filepath.Join(dir, name, rundir.StopFile))
		if asked := err == nil; asked != (want == 202) {
			t.Errorf("%s: asked is %v", name, asked)
		}
	}
}

// TestReport: a run's page is shown without the right to ask this server for anything.
func TestReport(t *testing.T) {
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "done", "report.html"), []byte("<!doctype html><p>report"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := get(board(t, Options{Dir: dir}), "GET", "/report/done")
	policy := w.Header().Get("Content-Security-Policy")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "report") || !strings.HasPrefix(policy, "sandbox allow-scripts") || strings.Contains(policy, "allow-same-origin") {
		t.Errorf("%d %q %s", w.Code, policy, w.Body)
	}
}

// TestEvents: a stream tells at once, again when the run moves on, and says that the program ends.
func TestEvents(t *testing.T) {
	dir := folder(t)
	s, err := Serve(Options{Dir: dir, Poll: 5 * time.Millisecond}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", s.Address+"api/events/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	await := func(what string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), what) {
				return
			}
		}
		t.Fatalf("no %q: %v", what, lines.Err())
	}
	await(`"epoch":2`)
	await("event: run")
	live, err := rundir.Reopen(filepath.Join(dir, "live"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := live.WriteLive(rundir.Live{Updated: time.Now(), Epoch: 3}); err != nil {
		t.Fatal(err)
	}
	await(`"epoch":3`)
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }()
	await("event: end")
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestServe: beyond loopback there is a token, in the address that is printed.
func TestServe(t *testing.T) {
	dir := folder(t)
	s, err := Serve(Options{Dir: dir}, ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !strings.HasPrefix(s.Address, "http://localhost:") || !strings.Contains(s.Address, "?token=") {
		t.Errorf("the address is %s", s.Address)
	}
	bare, _, _ := strings.Cut(s.Address, "?")
	answer, err := http.Get(bare)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without it: %s", answer.Status)
	}
	if _, err := Serve(Options{Dir: dir}, "8470"); err == nil || !strings.Contains(err.Error(), "HOST:PORT") {
		t.Errorf("error %v", err)
	}
	if _, err := Serve(Options{Dir: filepath.Join(dir, "none")}, "127.0.0.1:0"); err == nil {
		t.Error("a folder that is not there is served")
	}
}

// TestNothingFromElsewhere: the page names no other server.
func TestNothingFromElsewhere(t *testing.T) {
	entries, err := static.ReadDir("static")
	if err != nil || len(entries) == 0 {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := static.ReadFile("static/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		rest := strings.ReplaceAll(string(text), "http://www.w3.org/2000/svg", "")
		if strings.Contains(rest, "http:") || strings.Contains(rest, "https:") || strings.Contains(rest, "innerHTML") {
			t.Errorf("%s names another server, or takes text for HTML", e.Name())
		}
	}
}

package fetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var content = bytes.Repeat([]byte("photographs "), 20_000)

// serve answers with content; cut, if positive, ends the first answers after so
// many bytes.
func serve(t *testing.T, cut int) (f File, requests *atomic.Int64) {
	t.Helper()
	t.Setenv("GRAFT_CACHE", t.TempDir())
	requests = new(atomic.Int64)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := requests.Add(1)
		w.Header().Set("ETag", `"v1"`)
		if cut > 0 && n == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:cut])
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return File{Name: "sets/a.zip", URL: s.URL, SHA256: fmt.Sprintf("%x", sha256.Sum256(content)), SHA1: fmt.Sprintf("%x", sha1.Sum(content))}, requests
}

func TestFetchesOnce(t *testing.T) {
	f, requests := serve(t, 0)
	if Cached(f) {
		t.Fatal("cached before it was fetched")
	}
	var last int64
	for range 2 {
		path, err := Get(context.Background(), f, func(done, total int64) { last = done })
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
			t.Fatal("other content")
		}
	}
	if requests.Load() != 1 || last != int64(len(content)) || !Cached(f) {
		t.Errorf("%d requests, progress to %d", requests.Load(), last)
	}
}

func TestResumes(t *testing.T) {
	f, requests := serve(t, 100_000)
	if _, err := Get(context.Background(), f, nil); err == nil {
		t.Fatal("a cut answer was taken for the file")
	}
	first := int64(-1)
	if _, err := Get(context.Background(), f, func(done, _ int64) {
		if first < 0 {
			first = done
		}
	}); err != nil {
		t.Fatal(err)
	}
	if first <= 100_000 || requests.Load() != 2 {
		t.Errorf("began again: %d bytes at the first report, %d requests", first, requests.Load())
	}
}

func TestWrongContentIsNotUsed(t *testing.T) {
	f, _ := serve(t, 0)
	f.SHA256 = strings.Repeat("0", 64)
	_, err := Get(context.Background(), f, nil)
	if err == nil || !strings.Contains(err.Error(), f.SHA256) || !strings.Contains(err.Error(), "SHA-256 is") {
		t.Errorf("error %v", err)
	}
	if path, _ := Path(f); exists(path) {
		t.Error("the wrong file stayed")
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func TestFilePutThereByHand(t *testing.T) {
	f, requests := serve(t, 0)
	path, _ := Path(f)
	os.MkdirAll(filepath.Dir(path), 0o755)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Get(context.Background(), f, nil); err != nil || requests.Load() != 0 {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
	// A wrong one is moved aside, never deleted, and the right one fetched.
	if err := os.WriteFile(path, []byte("something else"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Get(context.Background(), f, nil); err != nil || requests.Load() != 1 || !exists(path+".bad") {
		t.Errorf("%d requests, %v", requests.Load(), err)
	}
}

func TestOfflineSaysHowToGoOn(t *testing.T) {
	t.Setenv("GRAFT_CACHE", t.TempDir())
	f := File{Name: "hotdog.zip", URL: "http://127.0.0.1:1/hotdog.zip", SHA1: "fba480ffa8aa7e0febbb511d181409f899b9baa5"}
	_, err := Get(context.Background(), f, nil)
	path, _ := Path(f)
	for _, part := range []string{f.URL, f.SHA1, path} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v does not name %s", err, part)
		}
	}
}

func TestOneAtATime(t *testing.T) {
	f, requests := serve(t, 0)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if _, err := Get(context.Background(), f, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if requests.Load() != 1 {
		t.Errorf("%d requests", requests.Load())
	}
}

func TestCancel(t *testing.T) {
	f, _ := serve(t, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Get(ctx, f, nil); err == nil {
		t.Error("went on without its context")
	}
}

func TestNames(t *testing.T) {
	t.Setenv("GRAFT_CACHE", t.TempDir())
	for _, name := range []string{"", "../a", "/a", "a/b/c", `a\b`} {
		if _, err := Path(File{Name: name}); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
	if _, err := Get(context.Background(), File{Name: "a", URL: "file:///etc/passwd"}, nil); err == nil {
		t.Error("a file address was accepted")
	}
}

func TestMD5(t *testing.T) {
	f, _ := serve(t, 0)
	f.SHA256, f.SHA1, f.MD5 = "", "", fmt.Sprintf("%x", md5.Sum(content))
	path, err := Get(context.Background(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	// What an earlier version remembered has no MD5: the file is read again.
	if b, err := os.ReadFile(path + ".verified"); err != nil || os.WriteFile(path+".verified", bytes.Replace(b, []byte(f.MD5), nil, 1), 0o644) != nil {
		t.Fatal(err)
	}
	if !Cached(f) {
		t.Error("a right file is not taken")
	}
	f.MD5 = strings.Repeat("0", 32)
	if _, err := Get(context.Background(), f, nil); err == nil || !strings.Contains(err.Error(), "MD5 is") {
		t.Errorf("error %v", err)
	}
}

package serve

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// An entry is what the log and the metrics will say of a request.
type entry struct {
	id       string
	reason   string
	err      error
	model    string
	pictures int
}

type entryKey struct{}

func entryOf(ctx context.Context) *entry {
	e, _ := ctx.Value(entryKey{}).(*entry)
	if e == nil {
		e = &entry{}
	}
	return e
}

// A recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	n, err := r.ResponseWriter.Write(p)
	r.bytes += int64(n)
	return n, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observed gives a request its id, and its line in the log and the metrics. A panic
// becomes an answer of 500, and the process lives.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		e := &entry{id: requestID(r)}
		r = r.WithContext(context.WithValue(r.Context(), entryKey{}, e))
		rec := &recorder{ResponseWriter: w}
		secured(rec.Header())
		rec.Header().Set("X-Request-Id", e.id)
		defer func() {
			if p := recover(); p != nil {
				err := &panicked{fmt.Sprint(p), debug.Stack()}
				if rec.status == 0 {
					s.fail(rec, r, err)
				} else {
					e.err, e.reason = err, "internal"
				}
			}
			s.log(r, rec, e, time.Since(start))
		}()
		next.ServeHTTP(rec, r)
	})
}

// secured sets the headers that every answer has: no scripts but ours, no frames, no guessing of types.
func secured(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "+
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
}

func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	if len(id) > 0 && len(id) <= 64 && modelName.MatchString(id) {
		return id
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (s *Server) log(r *http.Request, rec *recorder, e *entry, took time.Duration) {
	route := routeOf(r)
	s.metrics.answered(route, r.Method, rec.status, took)
	level := slog.LevelInfo
	switch {
	case rec.status >= 500:
		level = slog.LevelWarn
	case strings.HasPrefix(route, "/v2/health") || route == "/healthz" || route == "/readyz" || route == "/metrics":
		level = slog.LevelDebug
	}
	args := []any{"id", e.id, "method", r.Method, "path", r.URL.Path, "status", rec.status, "ms", float64(took.Microseconds()) / 1000, "bytes", rec.bytes, "from", r.RemoteAddr}
	if e.model != "" {
		args = append(args, "model", e.model, "pictures", e.pictures)
	}
	if e.reason != "" {
		args = append(args, "reason", e.reason)
	}
	if e.err != nil {
		args = append(args, "error", e.err.Error())
		if p, ok := e.err.(*panicked); ok {
			args = append(args, "stack", string(p.stack))
			level = slog.LevelError
		}
	}
	s.c.Log.Log(r.Context(), level, "request", args...)
}

// routeOf is the pattern that took a request, so that metrics have few series.
func routeOf(r *http.Request) string {
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return "other"
}

// borne asks for the token, where one is set.
func (s *Server) borne(next http.HandlerFunc) http.HandlerFunc {
	if s.c.Token == "" {
		return next
	}
	want := sha256.Sum256([]byte(s.c.Token))
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		got := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			s.fail(w, r, refuse(http.StatusUnauthorized, "token", "this server asks for a token: Authorization: Bearer TOKEN"))
			return
		}
		next(w, r)
	}
}

// working are the limits of requests that carry pictures: of their number, of the bytes
// they may bring together, and of time. limit is what a body may have.
func (s *Server) working(limit int64, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.under <- struct{}{}:
			defer func() { <-s.under }()
		default:
			s.fail(w, r, &refusal{http.StatusTooManyRequests, "requests", fmt.Sprintf("%d requests are under way, the most there may be", cap(s.under)), 1})
			return
		}
		if r.ContentLength > limit {
			s.fail(w, r, tooLong(limit))
			return
		}
		bytes := r.ContentLength
		if bytes < 0 {
			bytes = limit
		}
		defer s.buffered.Add(-bytes)
		if s.buffered.Add(bytes) > s.c.Buffers {
			s.fail(w, r, &refusal{http.StatusServiceUnavailable, "buffers", "the requests under way fill the memory that is set aside for them", 1})
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.c.Timeout)
		defer cancel()
		// A body that trickles in is cut off; afterwards the deadline goes, since it would end
		// the watch for clients that go away.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(s.c.BodyTimeout))
		r.Body = http.MaxBytesReader(w, r.Body, limit)
		next(w, r.WithContext(ctx))
	}
}

func tooLong(limit int64) *refusal {
	return refuse(http.StatusRequestEntityTooLarge, "bytes", "the body is longer than the limit of %d bytes", limit)
}

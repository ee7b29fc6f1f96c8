package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// A refusal is a request's or a picture's answer that is no prediction.
type refusal struct {
	status int
	reason string // for metrics and logs: one of reasons
	text   string
	retry  int // seconds, of Retry-After; 0 for none
}

func (r *refusal) Error() string { return r.text }

// reasons are the label values of graft_rejected_total.
var reasons = []string{"request", "model", "token", "origin", "bytes", "pixels", "type", "damaged", "requests", "buffers", "queue", "slow", "timeout", "aborted", "internal"}

func refuse(status int, reason, format string, args ...any) *refusal {
	return &refusal{status: status, reason: reason, text: fmt.Sprintf(format, args...)}
}

// statusAborted is nginx's for a client that went away; nobody reads it but the log.
const statusAborted = 499

// refusalOf makes any error a refusal.
func refusalOf(err error) *refusal {
	var r *refusal
	var p *panicked
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(http.StatusGatewayTimeout, "timeout", "there was no answer within the time limit")
	case errors.Is(err, context.Canceled):
		return refuse(statusAborted, "aborted", "the client went away")
	case errors.As(err, &p):
		return refuse(http.StatusInternalServerError, "internal", "internal error; the log has it under this request's id")
	}
	return refuse(http.StatusInternalServerError, "internal", "%v", err)
}

// fail answers with an error, in JSON: both APIs have it under "error".
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := refusalOf(err)
	e := entryOf(r.Context())
	e.reason, e.err = f.reason, err
	s.metrics.rejected.WithLabelValues(f.reason).Inc()
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.retry))
	}
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, f.status, struct {
		Error     string `json:"error"`
		Reason    string `json:"reason"`
		RequestID string `json:"request_id"`
	}{f.text, f.reason, e.id})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client may be gone
}

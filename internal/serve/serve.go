// Package serve answers for classifiers over HTTP: a page to drop a picture on,
// an API of its own described by openapi.json, the Open Inference Protocol
// (KServe's and Triton's v2), health, readiness and Prometheus metrics.
//
// A picture goes: limits (limit.go), body (body.go), decoding on as many
// goroutines as there are processors (picture.go), micro-batches of one engine
// (batch.go). Models are swapped while requests are under way (model.go).
//
// The package knows classifiers by their public API. It opens the model files it
// was started with and no other, and fetches nothing.
package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"graft"
)

// A Model is a name in addresses and the run or model file that answers to it.
type Model struct {
	Name string
	Path string
}

// A Config says what to serve and within which limits. Zeros stand for the defaults
// that Defaults has.
type Config struct {
	Models []Model
	Open   graft.OpenOptions // of every model

	Batch     int           // the most pictures that go through a network together
	BatchWait time.Duration // the longest that a picture waits for others that are being decoded
	Queue     int           // pictures of a model that may wait

	Requests     int           // under way at once
	Connections  int           // open at once
	PictureBytes int64         // of a file
	RequestBytes int64         // of a request of several pictures, or of tensors
	Buffers      int64         // of all requests under way
	Pixels       int           // width times height
	Pictures     int           // of a request
	BodyTimeout  time.Duration // for a body to come
	Timeout      time.Duration // from a request's header to its answer, its body included

	Token string        // that requests must bear; "" for none
	Watch time.Duration // how often to look for new model files; 0 is never
	Drain time.Duration // how long readiness is false before no more connections are taken
	Log   *slog.Logger
}

// Defaults are the limits of a laptop's or a small server's.
func Defaults() Config {
	return Config{
		Batch: 32, Queue: 256,
		Requests: 64, Connections: 1024, PictureBytes: 20e6, RequestBytes: 50e6, Buffers: 500e6, Pixels: 50e6, Pictures: 64,
		BodyTimeout: 10 * time.Second, Timeout: 30 * time.Second, Log: slog.New(slog.DiscardHandler),
	}
}

func (c Config) filled() Config {
	d := Defaults()
	setInt := func(v *int, to int) {
		if *v <= 0 {
			*v = to
		}
	}
	setInt(&c.Batch, d.Batch)
	setInt(&c.Queue, d.Queue)
	setInt(&c.Requests, d.Requests)
	setInt(&c.Connections, d.Connections)
	setInt(&c.Pixels, d.Pixels)
	setInt(&c.Pictures, d.Pictures)
	setBytes := func(v *int64, to int64) {
		if *v <= 0 {
			*v = to
		}
	}
	setBytes(&c.PictureBytes, d.PictureBytes)
	setBytes(&c.RequestBytes, max(d.RequestBytes, c.PictureBytes))
	setBytes(&c.Buffers, max(d.Buffers, 2*c.RequestBytes))
	if c.Timeout <= 0 {
		c.Timeout = d.Timeout
	}
	if c.BodyTimeout <= 0 {
		c.BodyTimeout = min(d.BodyTimeout, c.Timeout)
	}
	if c.Log == nil {
		c.Log = d.Log
	}
	return c
}

// A Server answers for its models.
type Server struct {
	c        Config
	models   []*slot // in the order given
	ready    atomic.Bool
	decoding chan struct{} // a place for each processor
	under    chan struct{} // a place for each request
	drawing  chan struct{} // one place: an explanation keeps its network from others
	buffered atomic.Int64  // bytes promised to requests under way
	metrics  *metrics
	pages    *pages
}

var modelName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

// New opens the models.
func New(c Config) (*Server, error) {
	c = c.filled()
	if len(c.Models) == 0 {
		return nil, errors.New("no model to serve")
	}
	s := &Server{
		c:        c,
		decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
		under:    make(chan struct{}, c.Requests),
		drawing:  make(chan struct{}, 1),
	}
	s.metrics = newMetrics(s)
	var err error
	if s.pages, err = newPages(); err != nil {
		return nil, err
	}
	for _, m := range c.Models {
		if err := s.add(m); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.ready.Store(true)
	return s, nil
}

func (s *Server) add(m Model) error {
	if !modelName.MatchString(m.Name) {
		return fmt.Errorf("%q cannot be a model's name: letters, digits, dots, dashes and underscores, as in NAME=%s", m.Name, m.Path)
	}
	if s.slot(m.Name) != nil {
		return fmt.Errorf("two models are called %s: name them, as in a=RUN1 b=RUN2", m.Name)
	}
	l, err := s.open(m)
	if err != nil {
		return err
	}
	s.models = append(s.models, l)
	return nil
}

// slot is the model of a name, or nil.
func (s *Server) slot(name string) *slot {
	for _, l := range s.models {
		if l.name == name {
			return l
		}
	}
	return nil
}

// names lists the models for messages.
func (s *Server) names() string {
	names := make([]string, len(s.models))
	for i, l := range s.models {
		names[i] = l.name
	}
	return strings.Join(names, ", ")
}

// Close gives the models back once their last requests have been answered.
func (s *Server) Close() {
	s.ready.Store(false)
	for _, l := range s.models {
		l.retire()
	}
}

// Serve answers on a listener until ctx ends. Then readiness turns false, requests
// still come for the time of Config.Drain, those under way are answered, and the
// models are closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	web := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: min(5*time.Second, s.c.Timeout),
		WriteTimeout:      2*s.c.Timeout + 10*time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.c.Log.Handler(), slog.LevelDebug),
	}
	defer s.Close()
	failed := make(chan error, 1)
	go func() { failed <- web.Serve(limited(l, s.c.Connections)) }()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	if s.c.Watch > 0 {
		go s.watch(watching, s.c.Watch)
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	s.ready.Store(false)
	s.c.Log.Info("draining", "requests", len(s.under))
	select {
	case <-time.After(s.c.Drain):
	case err := <-failed:
		return err
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.c.Timeout+5*time.Second)
	defer cancel()
	if err := web.Shutdown(last); err != nil {
		web.Close()
		return fmt.Errorf("requests were still under way: %w", err)
	}
	s.c.Log.Info("drained")
	return nil
}

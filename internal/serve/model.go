package serve

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"graft"
	"graft/internal/rundir"
)

// A slot is a model's name and the instance that answers to it now.
type slot struct {
	name string
	path string

	swapping sync.Mutex // one swap at a time
	mu       sync.Mutex
	now      *instance
	version  stamp // of the file that was last tried
}

// An instance is a classifier that was opened from one state of a model file. It is
// closed when it has been replaced and its last request is answered.
type instance struct {
	*graft.Classifier
	batch   *batcher
	index   map[string]int // of classes
	users   int            // guarded by its slot's mu
	retired bool
	closed  chan struct{}
}

// A stamp tells one state of a file from another.
type stamp struct {
	path string
	time time.Time
	size int64
	info os.FileInfo
}

func stampOf(path string) (stamp, error) {
	file, err := rundir.Find(path)
	if err != nil {
		return stamp{}, err
	}
	fi, err := os.Stat(file)
	if err != nil {
		return stamp{}, err
	}
	return stamp{file, fi.ModTime(), fi.Size(), fi}, nil
}

func (a stamp) same(b stamp) bool {
	return a.path == b.path && a.size == b.size && a.time.Equal(b.time) && (a.info == nil) == (b.info == nil) && (a.info == nil || os.SameFile(a.info, b.info))
}

func (s *Server) open(m Model) (*slot, error) {
	version, err := stampOf(m.Path)
	if err != nil {
		return nil, err
	}
	i, err := s.instance(m.Name, m.Path)
	if err != nil {
		return nil, err
	}
	return &slot{name: m.Name, path: m.Path, now: i, version: version}, nil
}

// instance opens a model and asks it once, so that what cannot answer is refused
// before anyone depends on it.
func (s *Server) instance(name, path string) (*instance, error) {
	c, err := graft.OpenWith(path, s.c.Open)
	if err != nil {
		return nil, err
	}
	side := c.Size()
	in, err := c.InputTensor(make([]float32, 3*side*side))
	if err == nil {
		var p []graft.Prediction
		if p, err = c.PredictInputs(context.Background(), in); err == nil && !(p[0].Prob >= 0 && p[0].Prob <= 1) {
			err = fmt.Errorf("%s: its answer for a grey picture has the probability %g", c.Path, p[0].Prob)
		}
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	i := &instance{Classifier: c, index: map[string]int{}, closed: make(chan struct{})}
	for k, class := range c.Classes {
		i.index[class] = k
	}
	i.batch = newBatcher(s.c, c.PredictInputs, func(n int, took time.Duration) { s.metrics.inferred(name, n, took) })
	return i, nil
}

// acquire gets the instance that answers now; release must follow.
func (l *slot) acquire() *instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now.users++
	return l.now
}

func (l *slot) release(i *instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i.users--
	i.closeIfDone()
}

// closeIfDone is called with the slot's mu held.
func (i *instance) closeIfDone() {
	if i.retired && i.users == 0 {
		go func() {
			i.batch.close()
			i.Classifier.Close()
			close(i.closed)
		}()
	}
}

// replace makes next the instance that answers.
func (l *slot) replace(next *instance) (old *instance) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, l.now = l.now, next
	old.retired = true
	old.closeIfDone()
	return old
}

// retire closes the last instance and waits for it.
func (l *slot) retire() {
	l.mu.Lock()
	i := l.now
	if !i.retired {
		i.retired = true
		i.closeIfDone()
	}
	l.mu.Unlock()
	<-i.closed
}

// Reload opens every model's file anew beside the old one and swaps them. A file that
// cannot be used is reported, and the old model goes on.
func (s *Server) Reload() error {
	var first error
	for _, l := range s.models {
		if err := s.reload(l, true); err != nil && first == nil {
			first = err
		}
	}
	return first
}

// reload swaps a model if its file has changed, or in any case.
func (s *Server) reload(l *slot, always bool) error {
	l.swapping.Lock()
	defer l.swapping.Unlock()
	version, err := stampOf(l.path)
	if err == nil && version.same(l.version) && !always {
		return nil
	}
	if err != nil && l.version.info == nil && !always {
		return nil // reported before
	}
	l.version = version
	if err == nil {
		var next *instance
		if next, err = s.instance(l.name, l.path); err == nil {
			l.replace(next)
			s.metrics.reloaded(l.name, "swapped")
			s.c.Log.Info("model swapped", "model", l.name, "file", next.Path, "network", next.Model, "classes", len(next.Classes))
			return nil
		}
	}
	s.metrics.reloaded(l.name, "refused")
	s.c.Log.Error("model refused, the old one goes on", "model", l.name, "error", err)
	return fmt.Errorf("model %s: %w", l.name, err)
}

// watch looks for new model files until ctx ends.
func (s *Server) watch(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			for _, l := range s.models {
				_ = s.reload(l, false) // logged and counted there
			}
		}
	}
}

package serve

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"graft"
	"graft/internal/dataset"
)

// use gets the instance of a model and places for n pictures; give must follow if
// there is no error.
func (s *Server) use(ctx context.Context, name string, n int) (l *slot, i *instance, err error) {
	if l = s.slot(name); l == nil {
		return nil, nil, s.unknown(name)
	}
	e := entryOf(ctx)
	e.model, e.pictures = name, n
	i = l.acquire()
	if !i.batch.admit(n) {
		l.release(i)
		return nil, nil, &refusal{http.StatusServiceUnavailable, "queue", fmt.Sprintf("%d pictures are waiting for the model, the most there may be", s.c.Queue), 1}
	}
	return l, i, nil
}

// unknown is the answer where no model has the name.
func (s *Server) unknown(name string) *refusal {
	return refuse(http.StatusNotFound, "model", "there is no model %q; there are: %s", name, s.names())
}

func give(l *slot, i *instance, n int) {
	i.batch.done(n)
	l.release(i)
}

// answer classifies the picture in a file's bytes.
func (s *Server) answer(ctx context.Context, i *instance, data []byte) (graft.Prediction, error) {
	return i.batch.ask(ctx, func() (*graft.Input, error) { return s.decode(ctx, i, data) })
}

// decode looks at a picture's header first, so that what is no picture or too large
// costs nothing, then decodes it in one of as many places as there are processors.
func (s *Server) decode(ctx context.Context, i *instance, data []byte) (in *graft.Input, err error) {
	defer func() { // damage that a decoder did not expect
		if r := recover(); r != nil {
			err = &panicked{fmt.Sprint(r), debug.Stack()}
		}
	}()
	if err := s.look(data); err != nil {
		return nil, err
	}
	select {
	case s.decoding <- struct{}{}:
		defer func() { <-s.decoding }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	start := time.Now()
	if in, err = i.Input(data, s.c.Pixels); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "damaged", "%v", err)
	}
	s.metrics.decoded.Observe(time.Since(start).Seconds())
	return in, nil
}

// look refuses by its header what is no picture or too large.
func (s *Server) look(data []byte) error {
	format, w, h, err := dataset.DecodeHeader(data)
	switch {
	case err != nil && format == "":
		return refuse(http.StatusUnsupportedMediaType, "type", "%v", err)
	case err != nil:
		return refuse(http.StatusUnprocessableEntity, "damaged", "%v", err)
	case w > s.c.Pixels/h:
		return refuse(http.StatusRequestEntityTooLarge, "pixels", "a picture of %dx%d pixels is above the limit of %d", w, h, s.c.Pixels)
	}
	return nil
}

// answerAll classifies many pictures at once; ask gets the answer for one of them.
func answerAll[T any](n int, ask func(int) T) []T {
	answers := make([]T, n)
	var all sync.WaitGroup
	for k := range n {
		all.Go(func() { answers[k] = ask(k) })
	}
	all.Wait()
	return answers
}

package serve

import (
	"net/http"
	"strconv"

	"graft"
)

// Handler has all routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	s.pages.routes(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, status{"alive"}) })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /metrics", s.borne(s.metrics.handler.ServeHTTP))
	mux.HandleFunc("GET /v1/models", s.borne(s.listModels))
	mux.HandleFunc("POST /v1/predict", s.borne(s.working(s.c.PictureBytes+formBytes, s.predict)))
	mux.HandleFunc("POST /v1/predict/batch", s.borne(s.working(s.c.RequestBytes, s.predictBatch)))
	mux.HandleFunc("POST /v1/explain", s.borne(s.working(s.c.PictureBytes+formBytes, s.explain)))
	s.routesV2(mux)
	foreign := http.NewCrossOriginProtection() // pages of other sites may not ask in a visitor's name
	foreign.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(http.StatusForbidden, "origin", "requests from pages of other sites are not answered"))
	}))
	return s.observed(foreign.Handler(s.known(mux)))
}

// formBytes is what a form may add to a picture.
const formBytes = 16 << 10

// known answers in JSON where there is no such page or method.
func (s *Server) known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &recorder{ResponseWriter: nowhere{w.Header()}}
		h.ServeHTTP(probe, r) // sets Allow, if only the method is wrong
		w.Header().Del("Content-Length")
		if probe.status == http.StatusMethodNotAllowed {
			s.fail(w, r, refuse(http.StatusMethodNotAllowed, "request", "%s takes %s", r.URL.Path, w.Header().Get("Allow")))
			return
		}
		s.fail(w, r, refuse(http.StatusNotFound, "request", "there is no %s; /docs lists what there is", r.URL.Path))
	})
}

// nowhere keeps an answer's header and drops the rest.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

type status struct {
	Status string `json:"status"`
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		writeJSON(w, http.StatusServiceUnavailable, status{"draining"})
		return
	}
	writeJSON(w, http.StatusOK, status{"ready"})
}

type modelInfo struct {
	Name    string   `json:"name"`
	Network string   `json:"network"`
	Size    int      `json:"size"`
	Classes []string `json:"classes"`
}

func (s *Server) listModels(w http.ResponseWriter, _ *http.Request) {
	var list struct {
		Models []modelInfo `json:"models"`
	}
	for _, l := range s.models {
		i := l.acquire()
		list.Models = append(list.Models, modelInfo{l.name, i.Model, i.Size(), i.Classes})
		l.release(i)
	}
	writeJSON(w, http.StatusOK, list)
}

// asked reads the query: the model, which goes without saying where there is one, and top_k.
func (s *Server) asked(r *http.Request) (name string, topk int, err error) {
	q := r.URL.Query()
	if name = q.Get("model"); name == "" {
		if len(s.models) > 1 {
			return "", 0, refuse(http.StatusBadRequest, "model", "say which model, as in ?model=%s; there are: %s", s.models[0].name, s.names())
		}
		name = s.models[0].name
	}
	if s.slot(name) == nil {
		return "", 0, s.unknown(name)
	}
	topk = 5
	if v := q.Get("top_k"); v != "" {
		if topk, err = strconv.Atoi(v); err != nil || topk < 1 {
			return "", 0, refuse(http.StatusBadRequest, "request", "top_k is %q, not a number from 1", v)
		}
	}
	return name, topk, nil
}

// onePicture reads a request with one picture and has answer write what a model makes of it.
func (s *Server) onePicture(w http.ResponseWriter, r *http.Request, answer func(i *instance, name string, topk int, data []byte) error) {
	err := func() error {
		name, topk, err := s.asked(r)
		if err != nil {
			return err
		}
		data, err := s.readFile(w, r)
		if err != nil {
			return err
		}
		l, i, err := s.use(r.Context(), name, 1)
		if err != nil {
			return err
		}
		defer give(l, i, 1)
		return answer(i, name, topk, data)
	}()
	if err != nil {
		s.fail(w, r, err)
	}
}

func (s *Server) predict(w http.ResponseWriter, r *http.Request) {
	s.onePicture(w, r, func(i *instance, name string, topk int, data []byte) error {
		p, err := s.answer(r.Context(), i, data)
		if err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, struct {
			Model string `json:"model"`
			graft.Prediction
		}{name, p.Top(topk)})
		return nil
	})
}

// batchAnswer is the answer for one picture of many: a prediction or an error.
type batchAnswer struct {
	Name string `json:"name"`
	*graft.Prediction
	Error  string `json:"error,omitempty"`
	Reason string `json:"reason,omitempty"` // of the error, or why the label is unknown
	Status int    `json:"status,omitempty"`
}

func (s *Server) predictBatch(w http.ResponseWriter, r *http.Request) {
	name, topk, err := s.asked(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	files, err := s.readFiles(w, r, s.c.Pictures)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	l, i, err := s.use(r.Context(), name, len(files))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer give(l, i, len(files))
	answers := answerAll(len(files), func(k int) batchAnswer {
		f := files[k]
		var p graft.Prediction
		err := f.err
		if err == nil {
			p, err = s.answer(r.Context(), i, f.data)
		}
		if err != nil {
			why := refusalOf(err)
			s.metrics.rejected.WithLabelValues(why.reason).Inc()
			return batchAnswer{Name: f.name, Error: why.text, Reason: why.reason, Status: why.status}
		}
		p = p.Top(topk)
		return batchAnswer{Name: f.name, Prediction: &p, Reason: p.Reason}
	})
	if err := r.Context().Err(); err != nil {
		s.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Model       string        `json:"model"`
		Predictions []batchAnswer `json:"predictions"`
	}{name, answers})
}

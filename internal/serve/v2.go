package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"

	"graft"
)

// The Open Inference Protocol's routes. A model takes one of two inputs:
//
//	image  BYTES [N,1]       pictures as files have them; in JSON in base64
//	input  FP32  [N,3,S,S]   what the network reads, normalised
//
// and gives
//
//	logits         FP32  [N,C]
//	probabilities  FP32  [N,C]
//	labels         BYTES [N,1]

// versionV2 is every model's version: a swapped file answers in the old one's place.
const versionV2 = "1"

func (s *Server) routesV2(mux *http.ServeMux) {
	mux.HandleFunc("GET /v2", s.borne(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, struct {
			Name       string   `json:"name"`
			Version    string   `json:"version"`
			Extensions []string `json:"extensions"`
		}{"graft", graft.Version, []string{"binary_tensor_data", "classification"}})
	}))
	mux.HandleFunc("GET /v2/health/live", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v2/health/ready", s.readyz)
	for _, path := range []string{"/v2/models/{name}", "/v2/models/{name}/versions/{version}"} {
		mux.HandleFunc("GET "+path, s.borne(s.modelV2(s.metadataV2)))
		mux.HandleFunc("GET "+path+"/ready", s.borne(s.modelV2(func(w http.ResponseWriter, r *http.Request, _ *slot) { s.readyz(w, r) })))
		mux.HandleFunc("POST "+path+"/infer", s.borne(s.working(s.c.RequestBytes, s.modelV2(s.inferV2))))
	}
}

// modelV2 finds the model that an address names.
func (s *Server) modelV2(next func(http.ResponseWriter, *http.Request, *slot)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		l := s.slot(r.PathValue("name"))
		if l == nil {
			s.fail(w, r, s.unknown(r.PathValue("name")))
			return
		}
		if v := r.PathValue("version"); v != "" && v != versionV2 {
			s.fail(w, r, refuse(http.StatusNotFound, "model", "model %s has no version %s, only %s", l.name, v, versionV2))
			return
		}
		next(w, r, l)
	}
}

func (s *Server) metadataV2(w http.ResponseWriter, _ *http.Request, l *slot) {
	i := l.acquire()
	defer l.release(i)
	type tensor struct {
		Name     string  `json:"name"`
		Datatype string  `json:"datatype"`
		Shape    []int64 `json:"shape"`
	}
	side, classes := int64(i.Size()), int64(len(i.Classes))
	writeJSON(w, http.StatusOK, struct {
		Name     string   `json:"name"`
		Versions []string `json:"versions"`
		Platform string   `json:"platform"`
		Inputs   []tensor `json:"inputs"`
		Outputs  []tensor `json:"outputs"`
	}{
		l.name, []string{versionV2}, "graft_cpu",
		[]tensor{{"image", "BYTES", []int64{-1, 1}}, {"input", "FP32", []int64{-1, 3, side, side}}},
		[]tensor{{"logits", "FP32", []int64{-1, classes}}, {"probabilities", "FP32", []int64{-1, classes}}, {"labels", "BYTES", []int64{-1, 1}}},
	})
}

func (s *Server) inferV2(w http.ResponseWriter, r *http.Request, l *slot) {
	body, err := readBody(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	header := -1
	if v := r.Header.Get("Inference-Header-Content-Length"); v != "" {
		if header, err = strconv.Atoi(v); err != nil || header < 0 {
			s.fail(w, r, refuse(http.StatusBadRequest, "request", "Inference-Header-Content-Length is %q, not a length", v))
			return
		}
	}
	req, err := parseV2(body, header)
	if err != nil {
		s.fail(w, r, badRequest(err))
		return
	}
	answer, err := s.answerV2(r.Context(), l, req)
	if err != nil {
		s.fail(w, r, badRequest(err))
		return
	}
	writeV2(w, answer)
}

// badRequest leaves refusals and ends of requests as they are; any other error here is
// the request's own.
func badRequest(err error) error {
	var f *refusal
	var p *panicked
	if errors.As(err, &f) || errors.As(err, &p) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return refuse(http.StatusBadRequest, "request", "%v", err)
}

type answerV2 struct {
	Model   string     `json:"model_name"`
	Version string     `json:"model_version"`
	ID      string     `json:"id,omitempty"`
	Outputs []tensorV2 `json:"outputs"`
}

// answerV2 classifies a request's pictures or tensors.
func (s *Server) answerV2(ctx context.Context, l *slot, req *requestV2) (*answerV2, error) {
	if len(req.Inputs) != 1 {
		return nil, refuse(http.StatusBadRequest, "request", "the request has %d inputs: give one, image or input", len(req.Inputs))
	}
	t := &req.Inputs[0]
	n, err := t.pictures(s.c.Pictures)
	if err != nil {
		return nil, err
	}
	_, i, err := s.use(ctx, l.name, n)
	if err != nil {
		return nil, err
	}
	defer give(l, i, n)
	ready, err := s.readyV2(ctx, i, t, n)
	if err != nil {
		return nil, err
	}
	type asked struct {
		graft.Prediction
		err error
	}
	answers := answerAll(n, func(k int) asked {
		p, err := i.batch.ask(ctx, func() (*graft.Input, error) { return ready(k) })
		return asked{p, err}
	})
	predictions := make([]graft.Prediction, n)
	for k, a := range answers {
		if a.err != nil {
			return nil, a.err
		}
		predictions[k] = a.Prediction
	}
	outputs, err := outputsV2(req, i, predictions)
	return &answerV2{l.name, versionV2, req.ID, outputs}, err
}

// pictures is how many pictures an input has, at most so many; a tensor's other
// dimensions are the model's affair.
func (t *tensorV2) pictures(most int) (int, error) {
	switch t.Name {
	case "image":
		if len(t.Shape) == 1 {
			return t.rows("BYTES", most, -1)
		}
		return t.rows("BYTES", most, -1, 1)
	case "input":
		if len(t.Shape) != 4 {
			return 0, refuse(http.StatusBadRequest, "request", "input input has the shape %v, not [N,3,S,S]", t.Shape)
		}
		return t.rows("FP32", most, append([]int64{-1}, t.Shape[1:]...)...)
	}
	return 0, refuse(http.StatusBadRequest, "request", "there is no input %q: there are image and input", t.Name)
}

// readyV2 says how picture k of an input is made ready.
func (s *Server) readyV2(ctx context.Context, i *instance, t *tensorV2, n int) (func(k int) (*graft.Input, error), error) {
	if t.Name == "image" {
		files, err := t.elements(n)
		return func(k int) (*graft.Input, error) {
			if int64(len(files[k])) > s.c.PictureBytes {
				return nil, tooLong(s.c.PictureBytes)
			}
			return s.decode(ctx, i, files[k])
		}, err
	}
	side := i.Size()
	if _, err := t.rows("FP32", n, -1, 3, int64(side), int64(side)); err != nil {
		return nil, err
	}
	size := 3 * side * side
	values, err := t.floats(n * size)
	return func(k int) (*graft.Input, error) { return i.InputTensor(values[k*size : (k+1)*size]) }, err
}

// outputsV2 are the outputs that were asked for; all of them if none was.
func outputsV2(req *requestV2, i *instance, p []graft.Prediction) ([]tensorV2, error) {
	inBinary := req.Parameters != nil && req.Parameters.BinaryDataOutput
	if len(req.Outputs) == 0 {
		var all []tensorV2
		for _, name := range []string{"logits", "probabilities", "labels"} {
			t, err := outputV2(name, i, p, inBinary, 0)
			if err != nil {
				return nil, err
			}
			all = append(all, t)
		}
		return all, nil
	}
	var some []tensorV2
	for _, o := range req.Outputs {
		binary, top := inBinary, 0
		if o.Parameters != nil {
			top = o.Parameters.Classification
			if o.Parameters.BinaryData != nil {
				binary = *o.Parameters.BinaryData
			}
		}
		t, err := outputV2(o.Name, i, p, binary, top)
		if err != nil {
			return nil, err
		}
		some = append(some, t)
	}
	return some, nil
}

// outputV2 is one output; with top, its so many largest values as VALUE:INDEX:CLASS
// (the classification extension).
func outputV2(name string, i *instance, p []graft.Prediction, inBinary bool, top int) (tensorV2, error) {
	rows := int64(len(p))
	if name == "labels" && top == 0 {
		labels := make([]string, len(p))
		for k := range p {
			labels[k] = p[k].Label
		}
		return textTensor(name, []int64{rows, 1}, labels, inBinary)
	}
	classes := len(i.Classes)
	var values []float32
	switch name {
	case "logits":
		for k := range p {
			values = append(values, p[k].Logits...)
		}
	case "probabilities":
		values = make([]float32, len(p)*classes)
		for k := range p {
			for _, c := range p[k].TopK {
				values[k*classes+i.index[c.Label]] = float32(c.Prob)
			}
		}
	default:
		return tensorV2{}, refuse(http.StatusBadRequest, "request", "there is no output %q with these parameters: there are logits, probabilities and labels", name)
	}
	if top == 0 {
		return floatTensor(name, []int64{rows, int64(classes)}, values, inBinary)
	}
	if top < 0 {
		return tensorV2{}, refuse(http.StatusBadRequest, "request", "classification is %d, not a number from 1", top)
	}
	top = min(top, classes)
	var best []string
	for k := range p {
		row := values[k*classes : (k+1)*classes]
		order := make([]int, classes)
		for c := range order {
			order[c] = c
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case row[a] > row[b]:
				return -1
			case row[a] < row[b]:
				return 1
			}
			return 0
		})
		for _, c := range order[:top] {
			best = append(best, strconv.FormatFloat(float64(row[c]), 'f', -1, 32)+":"+strconv.Itoa(c)+":"+i.Classes[c])
		}
	}
	return textTensor(name, []int64{rows, int64(top)}, best, inBinary)
}

// writeV2 sends an answer, with the binary outputs behind its JSON.
func writeV2(w http.ResponseWriter, a *answerV2) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(a); err != nil { // numbers that JSON does not have, from a network that has no others
		panic(err)
	}
	header, kind := b.Len(), "application/json"
	for _, t := range a.Outputs {
		if t.binary != nil {
			kind = "application/octet-stream"
			b.Write(t.binary)
		}
	}
	if kind != "application/json" {
		w.Header().Set("Inference-Header-Content-Length", strconv.Itoa(header))
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes()) // the client may be gone
}

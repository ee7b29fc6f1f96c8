package serve

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"graft"
)

// explain answers with a picture: where the network finds a class (Grad-CAM). One is drawn
// at a time, since it keeps the network from other requests.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	s.onePicture(w, r, func(i *instance, _ string, _ int, data []byte) error {
		e, drawn, err := s.draw(r.Context(), i, data, r.URL.Query().Get("class"))
		if err != nil {
			return err
		}
		w.Header().Set("Content-Type", "image/png")
		w.Header().Set("Graft-Label", url.QueryEscape(e.Prediction.Label))
		w.Header().Set("Graft-Class", url.QueryEscape(e.Class))
		w.Header().Set("Graft-Prob", strconv.FormatFloat(e.Prob, 'g', -1, 64))
		_, _ = w.Write(drawn) // the client may be gone
		return nil
	})
}

func (s *Server) draw(ctx context.Context, i *instance, data []byte, class string) (*graft.Explanation, []byte, error) {
	if class != "" && !slices.Contains(i.Classes, class) {
		return nil, nil, refuse(http.StatusBadRequest, "request", "the model knows no class %q; /v1/models lists them", class)
	}
	if err := s.look(data); err != nil {
		return nil, nil, err
	}
	select {
	case s.drawing <- struct{}{}:
		defer func() { <-s.drawing }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	e, err := i.ExplainBytes(ctx, data, class)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		return nil, nil, refuse(http.StatusUnprocessableEntity, "damaged", "%v", err)
	}
	var b bytes.Buffer
	err = png.Encode(&b, e.Overlay)
	return e, b.Bytes(), err
}

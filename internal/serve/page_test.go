package serve

import (
	"bytes"
	"context"
	"image/png"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// openapi.json is valid, lists every route there is, and real answers, good and bad,
// are as it says.
func TestOpenAPI(t *testing.T) {
	_, url := started(t, Config{})
	_, _, spec := get(t, url+"/openapi.json")
	api, err := openapi3.NewLoader().LoadFromData(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(api)
	if err != nil {
		t.Fatal(err)
	}
	photo := pngOf(t, 50, 50)
	cut := photo[:60]
	two, kind := form(photo, []byte("no picture"))
	infer := []byte(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"data":["eA=="]}]}`)
	tensor := []byte(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,32,32],"data":[0` + strings.Repeat(",0", 3071) + `]}]}`)
	cases := []struct {
		method, path, kind string
		body               []byte
		status             int
	}{
		{"GET", "/healthz", "", nil, 200},
		{"GET", "/readyz", "", nil, 200},
		{"GET", "/metrics", "", nil, 200},
		{"GET", "/v1/models", "", nil, 200},
		{"POST", "/v1/predict", "application/octet-stream", photo, 200},
		{"POST", "/v1/predict?model=b", "application/octet-stream", photo, 404},
		{"POST", "/v1/predict", "application/octet-stream", cut, 422},
		{"POST", "/v1/predict", "application/octet-stream", infer, 415},
		{"POST", "/v1/predict", "application/octet-stream", bomb(t), 413},
		{"POST", "/v1/predict/batch", kind, two, 200},
		{"POST", "/v1/explain?class=y", "application/octet-stream", photo, 200},
		{"POST", "/v1/explain?class=w", "application/octet-stream", photo, 400},
		{"GET", "/v2", "", nil, 200},
		{"GET", "/v2/health/live", "", nil, 200},
		{"GET", "/v2/health/ready", "", nil, 200},
		{"GET", "/v2/models/a", "", nil, 200},
		{"GET", "/v2/models/b", "", nil, 404},
		{"GET", "/v2/models/a/ready", "", nil, 200},
		{"POST", "/v2/models/a/infer", "application/json", tensor, 200},
		{"POST", "/v2/models/a/infer", "application/json", infer, 415},
	}
	openapi3filter.RegisterBodyDecoder("image/png", openapi3filter.FileBodyDecoder)
	for _, c := range cases {
		r, err := http.NewRequest(c.method, url+c.path, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", c.kind)
		code, h, data := do(t, r)
		if code != c.status {
			t.Errorf("%s %s: %d, not %d: %s", c.method, c.path, code, c.status, data)
			continue
		}
		route, params, err := router.FindRoute(must(http.NewRequest(c.method, c.path, nil)))
		if err != nil {
			t.Errorf("%s %s is not described: %v", c.method, c.path, err)
			continue
		}
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route}
		out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: code, Header: h, Body: io.NopCloser(bytes.NewReader(data)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true}}
		if len(data) == 0 {
			continue
		}
		if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
			t.Errorf("%s %s %d is not as described: %v", c.method, c.path, code, err)
		}
	}
	for path := range api.Paths.Map() {
		if !slices.ContainsFunc(cases, func(c struct {
			method, path, kind string
			body               []byte
			status             int
		}) bool {
			return strings.Split(strings.Replace(c.path, "/a", "/{name}", 1), "?")[0] == path
		}) {
			t.Errorf("%s was not tried", path)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Pages come out of the binary alone, under a policy that lets nothing else in.
func TestPages(t *testing.T) {
	_, url := started(t, Config{Token: "secret"}) // pages are no secret
	elsewhere := regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	for path, words := range map[string]string{"/": "Drop pictures here", "/docs": "/v2/models/{name}/infer", "/static/page.js": "/v1/predict", "/static/style.css": "prefers-color-scheme", "/favicon.ico": "<svg"} {
		code, h, data := get(t, url+path)
		if code != 200 || !strings.Contains(string(data), words) {
			t.Errorf("%s: %d without %q", path, code, words)
		}
		if at := elsewhere.Find(data); at != nil {
			t.Errorf("%s leads elsewhere: %s", path, at)
		}
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		if strings.HasSuffix(path, "/") && regexp.MustCompile(`<script>|<style|style="|onclick=`).Match(data) {
			t.Errorf("%s has what its policy forbids", path)
		}
	}
}

func TestExplain(t *testing.T) {
	s, url := started(t, Config{})
	photo := photographs(t, 1)
	want := direct(t, s.c.Models[0].Path, photo)[0]
	code, h, data := post(t, url+"/v1/explain", "image/jpeg", photo[0])
	if code != 200 || h.Get("Graft-Label") != want.Label || h.Get("Graft-Class") != want.Label {
		t.Fatalf("%d %v", code, h)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil || img.Bounds().Dx() != 32 {
		t.Errorf("drawn: %v, %v", img.Bounds(), err)
	}
	if code, _, data := post(t, url+"/v1/explain", "image/jpeg", photo[0][:400]); code != 422 {
		t.Errorf("half a picture: %d %s", code, data)
	}
}

package serve

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"slices"
	"strings"
)

//go:embed static
var embedded embed.FS

// pages are what people see: the page to drop a picture on, and the API's description.
type pages struct {
	files fs.FS
	docs  []byte
}

func newPages() (*pages, error) {
	files, err := fs.Sub(embedded, "static")
	if err != nil {
		return nil, err
	}
	spec, err := fs.ReadFile(files, "openapi.json")
	if err != nil {
		return nil, err
	}
	page, err := template.ParseFS(files, "docs.html")
	if err != nil {
		return nil, err
	}
	d, err := describe(spec)
	if err != nil {
		return nil, fmt.Errorf("openapi.json: %w", err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, d); err != nil {
		return nil, err
	}
	return &pages{files, b.Bytes()}, nil
}

func (p *pages) routes(mux *http.ServeMux) {
	file := func(name, kind string) http.HandlerFunc {
		data, err := fs.ReadFile(p.files, name)
		if err != nil {
			panic(err) // it is embedded
		}
		return send(data, kind)
	}
	mux.HandleFunc("GET /{$}", file("index.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /static/style.css", file("style.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /static/page.js", file("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /favicon.ico", file("favicon.svg", "image/svg+xml"))
	mux.HandleFunc("GET /openapi.json", file("openapi.json", "application/json"))
	mux.HandleFunc("GET /docs", send(p.docs, "text/html; charset=utf-8"))
}

func send(data []byte, kind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(data) // the client may be gone
	}
}

// A description is what the page says of openapi.json.
type description struct {
	Title, Version, Text string
	Operations           []operation
}

type operation struct {
	ID, Method, Path string
	Summary, Text    string
	Parameters       []parameter
	Bodies           []content
	Responses        []response
	Curl             string
}

type parameter struct {
	Name, In, Text string
	Required       bool
}

type content struct{ Kind, Text string }

type response struct {
	Status, Text string
	Example      string
}

// The parts of an OpenAPI description that the page shows.
type (
	apiSpec struct {
		Info       struct{ Title, Version, Description string }
		Paths      map[string]map[string]apiOperation
		Order      []string `json:"x-order"`
		Components struct{ Responses map[string]apiResponse }
	}
	apiOperation struct {
		OperationID          string
		Summary, Description string
		Parameters           []struct {
			Name, In, Description string
			Required              bool
		}
		RequestBody struct{ Content map[string]apiMedia }
		Responses   map[string]apiResponse
		Curl        string `json:"x-curl"`
	}
	apiResponse struct {
		Ref         string `json:"$ref"`
		Description string
		Content     map[string]apiMedia
	}
	apiMedia struct {
		Example json.RawMessage
		Schema  struct{ Description string }
	}
)

// describe reads what the page shows out of an OpenAPI description.
func describe(spec []byte) (*description, error) {
	var api apiSpec
	if err := json.Unmarshal(spec, &api); err != nil {
		return nil, err
	}
	d := &description{Title: api.Info.Title, Version: api.Info.Version, Text: api.Info.Description}
	for _, path := range api.Order {
		for _, method := range []string{"get", "post"} {
			if o, ok := api.Paths[path][method]; ok {
				d.Operations = append(d.Operations, describeOperation(&api, method, path, o))
			}
		}
	}
	return d, nil
}

func describeOperation(api *apiSpec, method, path string, o apiOperation) operation {
	op := operation{ID: o.OperationID, Method: strings.ToUpper(method), Path: path, Summary: o.Summary, Text: o.Description, Curl: o.Curl}
	for _, p := range o.Parameters {
		op.Parameters = append(op.Parameters, parameter{p.Name, p.In, p.Description, p.Required})
	}
	for _, kind := range sorted(o.RequestBody.Content) {
		op.Bodies = append(op.Bodies, content{kind, o.RequestBody.Content[kind].Schema.Description})
	}
	for _, status := range sorted(o.Responses) {
		r := o.Responses[status]
		if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
			r = api.Components.Responses[name]
		}
		said := response{Status: status, Text: r.Description}
		if e := r.Content["application/json"].Example; len(e) > 0 {
			said.Example = indented(e)
		}
		op.Responses = append(op.Responses, said)
	}
	return op
}

func indented(j []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, j, "", "  ") != nil {
		return string(j)
	}
	return b.String()
}

func sorted[T any](m map[string]T) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

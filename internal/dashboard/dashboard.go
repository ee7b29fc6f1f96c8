// Package dashboard is a page that shows the runs in a folder: listed, compared, and live while
// they train. It serves what is inside the program and reaches nothing outward.
//
// It knows run directories by package rundir alone, so it shows runs of any process, and stops
// one by the request that rundir has for it. It knows nothing of training or of models.
//
// Who may ask: without a token, whoever reaches the loopback interface under a name of this
// machine; with one, whoever has it. What changes something must come from the page itself.
package dashboard

import (
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"

	"graft/internal/rundir"
)

//go:embed static
var static embed.FS

// Options say what is shown to whom.
type Options struct {
	Dir   string        // with run directories in it, up to three levels deep
	Only  string        // show this run of Dir alone, by its path in it; "" is all
	Token string        // that a request must have; "" asks for none, and answers only to loopback names
	Poll  time.Duration // between two looks at the files; 0 is half a second
}

// A Dashboard serves the page.
type Dashboard struct {
	o    Options
	runs *runs
	root *os.Root // of Dir: nothing outside it is opened
	mux  *http.ServeMux
	done chan struct{}
}

// New is a dashboard over a folder, which need not have a run yet.
func New(o Options) (*Dashboard, error) {
	if o.Poll == 0 {
		o.Poll = 500 * time.Millisecond
	}
	at, err := filepath.EvalSymlinks(o.Dir)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, err
	}
	d := &Dashboard{o: o, runs: newRuns(at, o.Only), root: root, mux: http.NewServeMux(), done: make(chan struct{})}
	files, err := fs.Sub(static, "static")
	if err != nil {
		return nil, err
	}
	d.mux.Handle("GET /{$}", page(files, "index.html"))
	d.mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	d.mux.HandleFunc("GET /api/runs", d.list)
	d.mux.HandleFunc("GET /api/run/{name...}", d.run)
	d.mux.HandleFunc("GET /api/pictures/{name...}", d.pictures)
	d.mux.HandleFunc("GET /api/events", d.events)
	d.mux.HandleFunc("GET /api/events/{name...}", d.events)
	d.mux.HandleFunc("POST /api/stop/{name...}", d.stop)
	d.mux.HandleFunc("GET /report/{name...}", d.report)
	return d, nil
}

// Handler answers requests, those that may be answered.
func (d *Dashboard) Handler() http.Handler { return guard(d.o.Token, d.mux) }

// Close ends the event streams and lets go of the folder.
func (d *Dashboard) Close() error {
	close(d.done)
	return d.root.Close()
}

func page(files fs.FS, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, name) })
}

// A Detail is all about a run but its pictures.
type Detail struct {
	Summary
	At     string         `json:"at"` // its path, for commands
	Config *rundir.Config `json:"config"`
	Epochs []rundir.Epoch `json:"epochs"`
	Trace  []rundir.Trace `json:"trace"`
	Done   *rundir.Done   `json:"done,omitempty"`
	Live   *rundir.Live   `json:"live,omitempty"`
}

// list answers with the runs and the folder they are in.
func (d *Dashboard) list(w http.ResponseWriter, _ *http.Request) {
	runs, err := d.runs.all()
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, map[string]any{"dir": d.o.Dir, "only": d.o.Only, "runs": runs})
}

// find is the run that a request names, or nil, having answered that there is none.
func (d *Dashboard) find(w http.ResponseWriter, r *http.Request) *Summary {
	name := r.PathValue("name")
	s, err := d.runs.find(name)
	if err != nil {
		fail(w, http.StatusNotFound, err)
		return nil
	}
	return s
}

func (d *Dashboard) run(w http.ResponseWriter, r *http.Request) {
	s := d.find(w, r)
	if s == nil {
		return
	}
	detail, err := d.detail(s)
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, detail)
}

func (d *Dashboard) detail(s *Summary) (*Detail, error) {
	at := d.path(s)
	out := &Detail{Summary: *s, At: filepath.Join(d.o.Dir, filepath.FromSlash(s.Name))}
	var errs [4]error
	out.Config, errs[0] = rundir.ReadConfig(at)
	out.Epochs, out.Done, errs[1] = readMetrics(at)
	out.Trace, errs[2] = rundir.ReadTrace(at)
	out.Live, errs[3] = rundir.ReadLive(at)
	if out.Config != nil {
		out.Config.Call = nil // what is in it stands in the rest
	}
	return out, errors.Join(errs[:]...)
}

// path is where a run is. Its name was found by looking, so it cannot lead out of the folder.
func (d *Dashboard) path(s *Summary) string {
	return filepath.Join(d.runs.dir, filepath.FromSlash(s.Name))
}

func (d *Dashboard) pictures(w http.ResponseWriter, r *http.Request) {
	s := d.find(w, r)
	if s == nil {
		return
	}
	list, err := rundir.ReadPictures(d.path(s))
	if err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	reply(w, list)
}

// stop asks a run that is going on to end.
func (d *Dashboard) stop(w http.ResponseWriter, r *http.Request) {
	s := d.find(w, r)
	if s == nil {
		return
	}
	if s.State != rundir.Running {
		fail(w, http.StatusConflict, fmt.Errorf("%s is not running", s.Name))
		return
	}
	if err := rundir.RequestStop(d.path(s)); err != nil {
		fail(w, http.StatusInternalServerError, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// report is the run's own page. It is a file that anyone may have written, so it gets no
// access to this page's addresses: its origin is its own.
func (d *Dashboard) report(w http.ResponseWriter, r *http.Request) {
	s := d.find(w, r)
	if s == nil {
		return
	}
	f, err := d.root.Open(path.Join(s.Name, rundir.ReportFile))
	if err != nil {
		fail(w, http.StatusNotFound, fmt.Errorf("%s has no %s", s.Name, rundir.ReportFile))
		return
	}
	defer f.Close()
	w.Header().Set("Content-Security-Policy", "sandbox allow-scripts allow-popups; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; font-src data:")
	http.ServeContent(w, r, rundir.ReportFile, time.Time{}, f)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(v) // whoever asked is gone
}

func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}

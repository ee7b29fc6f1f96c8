package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"graft/internal/rundir"
)

// heartbeat keeps a silent stream open, and finds out that nobody listens.
const heartbeat = 15 * time.Second

// events is a stream of server-sent events: of a run where one is named, else of the list. "runs"
// says that the list has changed, "run" that the run's epochs or state have: the page asks again.
// "live" brings where the run is, and "end" says that this program ends.
func (d *Dashboard) events(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if name != "" && d.find(w, r) == nil {
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	send := func(event string, v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, data); err != nil {
			return err
		}
		return control.Flush()
	}
	look := d.watchList(send)
	if name != "" {
		look = d.watchRun(name, send)
	}
	tick, beat := time.NewTicker(d.o.Poll), time.NewTicker(heartbeat)
	defer tick.Stop()
	defer beat.Stop()
	for err := look(); err == nil; {
		select {
		case <-r.Context().Done():
			return
		case <-d.done:
			_ = look()
			_ = send("end", nil)
			return
		case <-beat.C:
			err = send("beat", nil)
		case <-tick.C:
			err = look()
		}
	}
}

// watchList sends an event when the list is another than at the look before.
func (d *Dashboard) watchList(send func(string, any) error) func() error {
	var last string
	return func() error {
		list, err := d.runs.all()
		if err != nil {
			return send("runs", nil) // the page asks, and shows the error
		}
		text, err := json.Marshal(list)
		if err != nil || string(text) == last {
			return err
		}
		last = string(text)
		return send("runs", nil)
	}
}

// watchRun sends what is new of a run since the look before.
func (d *Dashboard) watchRun(name string, send func(string, any) error) func() error {
	var last, lastLive string
	return func() error {
		s, err := d.runs.find(name)
		if err != nil {
			return err // it was removed
		}
		live, err := rundir.ReadLive(d.path(s))
		if err != nil {
			return nil // half a second later
		}
		if live != nil && s.State == rundir.Running {
			text, err := json.Marshal(live)
			if err != nil {
				return err
			}
			if string(text) != lastLive {
				lastLive = string(text)
				if err := send("live", live); err != nil {
					return err
				}
			}
		}
		s.Speed = 0 // changes all the time, and is in live
		text, err := json.Marshal(s)
		if err != nil || string(text) == last {
			return err
		}
		last = string(text)
		return send("run", nil)
	}
}

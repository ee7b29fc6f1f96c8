package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"graft"
	"graft/internal/dashboard"
	"graft/internal/rundir"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newDashboard() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use:   "dashboard [DIR]",
		Short: "Show runs in the browser, live, and stop them",
		Long: `Serves a page with the runs in DIR (default runs), or with one run where DIR is a run: the list, curves over each
other, and of a run under way its curves, speed, time left, memory, and what it says of a few pictures as it learns.
A run of any process is stopped in order by a file called stop in its directory, which the page's button writes.

The page answers to this machine alone. --listen HOST:PORT serves others; the address that is then printed has a
random token in it, without which nothing is answered. There is no encryption: use an SSH tunnel across networks that
you do not trust.`,
		Example: "  graft dashboard\n  graft dashboard experiments/ --listen 127.0.0.1:9000\n  graft dashboard --listen :8470     # other machines too, with a token",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := shownRuns(args)
			if err != nil {
				return err
			}
			s, err := dashboard.Serve(o, listen)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%s\nCtrl-C ends it; runs go on\n", s.Address)
			return s.Wait(c.Context())
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "HOST:PORT (default "+dashboard.DefaultListen+", or another port where that is taken)")
	return c
}

// shownRuns are those of a folder, or the one that the argument is.
func shownRuns(args []string) (o dashboard.Options, err error) {
	o.Dir = "runs"
	if len(args) > 0 {
		o.Dir = args[0]
	}
	fi, err := os.Stat(o.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(args) == 0:
		return o, errors.New("there is no folder runs here yet: graft train makes it; or name the folder that your runs are in, graft dashboard DIR")
	case err != nil:
		return o, err
	case !fi.IsDir():
		return o, fmt.Errorf("%s is a file: name a folder with runs in it", o.Dir)
	}
	if _, err := rundir.ReadConfig(o.Dir); err == nil {
		return oneRun(o.Dir)
	}
	return o, nil
}

// oneRun shows a run alone.
func oneRun(run string) (o dashboard.Options, err error) {
	at, err := filepath.Abs(run)
	if err != nil {
		return o, err
	}
	return dashboard.Options{Dir: filepath.Dir(at), Only: filepath.Base(at)}, nil
}

// A watch serves the page of the run that this program trains.
type watch struct {
	listen string // "" for no page, "auto" for the default address
	server *dashboard.Server
}

func (w *watch) flag(p *pflag.FlagSet) {
	p.StringVar(&w.listen, "watch", "", "show the run in the browser while it trains (see graft dashboard); --watch=HOST:PORT listens there")
	p.Lookup("watch").NoOptDefVal = "auto"
}

// begin serves the page once the run has its directory, and says where. That there is no page ends no run.
func (w *watch) begin(r *report, p graft.Plan) {
	if w.listen == "" {
		return
	}
	listen := w.listen
	if listen == "auto" {
		listen = ""
	}
	o, err := oneRun(p.Dir)
	if err == nil {
		w.server, err = dashboard.Serve(o, listen)
	}
	if err != nil {
		r.line("warning: no page to watch: %v", err)
		return
	}
	r.line("watch     %s\n", w.server.Address)
}

func (w *watch) end() {
	if w.server != nil {
		_ = w.server.Close() // the run is over, and what it made is written
	}
}

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"graft"
	"graft/internal/serve"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serving are the flags of graft serve.
type serving struct {
	serve.Config
	listen, tokenFile, precision      string
	picture, request, buffers, memory byteSize
	reload, logJSON                   bool
	decode                            graft.Decoding
}

func newServe() *cobra.Command {
	s := &serving{Config: serve.Defaults(), picture: byteSize(serve.Defaults().PictureBytes), request: byteSize(serve.Defaults().RequestBytes), buffers: byteSize(serve.Defaults().Buffers)}
	c := &cobra.Command{
		Use:   "serve [NAME=]RUN|MODEL-FILE...",
		Short: "Answer over HTTP: a page, an API, the KServe/Triton v2 protocol, metrics",
		Long: `Serves classifiers on this computer: a page to drop pictures on, POST /v1/predict, the Open Inference
Protocol (KServe's and Triton's v2), health, readiness and Prometheus metrics; /docs describes them all.
Pictures that come while the network is busy go through it together, with the answers that graft predict
has, bit for bit. SIGHUP opens the model files anew; SIGTERM or Ctrl-C ends when the requests under way
are answered.`,
		Example: "  graft serve runs/photos-resnet18                      then open http://127.0.0.1:8080\n" +
			"  graft serve shoes=runs/shoes dogs=dogs.safetensors    several models, ?model=shoes\n" +
			"  graft serve runs/photos --listen :8080 --token-file token.txt --reload",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := s.check(args); err != nil {
				return err
			}
			return s.run(c)
		},
	}
	s.flags(c.Flags())
	return c
}

func (s *serving) flags(f *pflag.FlagSet) {
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "address and port to listen on; port 0 takes any, :8080 all networks")
	f.StringVar(&s.tokenFile, "token-file", "", "file with a token that requests must bear (Authorization: Bearer TOKEN)")
	f.BoolVar(&s.reload, "reload", false, "look for new model files every 2 seconds (SIGHUP does so once)")
	f.IntVar(&s.Batch, "batch", s.Batch, "the most pictures that go through the network together, up to 32")
	f.DurationVar(&s.BatchWait, "batch-wait", s.BatchWait, "the longest that a picture waits for others that are being decoded")
	f.IntVar(&s.Queue, "queue", s.Queue, "pictures of a model that may wait; more are refused with 503")
	f.IntVar(&s.Requests, "max-requests", s.Requests, "requests under way at once; more are refused with 429")
	f.IntVar(&s.Connections, "max-connections", s.Connections, "connections at once; more wait")
	f.IntVar(&s.Pictures, "max-pictures", s.Pictures, "pictures of a request")
	f.IntVar(&s.Pixels, "max-pixels", s.Pixels, "width times height of a picture")
	f.Var(&s.picture, "max-bytes", "of a picture's file")
	f.Var(&s.request, "max-request-bytes", "of a request of several pictures, or of tensors")
	f.Var(&s.buffers, "max-buffers", "of the bodies of all requests under way")
	f.DurationVar(&s.BodyTimeout, "body-timeout", s.BodyTimeout, "for a request's body to come")
	f.DurationVar(&s.Timeout, "timeout", s.Timeout, "from a request's header to its answer, its body included")
	f.DurationVar(&s.Drain, "drain", 0, "how long readiness is false before connections are no longer taken")
	f.BoolVar(&s.logJSON, "log-json", false, "log in JSON, one object a line")
	f.Var(&s.memory, "memory", "cap on what a model and its batches hold, as 500MB (default none)")
	f.BoolVar(&s.Open.Trust.Raw, "raw", false, "probabilities as the network has them, not calibrated")
	f.Float64Var(&s.Open.Trust.Sure, "sure", 0, "answer unknown where the model is not sure enough for this `precision`, as 0.95 (default off)")
	f.Float64Var(&s.Open.Trust.Threshold, "threshold", 0, "answer unknown below this `probability` (default off)")
	f.Float64Var(&s.Open.Trust.Accept, "unknown", 0, "answer unknown where a picture looks like none of the training pictures; the `share` of good ones still accepted (default off, 0.95 if none is given)")
	f.Lookup("unknown").NoOptDefVal = "0.95"
	f.Float64Var(&s.Open.Trust.Coverage, "coverage", 0, "name a set of classes that holds the right one with this `share`, as 0.9 (default off)")
	f.IntVar(&s.Open.Threads, "threads", 0, "processors that a network uses (default all)")
	f.BoolVar(&s.Open.TTA, "tta", false, "answer with the mean over each picture and its mirror image")
	precisionFlag(f, &s.precision)
	decodeFlag(f, &s.decode, "as the model was trained")
}

// check turns the flags into a configuration.
func (s *serving) check(args []string) error {
	switch {
	case s.Batch < 1 || s.Batch > 32:
		return usageError{fmt.Errorf("--batch is %d, must be 1 to 32", s.Batch)}
	case s.Queue < 1 || s.Requests < 1 || s.Connections < 1 || s.Pictures < 1 || s.Pixels < 1:
		return usageError{fmt.Errorf("--queue, --max-requests, --max-connections, --max-pictures and --max-pixels must be at least 1")}
	case s.Timeout <= 0 || s.BodyTimeout <= 0 || s.Drain < 0 || s.BatchWait < 0:
		return usageError{fmt.Errorf("--timeout and --body-timeout must be above 0, --drain and --batch-wait not below")}
	case s.request < s.picture:
		return usageError{fmt.Errorf("--max-request-bytes %s is less than --max-bytes %s", &s.request, &s.picture)}
	case s.buffers < s.request:
		return usageError{fmt.Errorf("--max-buffers %s is less than --max-request-bytes %s", &s.buffers, &s.request)}
	}
	if s.reload {
		s.Watch = 2 * time.Second
	}
	s.PictureBytes, s.RequestBytes, s.Buffers = int64(s.picture), int64(s.request), int64(s.buffers)
	s.Open.Precision, s.Open.Decode, s.Open.Memory = graft.Precision(s.precision), s.decode, int64(s.memory)
	for _, a := range args {
		s.Models = append(s.Models, named(a))
	}
	if s.tokenFile == "" {
		return nil
	}
	data, err := os.ReadFile(s.tokenFile)
	if err != nil {
		return fmt.Errorf("--token-file: %w", err)
	}
	if s.Token = strings.TrimSpace(string(data)); s.Token == "" {
		return fmt.Errorf("--token-file %s is empty", s.tokenFile)
	}
	return nil
}

// named reads NAME=PATH; a path alone is called by its last part.
func named(arg string) serve.Model {
	if _, err := os.Stat(arg); err != nil {
		if name, path, ok := strings.Cut(arg, "="); ok {
			return serve.Model{Name: name, Path: path}
		}
	}
	path := arg
	if full, err := filepath.Abs(arg); err == nil {
		path = full
	}
	base := filepath.Base(path)
	if name := strings.TrimSuffix(base, ".safetensors"); name != base {
		base = name
	}
	return serve.Model{Name: base, Path: arg}
}

func (s *serving) run(c *cobra.Command) error {
	// Pictures being decoded are most of the heap here, and not worth collecting as eagerly as in training.
	debug.SetGCPercent(100)
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	s.Log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), options))
	if s.logJSON {
		s.Log = slog.New(slog.NewJSONHandler(c.ErrOrStderr(), options))
	}
	ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", s.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server, err := serve.New(s.Config)
	if err != nil {
		listener.Close()
		return err
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	go reloads(ctx, server, again)
	s.announce(c, listener.Addr())
	if err := server.Serve(ctx, listener); err != nil {
		return err
	}
	return nil
}

func (s *serving) announce(c *cobra.Command, at net.Addr) {
	for _, m := range s.Models {
		s.Log.Info("serving", "model", m.Name, "path", m.Path)
	}
	host, port, _ := net.SplitHostPort(at.String())
	ip := net.ParseIP(host)
	if ip != nil && !ip.IsLoopback() && s.Token == "" {
		s.Log.Warn("anyone who reaches this address may ask: --token-file asks for a token", "address", at.String())
	}
	if ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	fmt.Fprintf(c.OutOrStdout(), "http://%s/\n", net.JoinHostPort(host, port))
}

// reloads opens the models anew at each SIGHUP.
func reloads(ctx context.Context, s *serve.Server, again <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-again:
			_ = s.Reload() // logged there
		}
	}
}

package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// DefaultListen is the address taken where none is asked for.
const DefaultListen = "127.0.0.1:8470"

// A Server is a dashboard under an address.
type Server struct {
	Address string // to open in a browser, the token in it if there is one
	board   *Dashboard
	http    *http.Server
	failed  chan error
}

// Serve begins to serve a dashboard. listen is HOST:PORT; "" is DefaultListen, or another port where
// that is taken. An address beyond the loopback interface gets a token that every request must have.
func Serve(o Options, listen string) (*Server, error) {
	l, err := listenOn(listen)
	if err != nil {
		return nil, err
	}
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		l.Close()
		return nil, fmt.Errorf("%s is no TCP address", l.Addr())
	}
	if !at.IP.IsLoopback() && o.Token == "" {
		o.Token = NewToken()
	}
	board, err := New(o)
	if err != nil {
		l.Close()
		return nil, err
	}
	s := &Server{Address: address(at, o), board: board, failed: make(chan error, 1),
		http: &http.Server{Handler: board.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10}}
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	return s, nil
}

// Wait serves until the context is cancelled, then ends what is under way.
func (s *Server) Wait(ctx context.Context) error {
	select {
	case err := <-s.failed:
		s.board.Close()
		return err
	case <-ctx.Done():
		return s.Close()
	}
}

// Close ends the event streams, lets requests under way finish, and stops.
func (s *Server) Close() error {
	err := s.board.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	return errors.Join(err, s.http.Shutdown(ctx))
}

func listenOn(listen string) (net.Listener, error) {
	if listen != "" {
		if _, _, err := net.SplitHostPort(listen); err != nil {
			return nil, fmt.Errorf("--listen %s: give HOST:PORT, as 127.0.0.1:8470 or :8470", listen)
		}
		return net.Listen("tcp", listen)
	}
	l, err := net.Listen("tcp", DefaultListen)
	if err != nil { // taken: by another dashboard, most likely
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}

func address(at *net.TCPAddr, o Options) string {
	u := url.URL{Scheme: "http", Host: at.String(), Path: "/"}
	if at.IP.IsUnspecified() {
		u.Host = net.JoinHostPort("localhost", fmt.Sprint(at.Port))
	}
	if o.Token != "" {
		u.RawQuery = url.Values{"token": {o.Token}}.Encode()
	}
	return u.String()
}

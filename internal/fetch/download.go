package fetch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// client waits for connections and answers, but not for the whole of a long file.
var client = &http.Client{
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 20 * time.Second}).DialContext,
		TLSHandshakeTimeout:   20 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
	},
	CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) >= 5 {
			return errors.New("more than 5 redirections")
		}
		if r.URL.Scheme != "http" && r.URL.Scheme != "https" {
			return fmt.Errorf("redirected to %s", r.URL.Scheme)
		}
		return nil
	},
}

// idle is how long an answer may stay silent.
const idle = 60 * time.Second

// download fetches f into part, going on where an earlier attempt ended. The
// version that was begun is kept beside it: a file that has changed since is
// fetched from its start.
func download(ctx context.Context, f File, part string, progress func(done, total int64)) error {
	fail := func(err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &unreachableError{f, strings.TrimSuffix(part, ".part"), err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.URL, nil)
	if err != nil {
		return err
	}
	if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return fmt.Errorf("%s is no http or https address", f.URL)
	}
	have := int64(0)
	version, err := os.ReadFile(part + ".version")
	if info, e := os.Stat(part); e == nil && err == nil && len(version) > 0 {
		have = info.Size()
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
		req.Header.Set("If-Range", string(version))
	}
	resp, err := client.Do(req)
	if err != nil {
		return fail(err)
	}
	defer resp.Body.Close()
	flags := os.O_CREATE | os.O_WRONLY
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), "bytes "+strconv.FormatInt(have, 10)+"-"):
		flags |= os.O_APPEND
	case resp.StatusCode == http.StatusOK:
		have = 0
		flags |= os.O_TRUNC
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && have > 0:
		return nil // all of it is there; the checksum decides
	default:
		return fail(errors.New(resp.Status))
	}
	total := f.Size
	if resp.ContentLength >= 0 {
		total = have + resp.ContentLength
	}
	if f.Size > 0 && total > 0 && total != f.Size {
		return fmt.Errorf("%s has %d bytes, expected %d", f.URL, total, f.Size)
	}
	if err := os.WriteFile(part+".version", []byte(versionOf(resp)), 0o644); err != nil {
		return err
	}
	file, err := os.OpenFile(part, flags, 0o644)
	if err != nil {
		return err
	}
	silent := time.AfterFunc(idle, cancel)
	defer silent.Stop()
	err = copyAll(file, resp.Body, have, total, total, func(done, total int64) {
		silent.Reset(idle)
		if progress != nil {
			progress(done, total)
		}
	})
	if e := file.Close(); err == nil && e != nil {
		return e // a full disk shows here
	}
	if err != nil {
		return fail(err)
	}
	os.Remove(part + ".version")
	return nil
}

// versionOf is what If-Range compares: a strong ETag, or the date of change.
func versionOf(r *http.Response) string {
	if tag := r.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return r.Header.Get("Last-Modified")
}

// Reach asks an address for its head: nil if a file could be fetched from there.
func Reach(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, address, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

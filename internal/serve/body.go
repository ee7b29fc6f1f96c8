package serve

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"
)

// A file is a picture as it came.
type file struct {
	name string
	data []byte
	err  error // why it cannot be looked at
}

// readBody reads the whole body of a request.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, refuse(http.StatusUnsupportedMediaType, "type", "bodies are not taken compressed (Content-Encoding: %s)", e)
	}
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, bodyError(err)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return data, nil
}

// bodyError says why a body could not be read.
func bodyError(err error) error {
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return tooLong(long.Limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refuse(http.StatusRequestTimeout, "slow", "the body did not come within the time limit")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return refuse(statusAborted, "aborted", "the body was cut short")
	}
	return refuse(http.StatusBadRequest, "request", "the body cannot be read: %v", err)
}

// readFile reads the one picture of a request: its body, or a form's first file.
func (s *Server) readFile(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !isForm(r) {
		return readBody(w, r)
	}
	files, err := s.readFiles(w, r, 1)
	if err != nil {
		return nil, err
	}
	return files[0].data, files[0].err
}

func isForm(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "multipart/form-data"
}

// readFiles reads the files of a form, at most so many. A file that is too long has an
// error of its own.
func (s *Server) readFiles(w http.ResponseWriter, r *http.Request, most int) ([]file, error) {
	if !isForm(r) {
		return nil, refuse(http.StatusUnsupportedMediaType, "type", "several pictures come as the files of a form (Content-Type: multipart/form-data)")
	}
	form, err := r.MultipartReader()
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "request", "the form cannot be read: %v", err)
	}
	var files []file
	for parts := 0; ; parts++ {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, formError(err)
		}
		if parts >= most {
			return nil, refuse(http.StatusRequestEntityTooLarge, "request", "the form has more than %d parts", most)
		}
		var b bytes.Buffer
		n, err := io.Copy(&b, io.LimitReader(part, s.c.PictureBytes+1))
		if err != nil {
			return nil, formError(err)
		}
		f := file{name: part.FileName(), data: b.Bytes()}
		if n > s.c.PictureBytes {
			f.data, f.err = nil, refuse(http.StatusRequestEntityTooLarge, "bytes", "the file is longer than the limit of %d bytes", s.c.PictureBytes)
		}
		if f.name == "" {
			f.name = part.FormName()
		}
		files = append(files, f)
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	if len(files) == 0 {
		return nil, refuse(http.StatusBadRequest, "request", "the form has no files")
	}
	return files, nil
}

// formError says why a form could not be read.
func formError(err error) error {
	if strings.HasPrefix(err.Error(), "multipart:") || errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse(http.StatusBadRequest, "request", "the form cannot be read: %v", err)
	}
	return bodyError(err)
}

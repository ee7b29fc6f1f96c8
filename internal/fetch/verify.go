package fetch

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// A stamp remembers which file was verified, so that large ones are not read
// again at every start: it is believed while size and time stay the same.
type stamp struct {
	Size   int64  `json:"size"`
	Time   int64  `json:"time"`
	SHA256 string `json:"sha256"`
	SHA1   string `json:"sha1"`
	MD5    string `json:"md5"`
}

// verified checks that path is f: nil if so, an error that wraps
// fs.ErrNotExist where there is no such file.
func verified(path string, f File) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path)
	}
	var s stamp
	if b, err := os.ReadFile(path + ".verified"); err == nil && json.Unmarshal(b, &s) == nil &&
		s.Size == info.Size() && s.Time == info.ModTime().UnixNano() && (f.MD5 == "" || s.MD5 != "") {
		return compare(f, s)
	}
	if err := check(path, f); err != nil {
		return err
	}
	remember(path, f)
	return nil
}

// check reads the file and compares checksums and size.
func check(path string, f File) error {
	s, err := sum(path)
	if err != nil {
		return err
	}
	return compare(f, s)
}

func sum(path string) (stamp, error) {
	file, err := os.Open(path)
	if err != nil {
		return stamp{}, err
	}
	defer file.Close()
	a, b, c := sha256.New(), sha1.New(), md5.New()
	if _, err := io.Copy(io.MultiWriter(a, b, c), file); err != nil {
		return stamp{}, err
	}
	info, err := file.Stat()
	if err != nil {
		return stamp{}, err
	}
	return stamp{info.Size(), info.ModTime().UnixNano(), hex.EncodeToString(a.Sum(nil)), hex.EncodeToString(b.Sum(nil)), hex.EncodeToString(c.Sum(nil))}, nil
}

func compare(f File, s stamp) error {
	switch {
	case f.Size > 0 && f.Size != s.Size:
		return fmt.Errorf("it has %d bytes, expected %d", s.Size, f.Size)
	case f.SHA256 != "" && !strings.EqualFold(f.SHA256, s.SHA256):
		return fmt.Errorf("its SHA-256 is %s, expected %s", s.SHA256, f.SHA256)
	case f.SHA1 != "" && !strings.EqualFold(f.SHA1, s.SHA1):
		return fmt.Errorf("its SHA-1 is %s, expected %s", s.SHA1, f.SHA1)
	case f.MD5 != "" && !strings.EqualFold(f.MD5, s.MD5):
		return fmt.Errorf("its MD5 is %s, expected %s", s.MD5, f.MD5)
	case !strings.HasPrefix(s.SHA256, strings.ToLower(f.SHA256Prefix)):
		return fmt.Errorf("its SHA-256 is %s, expected one that begins with %s", s.SHA256, f.SHA256Prefix)
	}
	return nil
}

// remember keeps what was found; failing costs only time at the next start.
func remember(path string, _ File) {
	s, err := sum(path)
	if err != nil {
		return
	}
	if b, err := json.Marshal(s); err == nil {
		_ = os.WriteFile(path+".verified", b, 0o644)
	}
}

package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"graft/internal/fetch"
)

// A verdict is what opening a file found; verdicts are kept in the cache for as
// long as the file's size and time stay the same.
type verdict struct {
	Size  int64  `json:"size"`
	Time  int64  `json:"time"`
	Hash  string `json:"hash"`
	Error string `json:"error,omitempty"`
	None  bool   `json:"none,omitempty"` // no picture at all
}

// badShare is the share of a class that may be unreadable without AllowBad.
const badShare = 0.1

// check opens every file, leaves unreadable ones out, finds duplicates, and
// takes the fingerprint. Large datasets are not opened.
func (d *Dataset) check(ctx context.Context, src source, entries []entry, o Options) error {
	samples := d.all()
	if !o.Check || len(samples) > CheckLimit {
		d.Fingerprint = d.fingerprint(nil)
		return nil
	}
	times := make(map[string]int64, len(entries))
	for _, e := range entries {
		times[e.rel] = e.time
	}
	verdicts := newVerdicts(src, o.Decode)
	if err := d.open(ctx, samples, times, verdicts, o); err != nil {
		return err
	}
	verdicts.save()
	if err := d.leaveOutBad(verdicts, o.AllowBad); err != nil {
		return err
	}
	d.duplicates(verdicts, o.Leaks == "drop")
	d.Fingerprint = d.fingerprint(verdicts)
	return nil
}

// open decodes all samples in parallel and fills in their verdicts.
func (d *Dataset) open(ctx context.Context, samples []Sample, times map[string]int64, v *verdicts, o Options) error {
	threads := o.Threads
	if threads <= 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var next, done atomic.Int64
	var wg sync.WaitGroup
	var report sync.Mutex
	for range threads {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(samples) {
					return
				}
				s := &samples[i]
				if _, ok := v.get(s.rel(), s.Size, times[s.rel()]); !ok {
					v.put(s.rel(), judge(s, times[s.rel()], o))
				}
				if n := int(done.Add(1)); o.Progress != nil {
					report.Lock()
					o.Progress(n, len(samples))
					report.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}

func judge(s *Sample, time int64, o Options) verdict {
	w := verdict{Size: s.Size, Time: time}
	data, err := s.Read()
	if err == nil {
		sum := sha256.Sum256(data)
		w.Hash = hex.EncodeToString(sum[:])
		p, e := Decode(data, o.Decode)
		if err = e; err == nil && o.Cache != nil {
			o.Cache.put(s.Path, p)
		}
	}
	if err != nil {
		w.Error, w.None = err.Error(), errors.Is(err, ErrNotPicture)
	}
	return w
}

// leaveOutBad removes files that could not be read, and refuses a class that
// loses too much.
func (d *Dataset) leaveOutBad(v *verdicts, allow bool) error {
	var none []string
	bad, total := make([]int, len(d.Classes)), make([]int, len(d.Classes))
	for _, part := range []*[]Sample{&d.Train, &d.Valid, &d.Test} {
		*part = slices.DeleteFunc(slices.Clone(*part), func(s Sample) bool {
			w := v.of(&s)
			total[s.Class]++
			switch {
			case w.Error == "":
				return false
			case w.None && documents[strings.ToLower(filepath.Ext(s.Path))]:
				none = append(none, s.Path)
			default:
				bad[s.Class]++
				d.Findings = append(d.Findings, Finding{Kind: "unreadable", Text: fmt.Sprintf("%s is left out: %s", s.Path, w.Error), Paths: []string{s.Path}})
			}
			return true
		})
	}
	d.note("not-a-picture-file", none, "%d files that are no pictures are left out")
	for c, n := range bad {
		if float64(n) > badShare*float64(total[c]) && !allow {
			return fmt.Errorf("%d of the %d files of class %q cannot be read (%s): mend or remove them, or accept it with --allow-bad",
				n, total[c], d.Classes[c], d.firstUnreadable(c))
		}
	}
	trained := d.Counts(Train)
	for c, class := range d.Classes {
		if trained[c] == 0 {
			return fmt.Errorf("no training picture of class %q can be read", class)
		}
	}
	return nil
}

func (d *Dataset) firstUnreadable(class int) string {
	for _, f := range d.Findings {
		if f.Kind == "unreadable" && strings.Contains(f.Text, "/"+d.Classes[class]+"/") {
			return f.Text
		}
	}
	return "see the list above"
}

// fingerprint is a hash over what the dataset is.
func (d *Dataset) fingerprint(v *verdicts) string {
	var lines []string
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			content := ""
			if v != nil {
				content = v.of(&s).Hash
			}
			lines = append(lines, fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%s\n", part, d.Classes[s.Class], s.rel(), s.Size, content))
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	writeAll(h, lines)
	return hex.EncodeToString(h.Sum(nil))
}

func writeAll(h hash.Hash, lines []string) {
	for _, l := range lines {
		_, _ = io.WriteString(h, l)
	}
}

// verdicts are those of one dataset, by relative path.
type verdicts struct {
	mu      sync.Mutex
	byRel   map[string]verdict
	file    string // in the cache; "" is not kept
	changed bool
}

// newVerdicts loads what an earlier run found. A file that cannot be read or
// understood counts as absent: it saves work, nothing depends on it.
func newVerdicts(src source, o DecodeOptions) *verdicts {
	v := &verdicts{byRel: map[string]verdict{}}
	cache, err := fetch.CacheDir()
	if err != nil || src.key() == "" {
		return v
	}
	key := sha256.Sum256(fmt.Appendf(nil, "1 %s %d", src.key(), o.MaxPixels))
	v.file = filepath.Join(cache, "checked", hex.EncodeToString(key[:])+".json")
	if b, err := os.ReadFile(v.file); err == nil && json.Unmarshal(b, &v.byRel) != nil {
		v.byRel = map[string]verdict{}
	}
	return v
}

func (v *verdicts) get(rel string, size, time int64) (verdict, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w, ok := v.byRel[rel]
	return w, ok && w.Size == size && w.Time == time && w.Hash != ""
}

func (v *verdicts) put(rel string, w verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.byRel[rel] = w
	v.changed = true
}

func (v *verdicts) of(s *Sample) verdict {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.byRel[s.rel()]
}

// save keeps the verdicts; failing costs only time at the next start.
func (v *verdicts) save() {
	if v.file == "" || !v.changed {
		return
	}
	b, err := json.Marshal(v.byRel)
	if err != nil || os.MkdirAll(filepath.Dir(v.file), 0o755) != nil {
		return
	}
	tmp, err := os.CreateTemp(filepath.Dir(v.file), "writing-*")
	if err != nil {
		return
	}
	_, err = tmp.Write(b)
	if e := tmp.Close(); err != nil || e != nil || os.Rename(tmp.Name(), v.file) != nil {
		os.Remove(tmp.Name())
	}
}

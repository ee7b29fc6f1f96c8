package dataset

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"graft/internal/fetch"
)

// badShare is the share of a class that may be unreadable without AllowBad.
const badShare = 0.1

// check opens every file and leaves unreadable ones out. Of large datasets only
// the files that may have copies are opened.
func (d *Dataset) check(ctx context.Context, src source, entries []entry, o Options) error {
	samples := d.all()
	if len(samples) > CopyLimit && !o.CheckAll {
		d.Findings = append(d.Findings, Finding{Kind: "unchecked", Text: fmt.Sprintf("%d files: unreadable ones are left out when they are met, and copies are not looked for (up to %d they are)", len(samples), CopyLimit)})
		return nil
	}
	if len(samples) > CheckLimit && !o.CheckAll {
		d.undecoded(len(samples), fmt.Sprintf("being more than %d", CheckLimit))
		return d.hashCopies(ctx, o)
	}
	times := make(map[string]int64, len(entries))
	for _, e := range entries {
		times[e.rel] = e.time
	}
	v := newVerdicts(src, o.Decode)
	glance := d.glances(o)
	step := counter(len(samples), o.Progress)
	err := inParallel(ctx, o.Threads, len(samples), func(i int) {
		s := &samples[i]
		if !v.known(s.rel(), s.Size, times[s.rel()]) {
			v.put(s.rel(), judge(s, times[s.rel()], glance, o))
		}
		step()
	})
	v.save(samples)
	if err != nil {
		return err
	}
	d.opened, d.hashes, d.looks = true, make(map[string]string, len(samples)), make(map[string]*Look, len(samples))
	glanced := 0
	for i := range samples {
		rel := samples[i].rel()
		w := v.byRel[rel]
		d.hashes[rel], d.looks[rel] = w.Hash, w.Look
		if w.Error == "" && w.Look == nil {
			glanced++
		}
	}
	if glanced > 0 {
		d.undecoded(glanced, "since none can be kept (--cache-mb 0)")
	}
	if err := d.leaveOutBad(v, o.AllowBad); err != nil {
		return err
	}
	return d.findAlike(ctx, o.Threads)
}

// glances reports whether files that look whole are not decoded. Near copies, which
// only pixels tell, decide what stays together in a split and what of training is dropped.
func (d *Dataset) glances(o Options) bool {
	given := len(d.Valid)+len(d.Test) > 0 && o.Folds == 0
	return o.Glance && !o.CheckAll && given && o.Leaks != "drop"
}

// undecoded says what is not known of pictures that will be decoded when they are used.
func (d *Dataset) undecoded(n int, why string) {
	d.Findings = append(d.Findings, Finding{Kind: "unchecked", Text: fmt.Sprintf("%s not decoded beforehand, %s: damaged ones are left out when they are met, near copies and odd pictures are not looked for (graft check does)",
		count(n, "picture is", "pictures are"), why)})
}

func judge(s *Sample, time int64, glance bool, o Options) verdict {
	w := verdict{Size: s.Size, Time: time}
	data, err := s.Read()
	if err == nil {
		sum := sha256.Sum256(data)
		w.Hash = hex.EncodeToString(sum[:])
		if glance && looksWhole(data, o.Decode) {
			return w
		}
		p, e := decode(data, o.Decode)
		if err = e; err == nil {
			pic := p.picture()
			w.Look = lookAt(data, pic)
			release(pic)
			o.Cache.put(s.Path, o.Decode, p)
		}
	}
	if err != nil {
		w.Error = err.Error()
	}
	return w
}

// leaveOutBad removes files that could not be read, and refuses a class that
// loses too much.
func (d *Dataset) leaveOutBad(v *verdicts, allow bool) error {
	bad, total, first := make([]int, len(d.Classes)), make([]int, len(d.Classes)), make([]string, len(d.Classes))
	for _, part := range []*[]Sample{&d.Train, &d.Valid, &d.Test} {
		*part = slices.DeleteFunc(slices.Clone(*part), func(s Sample) bool {
			total[s.Class]++
			e := v.byRel[s.rel()].Error
			if e == "" {
				return false
			}
			if bad[s.Class]++; bad[s.Class] == 1 {
				first[s.Class] = s.Path + ": " + e
			}
			d.Findings = append(d.Findings, Finding{Kind: "unreadable", Text: fmt.Sprintf("%s is left out: %s", s.Path, e), Paths: []string{s.Path}})
			return true
		})
	}
	for c, n := range bad {
		if float64(n) > badShare*float64(total[c]) && !allow {
			return fmt.Errorf("%d of the %d files of class %q cannot be read (%s): mend or remove them, or accept it with --allow-bad",
				n, total[c], d.Classes[c], first[c])
		}
	}
	return nil
}

// fingerprint is a hash over what the dataset is.
func (d *Dataset) fingerprint() string {
	var lines []string
	for _, part := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(part) {
			content := ""
			if d.opened {
				content = d.hashes[s.rel()]
			}
			lines = append(lines, fmt.Sprintf("%s\x00%s\x00%s\x00%d\x00%s\n", part, d.Classes[s.Class], s.rel(), s.Size, content))
		}
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, l := range lines {
		_, _ = io.WriteString(h, l) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// A verdict is what opening a file found. Good ones are kept in the cache and
// hold for as long as the file's size and time stay the same; bad files are
// opened again, as the reason may be gone.
type verdict struct {
	Size  int64  `json:"size"`
	Time  int64  `json:"time"`
	Hash  string `json:"hash"`
	Look  *Look  `json:"look"` // nil where the file was not decoded
	Error string `json:"-"`
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
	key := sha256.Sum256(fmt.Appendf(nil, "3 %s %d %t %d", src.key(), o.MaxPixels, o.IgnoreEXIF, o.Enough))
	v.file = filepath.Join(cache, "checked", hex.EncodeToString(key[:])+".json")
	if b, err := os.ReadFile(v.file); err == nil && json.Unmarshal(b, &v.byRel) != nil || v.byRel == nil {
		v.byRel = map[string]verdict{}
	}
	return v
}

func (v *verdicts) known(rel string, size, time int64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	w, ok := v.byRel[rel]
	return ok && w.Size == size && w.Time == time && len(w.Hash) == 2*sha256.Size && w.Look != nil && w.Look.Print != nil
}

func (v *verdicts) put(rel string, w verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.byRel[rel] = w
	v.changed = true
}

// save keeps the good verdicts; failing costs only time at the next start.
func (v *verdicts) save(samples []Sample) {
	if v.file == "" || !v.changed {
		return
	}
	good := make(map[string]verdict, len(samples))
	for i := range samples {
		rel := samples[i].rel()
		if w, ok := v.byRel[rel]; ok && w.Error == "" && w.Look != nil {
			good[rel] = w
		}
	}
	b, err := json.Marshal(good)
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

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"graft"
)

// TestKilledPredictResumes kills graft predict with SIGKILL in the middle, tears the last line
// as a crash of the machine might, and resumes: each picture stands in the file exactly once,
// and is linked exactly once.
func TestKilledPredictResumes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no SIGKILL")
	}
	dir := t.TempDir()
	if err := writePhotos(filepath.Join(dir, "photos")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "graft")
	if err := os.Symlink(self, bin); err != nil {
		t.Fatal(err)
	}
	call := func(args ...string) *exec.Cmd {
		c := exec.Command(bin, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "GRAFT_CACHE="+filepath.Join(dir, "cache"))
		return c
	}
	if out, err := call("train", "photos", "--model", "resnet20", "--weights", "none", "--epochs", "1", "--batch", "8", "--out", "run").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const n = 400
	files, err := filepath.Glob(filepath.Join(dir, "photos", "*", "*.jpg"))
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for i := range n {
		in := filepath.Join(dir, "many", fmt.Sprint(i%10)) // ten pictures of each name
		if err := os.MkdirAll(in, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(files[i%len(files)], filepath.Join(in, fmt.Sprintf("a, %d.jpg", i/10))); err != nil {
			t.Fatal(err)
		}
	}
	for _, form := range []string{"csv", "jsonl"} {
		t.Run(form, func(t *testing.T) {
			file := filepath.Join(dir, "answers."+form)
			args := []string{"predict", "run", "many", "--out", file, "--sort-into", "sorted-" + form}
			c := call(args...)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			for begun := time.Now(); ; {
				if b, _ := os.ReadFile(file); bytes.Count(b, []byte("\n")) > 40 {
					break
				}
				if time.Sleep(time.Millisecond); time.Since(begun) > time.Minute {
					t.Fatal("no answers within a minute")
				}
			}
			if err := c.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(b, []byte("\n")); lines >= n {
				t.Fatalf("it was finished before it was killed: %d lines", lines)
			}
			if err := os.Truncate(file, int64(len(b))-7); err != nil {
				t.Fatal(err)
			}
			if out, err := call(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "--resume") {
				t.Errorf("a file that is there is taken: %s", out)
			}
			out, err := call(append(args, "--resume")...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), fmt.Sprintf("%d pictures", n)) || !strings.Contains(string(out), "from before") {
				t.Fatalf("%v\n%s", err, out)
			}
			times := map[string]int{}
			for _, path := range answered(t, file) {
				times[path]++
			}
			for path, k := range times {
				if k != 1 {
					t.Errorf("%s stands %d times", path, k)
				}
			}
			if len(times) != n {
				t.Errorf("%d different pictures of %d", len(times), n)
			}
			targets := map[string]bool{}
			links, _ := filepath.Glob(filepath.Join(dir, "sorted-"+form, "*", "*"))
			for _, l := range links {
				to, err := os.Readlink(l)
				if err != nil {
					t.Error(err)
				}
				targets[to] = true
			}
			if len(links) != n || len(targets) != n {
				t.Errorf("%d links to %d pictures, not %d", len(links), len(targets), n)
			}
		})
	}
}

// answered are the paths of a file of answers.
func answered(t *testing.T, file string) (paths []string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if isCSV(file) {
		rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[1:] {
			paths = append(paths, r[0])
		}
		return paths
	}
	for line := range strings.Lines(string(b)) {
		var row struct{ Path string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, row.Path)
	}
	return paths
}

// Cut anywhere, a file of answers is gone on with behind its last whole row, and every row
// before that is known.
func TestTornAnswersAreRepaired(t *testing.T) {
	form := &format{topk: 2, trust: graft.Trust{Coverage: 0.9}}
	names := []string{"plain.jpg", "with, comma.jpg", "with \"quotes\".jpg", "two\nlines.jpg", "é.jpg"}
	for _, ext := range []string{".csv", ".jsonl"} {
		var b bytes.Buffer
		print := form.json(&b)
		if ext == ".csv" {
			var err error
			if print, err = form.csv(&b, true); err != nil {
				t.Fatal(err)
			}
		}
		var ends []int
		for _, name := range names {
			top := []graft.LabelProb{{Label: "a\nb", Prob: 0.75}, {Label: "c", Prob: 0.25}}
			p := graft.Prediction{Label: "a\nb", Prob: 0.75, TopK: top, Set: []string{"a\nb"}}
			if err := print(&graft.Answer{Path: name, Prediction: p}); err != nil {
				t.Fatal(err)
			}
			ends = append(ends, b.Len())
		}
		for cut := range b.Len() + 1 {
			path := filepath.Join(t.TempDir(), "a"+ext)
			if err := os.WriteFile(path, b.Bytes()[:cut], 0o644); err != nil {
				t.Fatal(err)
			}
			f, done, err := openAnswers(path, true, form)
			if err != nil {
				t.Fatalf("%s cut at %d: %v", ext, cut, err)
			}
			f.Close()
			whole := 0
			for whole < len(ends) && ends[whole] <= cut {
				whole++
			}
			for i, name := range names {
				if done.has(name) != (i < whole) {
					t.Errorf("%s cut at %d: %q known is %v, %d rows are whole", ext, cut, name, done.has(name), whole)
				}
			}
			if fi, err := os.Stat(path); err != nil || whole > 0 && fi.Size() != int64(ends[whole-1]) {
				t.Errorf("%s cut at %d: %d bytes are left, %d rows are whole", ext, cut, fi.Size(), whole)
			}
		}
	}
}

func TestForeignFilesAreNotGoneOnWith(t *testing.T) {
	form := &format{topk: 2}
	for name, text := range map[string]string{
		"a.csv": "name,age\nx,1\n", "b.csv": "path,label,prob,error,label2,prob2\na,b\n", "c.jsonl": "hello\n", "d.jsonl": "{\"label\":\"x\"}\n",
	} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := openAnswers(path, true, form); err == nil {
			t.Errorf("%s is gone on with", name)
		}
		if b, _ := os.ReadFile(path); string(b) != text {
			t.Errorf("%s was changed: %q", name, b)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	f.Add([]byte("path,label,prob,error\na,\"b\nc\",1,\n"), true)
	f.Add([]byte("{\"path\":\"a\"}\n{\"pa"), false)
	f.Fuzz(func(t *testing.T, b []byte, isCSV bool) {
		form := &format{topk: 1}
		read := func(b []byte) (int64, error) {
			if isCSV {
				return readCSV(bytes.NewReader(b), form.header(), resumed{})
			}
			return readLines(bytes.NewReader(b), resumed{})
		}
		whole, err := read(b)
		if err != nil {
			return
		}
		if whole < 0 || whole > int64(len(b)) || whole > 0 && b[whole-1] != '\n' {
			t.Fatalf("whole up to %d of %q", whole, b)
		}
		if again, err := read(b[:whole]); err != nil || again != whole {
			t.Fatalf("of its own %d bytes %d are whole (%v)", whole, again, err)
		}
	})
}

func TestLinksAreNumberedAndNeverReplaced(t *testing.T) {
	for _, hard := range []bool{false, true} {
		dir := t.TempDir()
		var pictures []string
		for _, in := range []string{"a", "b", "c"} {
			path := filepath.Join(dir, in, "x.jpg")
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(in), 0o644); err != nil {
				t.Fatal(err)
			}
			pictures = append(pictures, path)
		}
		sorted := filepath.Join(dir, "sorted")
		if err := os.MkdirAll(filepath.Join(sorted, "hot_dog"), 0o755); err != nil {
			t.Fatal(err)
		}
		mine := filepath.Join(sorted, "hot_dog", "x-2.jpg")
		if err := os.WriteFile(mine, []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
		for range 2 { // a second call finds its links
			l, err := newLinker(sorted, hard, pictures)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pictures {
				if err := l.add(p, "hot/dog"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, want := range map[string]string{"x.jpg": "a", "x-2.jpg": "mine", "x-3.jpg": "b", "x-4.jpg": "c"} {
			if b, err := os.ReadFile(filepath.Join(sorted, "hot_dog", name)); err != nil || string(b) != want {
				t.Errorf("hard %v: %s holds %q, not %q (%v)", hard, name, b, want, err)
			}
		}
		if list, _ := filepath.Glob(filepath.Join(sorted, "*", "*")); len(list) != 4 {
			t.Errorf("hard %v: %v", hard, list)
		}
		if _, err := newLinker(filepath.Join(dir, "a", "in"), hard, []string{filepath.Join(dir, "a")}); err == nil {
			t.Error("links may lie among the pictures")
		}
	}
	for label, want := range map[string]string{"..": "_..", "": "_", "a/b": "a_b", "hot dog": "hot dog"} {
		if got := folderName(label); got != want {
			t.Errorf("label %q gets the folder %q, not %q", label, got, want)
		}
	}
}

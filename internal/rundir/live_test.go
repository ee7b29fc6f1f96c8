package rundir

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLive: what is written is read, and both it and a request to stop go with the run's end.
func TestLive(t *testing.T) {
	d := create(t)
	if l, err := ReadLive(d.Path); l != nil || err != nil {
		t.Fatal(l, err)
	}
	want := Live{Updated: time.Now().UTC(), Doing: "train", Epoch: 2, Epochs: 3, Images: 5, Left: 7, Points: []Point{{Step: 4, Loss: 0.5, LR: 0.1}}}
	if err := d.WriteLive(want); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLive(d.Path)
	if err != nil || cmp.Diff(&want, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(&want, got))
	}
	if d.StopRequested() {
		t.Error("nobody asked")
	}
	if err := RequestStop(d.Path); err != nil || !d.StopRequested() {
		t.Error("asked, and not heard", err)
	}
	if err := d.EndLive(); err != nil || d.StopRequested() {
		t.Error("the request outlives the run", err)
	}
	if names, _ := filepath.Glob(filepath.Join(d.Path, LiveFile+"*")); len(names) > 0 {
		t.Errorf("%v are left", names)
	}
	if err := RequestStop(filepath.Join(d.Path, "nothing")); err == nil {
		t.Error("a run that is not there was asked")
	}
}

func TestStateOf(t *testing.T) {
	now := time.Now()
	news, old := &Live{Updated: now.Add(-2 * time.Second)}, &Live{Updated: now.Add(-time.Minute)}
	for _, c := range []struct {
		live *Live
		done *Done
		want State
	}{
		{news, nil, Running}, {news, &Done{Interrupted: true}, Running}, // the second is being resumed
		{old, nil, Lost}, {nil, nil, Lost},
		{nil, &Done{}, Ended}, {nil, &Done{Interrupted: true}, Interrupted}, {nil, &Done{Failed: true}, Failed},
	} {
		if got := StateOf(c.live, c.done, now); got != c.want {
			t.Errorf("%+v, %+v: %s, not %s", c.live, c.done, got, c.want)
		}
	}
}

// TestTrace: lines come back; one that a crash cut off does not, and a run that goes on drops those of
// epochs that it trains again.
func TestTrace(t *testing.T) {
	d := create(t)
	for e := 1; e <= 3; e++ {
		err := d.WriteTrace(Trace{Epoch: e, Points: []Point{{Step: e, Loss: 1}}, Answers: []Shown{{Class: 1, Prob: 0.75, Right: 0.25}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(d.Path, TraceFile), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"epoch":4,"poi`)
	f.Close()
	list, err := ReadTrace(d.Path)
	if err != nil || len(list) != 3 || list[2].Points[0].Step != 3 || list[0].Answers[0].Right != 0.25 {
		t.Fatalf("%+v, %v", list, err)
	}
	if _, err := Reopen(d.Path, 2); err != nil {
		t.Fatal(err)
	}
	if list, err := ReadTrace(d.Path); err != nil || len(list) != 2 {
		t.Errorf("%d epochs, %v", len(list), err)
	}
	pictures := []Picture{{Path: "a.jpg", Part: "val", Class: 1, JPEG: []byte{0xff, 0xd8}}}
	if err := d.WritePictures(pictures); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadPictures(d.Path); err != nil || cmp.Diff(pictures, got) != "" {
		t.Errorf("%v %s", err, cmp.Diff(pictures, got))
	}
}

// FuzzLive: whatever stands in the files, reading is an error or a value.
func FuzzLive(f *testing.F) {
	f.Add([]byte(`{"updated":"2026-01-01T00:00:00Z","points":[{"step":1}]}`))
	f.Add([]byte("[{}]\n{\"epoch\":1}\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		for _, name := range []string{LiveFile, TraceFile, PicturesFile} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if l, err := ReadLive(dir); (l == nil) == (err == nil) {
			t.Errorf("%v and %v", l, err)
		}
		if _, err := ReadTrace(dir); err != nil {
			t.Error(err)
		}
		if list, err := ReadPictures(dir); err != nil && list != nil {
			t.Errorf("%v and %v", list, err)
		}
	})
}

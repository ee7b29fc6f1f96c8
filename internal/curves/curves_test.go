package curves

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"os"
	"testing"
	"time"

	"graft/internal/rundir"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTensorBoardWritesTheSame: the bytes are those of TensorBoard's own writer (testdata/events.py).
func TestTensorBoardWritesTheSame(t *testing.T) {
	want, err := os.ReadFile("testdata/events.golden")
	if err != nil {
		t.Fatal(err)
	}
	at := func(step int) time.Time {
		return time.UnixMilli(1700000000500).Add(time.Duration(step%1000) * time.Second)
	}
	var got bytes.Buffer
	w := newEventWriter(&got, at(0))
	for _, c := range []struct {
		step int
		tag  string
		v    float64
	}{{0, "loss/train", 2.5}, {1, "accuracy/test", 0.8125}, {300, "loss/train", 1e-7}, {1 << 40, "rate", 0}} {
		w.scalar(at(c.step), c.step, c.tag, c.v)
	}
	if w.err != nil || !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%v\ngot  %x\nwant %x", w.err, got.Bytes(), want)
	}
}

// TestRecords: any bytes are framed so that they come back, with sums that hold.
func TestRecords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.SliceOf(rapid.Byte())).Draw(t, "records")
		var b bytes.Buffer
		w := &eventWriter{w: &b}
		for _, r := range list {
			w.record(r)
		}
		rest := b.Bytes()
		for _, r := range list {
			n := binary.LittleEndian.Uint64(rest)
			if n != uint64(len(r)) || binary.LittleEndian.Uint32(rest[8:]) != masked(rest[:8]) {
				t.Fatal("length")
			}
			if !bytes.Equal(rest[12:12+n], r) || binary.LittleEndian.Uint32(rest[12+n:]) != masked(r) {
				t.Fatal("bytes")
			}
			rest = rest[16+n:]
		}
		if len(rest) > 0 {
			t.Fatalf("%d bytes more", len(rest))
		}
	})
}

func TestCSV(t *testing.T) {
	val := 0.5
	r := Run{Epochs: []rundir.Epoch{{Epoch: 1, Loss: 2.25, TestAcc: 0.75, LR: 1e-5, ImagesPerSec: 100, Seconds: 1.5}, {Epoch: 2, ValAcc: &val, ValLoss: &val}}}
	var b bytes.Buffer
	if err := r.CSV(&b); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(&b).ReadAll()
	want := [][]string{
		{"epoch", "loss", "val_loss", "test_loss", "train_acc", "val_acc", "test_acc", "lr", "img_s", "seconds"},
		{"1", "2.25", "", "0", "0", "", "0.75", "1e-05", "100", "1.5"},
		{"2", "0", "0.5", "0", "0", "0.5", "0", "0", "0", ""},
	}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v\n%s", err, cmp.Diff(want, got))
	}
}

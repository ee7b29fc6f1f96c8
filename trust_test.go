package graft

import (
	"context"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"graft/internal/eval"
	"graft/internal/rundir"
	"graft/internal/weights"
)

// noise is a picture like no photograph.
func noise() image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for i := range 64 * 64 {
		img.Set(i%64, i/64, color.RGBA{uint8(i * 37), uint8(i * i), uint8(255 - i*11), 255})
	}
	return img
}

func TestTrust(t *testing.T) {
	c := small(t)
	c.Model, c.Weights, c.Freeze, c.Epochs, c.Batch, c.LR, c.ImageSize = "squeezenet1_1", "auto", "all", 4, 32, 0.002, 128
	c.Adjust = func(r *Recipe) { r.Validation = 0.25 }
	run := mustTrain(t, c)
	open := func(o OpenOptions) *Classifier {
		t.Helper()
		c, err := OpenWith(run.Dir, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		return c
	}
	photo := photographs(t, 9)
	predict := func(o OpenOptions) (list []Prediction) {
		t.Helper()
		c := open(o)
		for _, b := range photo {
			p, err := c.PredictBytes(context.Background(), b)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, p)
		}
		return list
	}
	raw, plain := predict(OpenOptions{Trust: Trust{Raw: true}}), predict(OpenOptions{})
	trusted := predict(OpenOptions{Trust: Trust{Threshold: 0.8, Accept: 0.95, Coverage: 0.9}})
	temperature := open(OpenOptions{}).Calibration().Temperature
	answered := 0
	for i := range photo {
		if !slices.Equal(raw[i].Logits, plain[i].Logits) || !slices.Equal(plain[i].Logits, trusted[i].Logits) {
			t.Fatalf("picture %d: what is asked changes the logits: %v, %v, %v", i, raw[i].Logits, plain[i].Logits, trusted[i].Logits)
		}
		scaled := slices.Clone(plain[i].Logits)
		eval.Softmax(scaled)
		if math.Abs(float64(scaled[eval.Largest(scaled)])-raw[i].Prob) > 1e-6 || temperature != 1 && raw[i].Prob < 0.999 && raw[i].Prob == plain[i].Prob {
			t.Errorf("picture %d: raw %g, calibrated %g, softmax %v", i, raw[i].Prob, plain[i].Prob, scaled)
		}
		p := trusted[i]
		if len(p.Set) == 0 || p.OOD <= 0 || p.Unknown != (p.OOD > 1 || p.Prob < 0.8) || p.Unknown != (p.Label == Unknown) || p.Unknown != (p.Reason != "") {
			t.Errorf("picture %d: %+v", i, p)
		}
		if !p.Unknown {
			answered++
		}
	}
	if answered < 4 {
		t.Errorf("%d of %d photographs are answered for", answered, len(photo))
	}
	strange, err := open(OpenOptions{Trust: Trust{Accept: 0.95}}).Predict(context.Background(), noise())
	if err != nil || strange[0].Reason != Unlike {
		t.Errorf("noise is %+v (%v)", strange, err)
	}
	if _, err := OpenWith(run.Dir, OpenOptions{Trust: Trust{Sure: 0.9999}}); err == nil || !strings.Contains(err.Error(), "vouch") {
		t.Errorf("a precision of .9999 from 75 pictures: %v", err)
	}
	strict(t, run.Dir)
}

// strict: what was added is metadata, no tensor.
func strict(t *testing.T, run string) {
	t.Helper()
	best, err := weights.Open(filepath.Join(run, rundir.BestFile))
	if err != nil {
		t.Fatal(err)
	}
	last, err := weights.Open(filepath.Join(run, rundir.LastFile))
	if err != nil || !slices.Equal(best.Names(), last.Names()) || best.Metadata["graft.neighbours"] == "" {
		t.Errorf("%v; tensors %v, of the last epoch %v", err, best.Names(), last.Names())
	}
	if fi, err := os.Stat(filepath.Join(run, rundir.BestFile)); err != nil || fi.Size() > 4<<20 {
		t.Errorf("the model file has %d bytes (%v)", fi.Size(), err)
	}
}

func TestModelWithoutCalibrationSaysSo(t *testing.T) {
	run := mustTrain(t, small(t))
	for _, trust := range []Trust{{Sure: 0.9}, {Coverage: 0.9}, {Accept: 0.95}} {
		if _, err := OpenWith(run.Dir, OpenOptions{Trust: trust}); err == nil || !strings.Contains(err.Error(), "--validation") {
			t.Errorf("%+v: %v", trust, err)
		}
	}
	for _, trust := range []Trust{{Sure: 1}, {Coverage: -1}, {Threshold: math.NaN()}, {Sure: 0.9, Raw: true}} {
		if _, err := OpenWith(run.Dir, OpenOptions{Trust: trust}); err == nil {
			t.Errorf("%+v is taken", trust)
		}
	}
	if c, err := ReadCalibration(run.Dir); c != nil || err != nil {
		t.Errorf("%+v, %v", c, err)
	}
}

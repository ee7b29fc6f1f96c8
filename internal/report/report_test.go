package report

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"image/color"
	"image/jpeg"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	stdimage "image"

	"graft/internal/eval"
	"graft/internal/rundir"
)

// picture is a small JPEG whose colour follows from a name.
func picture(name string, side int) ([]byte, error) {
	if strings.Contains(name, "gone") {
		return nil, errors.New("gone")
	}
	img := stdimage.NewRGBA(stdimage.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			img.Set(x, y, color.RGBA{uint8(len(name) * 37), uint8(x), uint8(y), 255})
		}
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, nil)
	return b.Bytes(), err
}

// example is a run of so many classes, n pictures each, some answers wrong.
func example(classes []string, n int) *Input {
	val := 0.7
	c := &rundir.Config{Graft: "0.1.0", Command: []string{"/usr/bin/graft", "train", "my photos", "--class-weights", `it's="auto"`}, Model: "resnet20", Started: time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC),
		Data: rundir.Data{Name: "photos", Location: "photos", Classes: classes, Train: 40, Test: n * len(classes), ChosenOn: "val"}}
	in := &Input{Run: "runs/photos", Config: c, Took: 75 * time.Second, ImgPerS: 99, TrainCounts: make([]int, len(classes)),
		Stages:   []rundir.Stage{{Name: "training", Seconds: 30}, {Name: "evaluation", Seconds: 10}},
		Findings: []Finding{{Kind: "leak", Text: "1 picture stands in both", Groups: []string{"train/<b>.jpg = test/b.jpg"}}},
		Before:   &Before{"runs/photos-0", 0.5, "this one is better"},
		Pictures: func(paths []string, side int) (files [][]byte) {
			for _, path := range paths {
				file, _ := picture(path, side)
				files = append(files, file)
			}
			return files
		},
		Explain: func(path string, _, side int) (seen, overlay []byte, err error) {
			seen, err = picture(path, side)
			return seen, seen, err
		},
		Views: []View{{Label: classes[0], Pictures: [][]byte{must(picture("a", 8)), must(picture("b", 8))}}},
	}
	for e := 1; e <= 3; e++ {
		in.Epochs = append(in.Epochs, rundir.Epoch{Epoch: e, Loss: 1 / float64(e), TrainAcc: 0.5, TestAcc: 0.6, TestLoss: 1, ValAcc: &val, ValLoss: &val, Best: e == 2, ImagesPerSec: 10})
	}
	for k := range classes {
		for i := range n {
			logits := make([]float32, len(classes))
			logits[k] = 2
			if i%5 == 0 {
				logits[(k+1)%len(classes)] = float32(i%3) + 2.5
			}
			in.Answers = append(in.Answers, rundir.Prediction{Path: fmt.Sprintf("photos/test/%d/%d&.jpg", k, i), Part: "test", Class: k, Logits: logits})
		}
	}
	return in
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func draw(t *testing.T, in *Input) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(b.String(), "\u00a0", " ")
}

var (
	ids     = regexp.MustCompile(` id="([^"]*)"`)
	targets = regexp.MustCompile(` (?:href="#|popovertarget="|aria-labelledby=")([^"]*)"`)
	links   = regexp.MustCompile(` (?:src|href|srcset|action|poster|data|xlink:href)="([^"]*)"`)
	uris    = regexp.MustCompile(`data:image/jpeg;base64,([^"]*)"`)
)

// selfContained checks that a page asks for nothing, that its links lead somewhere and its pictures
// are pictures, and that its tags are closed.
func selfContained(t *testing.T, page string) {
	t.Helper()
	there := map[string]bool{}
	for _, m := range ids.FindAllStringSubmatch(page, -1) {
		if there[m[1]] {
			t.Errorf("id %s stands twice", m[1])
		}
		there[m[1]] = true
	}
	for _, m := range targets.FindAllStringSubmatch(page, -1) {
		if !there[m[1]] {
			t.Errorf("nothing is called %s", m[1])
		}
	}
	for _, m := range links.FindAllStringSubmatch(page, -1) {
		if !strings.HasPrefix(m[1], "#") && !strings.HasPrefix(m[1], "data:image/jpeg;base64,") {
			t.Errorf("the page asks for %.60s", m[1])
		}
	}
	for _, word := range []string{"http:", "https:", "//", "url(", "@import", "<script", "ZgotmplZ", "%!"} {
		if strings.Contains(uris.ReplaceAllString(page, ""), word) {
			t.Errorf("the page has %q", word)
		}
	}
	for _, m := range uris.FindAllStringSubmatch(page, -1) {
		b, err := base64.StdEncoding.DecodeString(html.UnescapeString(m[1]))
		if err == nil {
			_, err = jpeg.Decode(bytes.NewReader(b))
		}
		if err != nil {
			t.Fatalf("a picture is none: %v", err)
		}
	}
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, is := token.(xml.StartElement); is && e.Name.Local == "img" && !slices.ContainsFunc(e.Attr, func(a xml.Attr) bool { return a.Name.Local == "alt" && a.Value != "" }) {
			t.Errorf("a picture has no alternative text: %v", e)
		}
	}
}

// TestSelfContained also writes the page to the file that GRAFT_REPORT_EXAMPLE names, for browsers' tests.
func TestSelfContained(t *testing.T) {
	page := draw(t, example([]string{"cat", `<script>alert("x")</script>`, "d'og & co"}, 25))
	selfContained(t, page)
	for _, want := range []string{
		"80.0 % of the test pictures are named right", "60 of 75 pictures", "would be right in 33.3 %",
		"&lt;script&gt;alert(", "d&#39;og &amp; co", "graft train &#39;my photos&#39; --class-weights &#39;it", "1 min 15 s",
		"runs/photos-0, reached 50.0 %: this one is better", "train/&lt;b&gt;.jpg = test/b.jpg", "test/0/0&amp;.jpg", "train again with --leaks drop",
		"20 of 25 cat answered cat: show pictures", "8 of 20 pictures, the least sure first",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, ">photos/test/") {
		t.Error("paths are not those within the data")
	}
	if file := os.Getenv("GRAFT_REPORT_EXAMPLE"); file != "" {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLeftOut: whatever is missing is left out and said, and the rest drawn.
func TestLeftOut(t *testing.T) {
	classes := []string{"a", "b"}
	for name, c := range map[string]struct {
		change func(in *Input)
		want   string
	}{
		"no answers": {func(in *Input) { in.Answers = nil }, "The answers of this run are not kept"},
		"no pictures": {func(in *Input) {
			in.Pictures, in.Explain, in.NoPictures, in.NoExplain = nil, nil, "They are gone.", "They are gone."
		}, "They are gone."},
		"some gone": {func(in *Input) { in.Answers[0].Path = "gone.jpg" }, "gone.jpg"},
		"no mistakes": {func(in *Input) {
			in.Answers = slices.DeleteFunc(in.Answers, func(p rundir.Prediction) bool { return p.Logits[p.Class] < 2.5 && p.Logits[1-p.Class] > 2 })
		}, "There is no mistake"},
		"no epochs":          {func(in *Input) { in.Epochs = nil }, "named right"},
		"one epoch":          {func(in *Input) { in.Epochs = in.Epochs[:1] }, "Loss over the epochs"},
		"a loss of no limit": {func(in *Input) { in.Epochs[1].Loss = math.Inf(1) }, "Loss over the epochs"},
		"nothing found":      {func(in *Input) { in.Findings = nil }, "no copies, leaks"},
		"validation only": {func(in *Input) {
			for i := range in.Answers {
				in.Answers[i].Part = "val"
			}
		}, "so the figure flatters"},
		"made from Go":  {func(in *Input) { in.Config.Command = nil }, "made from Go"},
		"interrupted":   {func(in *Input) { in.Stopped = true }, "was interrupted"},
		"no comparison": {func(in *Input) { in.Before = nil }, "named right"},
		"calibrated": {func(in *Input) {
			in.Calibration = &eval.Calibration{Pictures: 50, Temperature: 1.5, Answers: []eval.Rank{{P: 0.8, N: 40, Right: 40}, {P: 0.5, N: 50, Right: 44}}}
		}, "divided by 1.50"},
	} {
		t.Run(name, func(t *testing.T) {
			in := example(classes, 10)
			c.change(in)
			page := draw(t, in)
			selfContained(t, page)
			if !strings.Contains(page, c.want) {
				t.Errorf("the page lacks %q", c.want)
			}
		})
	}
	in := example(classes, 1)
	in.Answers[1].Logits = []float32{1, 2, 3}
	if err := Write(io.Discard, in); err == nil {
		t.Error("answers of other classes were drawn")
	}
}

// TestBounded: of many classes and pictures a part is shown, within a few megabytes.
func TestBounded(t *testing.T) {
	var classes []string
	for i := range 120 {
		classes = append(classes, fmt.Sprintf("class %d", i))
	}
	page := draw(t, example(classes, 20))
	selfContained(t, page)
	if len(page) > 4<<20 {
		t.Errorf("%d MB", len(page)>>20)
	}
	if n := strings.Count(page, `<ul class="thumbs">`); n == 0 || n > 60 {
		t.Errorf("%d cells have pictures", n)
	}
	if !strings.Contains(page, "The 20 of 120 classes with the most mistakes") {
		t.Error("that classes are left out is not said")
	}
}

func TestReliability(t *testing.T) {
	// Two answers at 0.95, one right; two at 0.55, both right.
	bins, ece := reliability([]answer{{prob: 0.95, label: 1}, {prob: 0.95}, {prob: 0.55}, {prob: 0.55}})
	if b := bins[9]; b.n != 2 || b.accuracy != 0.5 || math.Abs(b.prob-0.95) > 1e-9 {
		t.Errorf("%+v", b)
	}
	if math.Abs(ece-0.45) > 1e-9 {
		t.Errorf("calibration error %g", ece)
	}
	if bins, _ := reliability([]answer{{prob: 1}}); bins[9].n != 1 {
		t.Error("a probability of 1 is in no bin")
	}
}

func TestOrder(t *testing.T) {
	part, answers := answersOf([]rundir.Prediction{
		{Path: "a", Part: "val", Logits: []float32{0, 0}},
		{Path: "b", Part: "test", Logits: []float32{1, 3}},
		{Path: "c", Part: "test", Logits: []float32{1, 9}},
		{Path: "d", Part: "test", Logits: []float32{1, 0.9}},
		{Path: "e", Part: "test", Class: 1, Logits: []float32{0, 4}},
	}, nil)
	if part != "test" || len(answers) != 4 {
		t.Fatal(part, answers)
	}
	paths := func(list []answer) (s string) {
		for _, a := range list {
			s += a.path
		}
		return s
	}
	bad := worst(answers, 5)
	if got := paths(bad); got != "cb" {
		t.Errorf("the surest mistakes are %s", got)
	}
	if got := paths(leastCertain(answers, bad, 5)); got != "de" {
		t.Errorf("the least certain are %s", got)
	}
	r := confusion(answers, 2)
	if list := confused(r, 5); len(list) != 1 || list[0] != (pair{0, 1, 2, 3}) {
		t.Errorf("%+v", list)
	}
	// At a high temperature the same answers, less sure.
	if _, cooler := answersOf([]rundir.Prediction{{Part: "test", Logits: []float32{1, 3}}}, &eval.Calibration{Temperature: 2}); math.Abs(cooler[0].prob-1/(1+math.Exp(-1))) > 1e-6 {
		t.Errorf("%+v", cooler)
	}
}

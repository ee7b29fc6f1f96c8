package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// openListOf writes a list beside pictures and opens it.
func openListOf(t testing.TB, name, list string, pictures int, o Options) (*Dataset, error) {
	t.Helper()
	files := map[string]string{}
	for i := range pictures {
		files[fmt.Sprintf("pics/%d.png", i)] = ""
	}
	root := tree(t, files)
	if err := os.WriteFile(filepath.Join(root, name), []byte(strings.ReplaceAll(list, "ROOT", filepath.ToSlash(root))), 0o644); err != nil {
		t.Fatal(err)
	}
	return open(t, filepath.Join(root, name), o)
}

// shape is parts, classes and file names as text.
func shape(d *Dataset) string {
	var parts []string
	for _, p := range []Split{Train, Valid, Test} {
		for _, s := range d.Samples(p) {
			parts = append(parts, fmt.Sprintf("%s/%s/%s", p, d.Classes[s.Class], strings.TrimSuffix(filepath.Base(s.Path), ".png")))
		}
	}
	return strings.Join(parts, " ")
}

func TestLists(t *testing.T) {
	for name, c := range map[string]struct{ file, list, want string }{
		"csv":          {"a.csv", "path,label\npics/0.png,cat\npics/1.png,dog\n", "train/cat/0 train/dog/1"},
		"columns":      {"a.csv", "\ufefflabel,x,Filename\ncat,7,pics/0.png\n\"dog\",8,ROOT/pics/1.png\n", "train/cat/0 train/dog/1"},
		"split":        {"a.csv", "path,label,split\npics/0.png,cat,train\npics/1.png,dog,\npics/2.png,dog,Validation\npics/3.png,cat,test\n", "train/cat/0 train/dog/1 valid/dog/2 test/cat/3"},
		"json lines":   {"a.jsonl", "{\"path\":\"pics/0.png\",\"label\":7}\n\n{\"path\":\"./pics/1.png\",\"label\":\"x\",\"split\":\"test\"}\n{\"file\":\"pics/2.png\",\"class\":\"x\"}", "train/7/0 train/x/2 test/x/1"},
		"paths":        {"a.txt", "# mine\npics/0.png\ncat\nROOT/pics/1.png\tdog\n", "train/dog/1 train/pics/0"},
		"listed twice": {"a.csv", "path,label\npics/0.png,cat\npics/0.png,cat\npics/1.png,dog\n", "train/cat/0 train/dog/1"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "paths" {
				c.list = strings.Replace(c.list, "cat\n", "", 1)
			}
			d, err := openListOf(t, c.file, c.list, 4, Options{Check: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := shape(d); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if d.Name != "a" || len(d.Train) == 0 {
				t.Errorf("name %q", d.Name)
			}
			if _, err := d.Train[0].Read(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestListsSayWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		file, list, says string
		o                Options
	}{
		"no label":      {"a.csv", "path,labels\n", "label or class", Options{}},
		"ragged":        {"a.csv", "path,label\na.png\n", "line 2", Options{}},
		"empty label":   {"a.csv", "path,label\npics/0.png,\n", "line 2", Options{}},
		"split":         {"a.csv", "path,label,split\npics/0.png,a,later\n", `line 2: the split "later"`, Options{}},
		"two labels":    {"a.csv", "path,label\npics/0.png,a\npics/0.png,b\n", "line 3: pics/0.png stands on line 2 already", Options{}},
		"json":          {"a.jsonl", "{\"path\":\n", "line 1", Options{}},
		"group":         {"a.csv", "path,label\npics/0.png,a\n", `no column is called "who"`, Options{GroupBy: "who"}},
		"group of text": {"a.txt", "pics/0.png\n", "CSV or JSON Lines", Options{GroupBy: "who"}},
		"missing":       {"a.csv", "path,label\npics/0.png,a\npics/9.png,b\npics/1.png,b\n", "no such file", Options{Check: true}},
		"empty":         {"a.csv", "", "empty", Options{}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := openListOf(t, c.file, c.list, 3, c.o); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
		})
	}
	if _, err := open(t, tree(t, map[string]string{"a/1.png": "", "b/1.png": ""}), Options{GroupBy: "who"}); err == nil {
		t.Error("a folder was grouped by a column")
	}
}

func TestGroupsStayOnOneSide(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(6, 40).Draw(r, "pictures")
		list, of := "path,label,who\n", map[string]string{}
		for i := range n {
			who := fmt.Sprint(rapid.IntRange(0, n/2).Draw(r, "who"))
			list += fmt.Sprintf("pics/%d.png,%c,%s\n", i, 'a'+rune(i%2), who)
			of[fmt.Sprint(i)] = who
		}
		d := &Dataset{}
		rows, err := readCSV([]byte(list), "who")
		if err != nil {
			r.Fatal(err)
		}
		d, _, err = arrangeList(t.Context(), listSource{newFolderSource("nowhere")}, rows, Options{})
		if err != nil {
			r.Fatal(err)
		}
		if d.holdOut(0.3, rapid.Uint64().Draw(r, "seed")) != nil {
			return // one group holds everything
		}
		side := map[string]Split{}
		for _, p := range []Split{Train, Test} {
			for _, s := range d.Samples(p) {
				who := of[strings.TrimSuffix(filepath.Base(s.Path), ".png")]
				if other := side[who]; other != "" && other != p {
					r.Fatalf("group %s is on both sides", who)
				}
				side[who] = p
			}
		}
		if len(d.Train)+len(d.Test) != n || slices.Contains(d.Counts(Train), 0) {
			r.Fatalf("%d train, %d test of %d", len(d.Train), len(d.Test), n)
		}
	})
	d, err := openListOf(t, "a.csv", "path,label,split,group\npics/0.png,a,train,x\npics/1.png,b,train,y\npics/2.png,a,test,x\npics/3.png,b,test,z\n", 4, Options{Check: true})
	if err != nil || !slices.Contains(kinds(d), "group-split") {
		t.Errorf("a group on both sides of a given split is not named: %v %v", err, d)
	}
}

func TestSplitFileAndLimit(t *testing.T) {
	files := map[string]string{}
	for i := range 20 {
		files[fmt.Sprintf("a/%d.png", i)], files[fmt.Sprintf("b/%d.png", i)] = "", ""
	}
	root := tree(t, files)
	file := filepath.Join(t.TempDir(), "split.json")
	first := mustOpen(t, root, Options{ValidSplit: 0.3, Seed: 1, SplitFile: file})
	second := mustOpen(t, root, Options{ValidSplit: 0.5, Seed: 2, SplitFile: file})
	if shape(first) != shape(second) || len(first.Test) != 12 || !second.Held {
		t.Errorf("the kept split was not applied: %s, %s", shape(first), shape(second))
	}
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, root, Options{ValidSplit: 0.3, SplitFile: file}); err == nil {
		t.Error("a damaged split was taken")
	}
	small := mustOpen(t, root, Options{ValidSplit: 0.3, Seed: 1, Limit: 5})
	if n := small.Counts(Train); n[0] != 5 || n[1] != 5 || len(small.Test) != 12 {
		t.Errorf("limit 5: %v, %d test", n, len(small.Test))
	}
	smaller := mustOpen(t, root, Options{ValidSplit: 0.3, Seed: 1, Limit: 3})
	if !strings.Contains(" "+shape(small), strings.Fields(shape(smaller))[0]) {
		t.Error("a smaller limit keeps other pictures")
	}
}

func TestRename(t *testing.T) {
	d := mustOpen(t, tree(t, map[string]string{"n1/1.png": "", "n2/2.png": "", "n3/3.png": ""}), Options{})
	if err := d.rename(map[string]string{"n1": "zebra", "n2": "ant"}); err != nil {
		t.Fatal(err)
	}
	if got := shape(d); got != "train/ant/2 train/n3/3 train/zebra/1" {
		t.Error(got)
	}
}

func FuzzLists(f *testing.F) {
	f.Add("path,label,split,group\na.png,x,train,g\n", "{\"path\":\"a\",\"label\":1}\n")
	f.Fuzz(func(t *testing.T, csv, lines string) {
		for _, read := range []func([]byte, string) ([]listing, error){readCSV, readJSONLines} {
			for _, text := range []string{csv, lines} {
				if rows, err := read([]byte(text), ""); err == nil {
					_, _, _ = arrangeList(t.Context(), listSource{newFolderSource(t.TempDir())}, rows, Options{})
				}
			}
		}
	})
}

package train

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"graft/internal/dataset"
	"graft/internal/engine"
	"graft/internal/engine/ref"
	"graft/internal/graph"
)

// tiny is a network that separates two kinds of noise in no time.
func tiny(t testing.TB) (*graph.Graph, engine.Network) {
	t.Helper()
	b := graph.NewBuilder("tiny", graph.Shape{H: 2, W: 2, C: 3})
	x := b.ReLU(b.BatchNorm("norm", b.Conv("conv", 0, 4, graph.Window{Kernel: 1, Stride: 1}, false)))
	g := b.Graph(b.Linear("fc", b.GlobalAvgPool("avg", x), 2), "fc")
	net, err := ref.New().Compile(g, engine.Config{Batch: 4, Train: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range g.Params {
		v := make([]float32, p.Len())
		for j := range v {
			v[j] = float32(j%3) - 0.7
			if p.Role == graph.Scale || p.Role == graph.RunningVar {
				v[j] = 1
			}
		}
		net.Load(i, v)
	}
	return g, net
}

// source yields n pictures in batches of four: label 1 is bright.
func source(n int, spoil func(*dataset.Batch)) Source {
	return Source{Images: n, Batches: func(ctx context.Context, epoch, first int) iter.Seq2[*dataset.Batch, error] {
		return func(yield func(*dataset.Batch, error) bool) {
			for from := 4 * first; from < n; from += 4 {
				b := &dataset.Batch{N: min(4, n-from)}
				for i := range b.N {
					label := int32((from + i) % 2)
					for k := range 12 {
						b.X = append(b.X, float32(label)+float32(k)/20+float32(i)/30)
					}
					b.Labels, b.Index = append(b.Labels, label), append(b.Index, from+i)
				}
				if spoil != nil {
					spoil(b)
				}
				if !yield(b, ctx.Err()) {
					return
				}
			}
		}
	}}
}

func recipe() Recipe {
	return Recipe{Name: "test", Epochs: 3, Batch: 4, LR: 0.1, HeadLRX: 10, Momentum: 0.9, WeightDecay: 1e-3, NormDecay: true, Groups: true}
}

func TestGroups(t *testing.T) {
	g, _ := tiny(t)
	groups := Groups(g, recipe())
	if len(groups) != 2 || groups[1].RateX != 10 || len(groups[1].Params) != 2 {
		t.Fatalf("%+v", groups)
	}
	all := slices.Concat(groups[0].Params, groups[1].Params)
	for i, p := range g.Params {
		if in := slices.Contains(all, i); in == p.Buffer() {
			t.Errorf("%s: in a group is %v", p.Name, in)
		}
		if slices.Contains(groups[1].Params, i) != g.InHead(i) {
			t.Errorf("%s is in the wrong group", p.Name)
		}
	}
	r := recipe()
	r.Groups = false
	if one := Groups(g, r); len(one) != 1 || one[0].RateX != 1 || len(one[0].Params) != len(all) {
		t.Errorf("%+v", one)
	}
}

func TestRunLearnsAndKeepsTheBest(t *testing.T) {
	g, net := tiny(t)
	var epochs []Epoch
	var kept []int
	val := source(8, nil)
	done, err := Run(context.Background(), Job{Net: net, Graph: g, Recipe: recipe(), Train: source(16, nil), Val: &val, Test: source(6, nil),
		Keep: func(e Epoch, s *State) error {
			if e.Best {
				kept = append(kept, s.Epoch)
			}
			if len(s.Params) != len(g.Params) {
				t.Error("the state lacks parameters")
			}
			return nil
		},
		Emit: func(e Event) {
			if e, ok := e.(Epoch); ok {
				epochs = append(epochs, e)
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	if len(epochs) != 3 || done.Steps != 12 || done.Interrupted {
		t.Errorf("%d epochs, %+v", len(epochs), done)
	}
	if last := epochs[2]; last.Loss >= epochs[0].Loss || last.Val == nil || last.Test.N != 6 {
		t.Errorf("did not learn: %+v", epochs)
	}
	if kept[len(kept)-1] != done.Best.Epoch {
		t.Errorf("kept %v, best is %d", kept, done.Best.Epoch)
	}
}

func TestNotFiniteLossNamesItsBatch(t *testing.T) {
	g, net := tiny(t)
	before := Capture(net, g, 0, 0)
	n := 0
	_, err := Run(context.Background(), Job{Net: net, Graph: g, Recipe: recipe(), Train: source(16, func(b *dataset.Batch) {
		if n++; n == 1 {
			b.X[5] = float32(math.NaN())
		}
	}), Test: source(4, nil)})
	var e *NotFiniteError
	if !errors.As(err, &e) || e.Epoch != 1 || e.Step != 1 || e.Rate != 0.1 || !slices.Equal(e.Batch, []int{0, 1, 2, 3}) {
		t.Fatalf("%v: %+v", err, e)
	}
	for i, v := range Capture(net, g, 0, 0).Params {
		if !g.Params[i].Buffer() && !slices.Equal(v, before.Params[i]) {
			t.Errorf("%s was changed by the step", g.Params[i].Name)
		}
	}
}

func TestCancelEndsAfterTheStep(t *testing.T) {
	g, net := tiny(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	seen := 0
	done, err := Run(ctx, Job{Net: net, Graph: g, Recipe: recipe(), Train: source(16, func(*dataset.Batch) {
		if seen++; seen == 6 {
			cancel()
		}
	}), Test: source(4, nil)})
	if err != nil || !done.Interrupted || done.Best == nil || done.Best.Epoch != 1 {
		t.Errorf("%+v, %v", done, err)
	}
}

func TestSeamSeesEveryStep(t *testing.T) {
	g, net := tiny(t)
	calls := 0
	stop := fmt.Errorf("stop here")
	_, err := Run(context.Background(), Job{Net: net, Graph: g, Recipe: recipe(), Train: source(16, nil), Test: source(4, nil),
		Seam: func(engine.Network) error {
			if calls++; calls == 7 {
				return stop
			}
			return nil
		}})
	if !errors.Is(err, stop) || calls != 7 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

func TestLastBatchOfOneIsLeftOut(t *testing.T) {
	g, net := tiny(t)
	if !DropsLast(g, 9, 4) || DropsLast(g, 8, 4) || DropsLast(g, 1, 4) {
		t.Error("a last batch of one picture is the only one to leave out")
	}
	done, err := Run(context.Background(), Job{Net: net, Graph: g, Recipe: recipe(), Train: source(9, nil), Test: source(4, nil)})
	if err != nil || done.Steps != 6 {
		t.Errorf("%d steps, %v", done.Steps, err)
	}
}

func TestRecipes(t *testing.T) {
	for _, name := range append(RecipeNames(), "") {
		for _, scratch := range []bool{false, true} {
			if r, err := FindRecipe(name, scratch); err != nil || r.About == "" {
				t.Errorf("%s: %v, %q", name, err, r.About)
			}
		}
	}
	for text, want := range map[string]string{"epoch = 3": "epoch", "epochs = 0": "epochs is 0", "epochs = \"many\"": "epochs", "[[phase]]\nfrozen = 3": "phase.frozen"} {
		if _, err := ParseRecipe("mine.toml", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gives %v, not a word of %q", text, err, want)
		}
	}
	if r, err := ParseRecipe("mine.toml", "time = \"90s\"\n[[phase]]\nname = \"head\"\nlr-x = 2"); err != nil || r.Time != 90*time.Second || r.Epochs != 5 || r.Phases[0].LRX != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := FindRecipe("fancy", false); err == nil {
		t.Error("an unknown recipe was found")
	}
	for name, spoil := range map[string]func(*Recipe){
		"epochs": func(r *Recipe) { r.Epochs = 0 }, "batch": func(r *Recipe) { r.Batch = 0 }, "lr": func(r *Recipe) { r.LR = math.NaN() },
		"head": func(r *Recipe) { r.HeadLRX = 0 }, "momentum": func(r *Recipe) { r.Momentum = 1 }, "decay": func(r *Recipe) { r.WeightDecay = -1 },
	} {
		r := recipe()
		spoil(&r)
		if r.Check() == nil {
			t.Errorf("a wrong %s was accepted", name)
		}
	}
}

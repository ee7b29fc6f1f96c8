package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"graft"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// trainFlags are what train and demo take.
type trainFlags struct {
	c                     graft.Config
	momentum, weightDecay float64
	cacheMB, folds        int
	json                  bool
	watch                 watch
	settings              graft.Recipe   // what the flags of techniques were set to
	techniques            *pflag.FlagSet // names of the recipe's settings
}

func newTrain() *cobra.Command {
	f := &trainFlags{}
	c := &cobra.Command{
		Use:   "train DATA",
		Short: "Fine-tune a network on folders of pictures",
		Long: `Fine-tune a network trained on ImageNet on your own classes.

DATA is a folder with train/ and test/ or val/ (each with one folder a class), a folder of class
folders, a .zip or .tar(.gz) of either, a list (.csv or .jsonl with path, label and, if wanted, split and group;
.txt with a path a line), or a built-in set: clothing (inside the program), hotdog, hymenoptera, imagenette, imagenette-160
(downloaded once). The body learns at --lr, the new output layer at --head-lr-x times that.
A flag wins over the recipe; graft recipe show NAME prints one, and a file of your own is one too.

--memory caps network, batches and decoded pictures together; resident memory stays below it plus 150 MB. A
batch that does not fit goes through the network in parts, as equal as can be, whose gradients are added up. For networks
without batch norm (SqueezeNet) that is the whole batch's gradient but for rounding; with batch norm (ResNet), each part
is normalised by its own statistics, and the running ones follow every part. The same seed and cap give the same bits.`,
		Example: "  graft train photos/\n  graft train photos.zip --model squeezenet1_1 --epochs 10\n  graft train hotdog --recipe d2l\n  graft train photos/ --weights none      # from scratch, for comparison",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.c.Data = args[0]
			if c.Flags().Changed("folds") && f.folds < 2 {
				return usageError{fmt.Errorf("--folds is %d, must be at least 2", f.folds)}
			}
			_, err := f.run(c)
			return err
		},
	}
	f.add(c)
	c.Flags().IntVar(&f.folds, "folds", 0, "cross-validate: a run for each of N parts, tested on it and trained on the others (docs/training.md)")
	return c
}

func (f *trainFlags) add(c *cobra.Command) {
	p := c.Flags()
	p.StringVar(&f.c.Model, "model", "resnet18", "network to fine-tune (see graft models)")
	p.StringVar(&f.c.Weights, "weights", "auto", "where to begin: auto, none, a FILE (.pth, .safetensors), a URL, hf:OWNER/NAME, or a folder with config.json and model.safetensors")
	p.StringVar(&f.c.From, "from", "", "begin with the model of a RUN of yours, instead of --model and --weights: its classes keep their rows of the output layer")
	p.StringVar(&f.c.Recipe, "recipe", "", "auto (the default), plain, fast, d2l, scratch (the default with --weights none), or a FILE.toml (see graft recipe)")
	p.IntVar(&f.c.Epochs, "epochs", 0, "passes over the training pictures (here and below, the default is the recipe's)")
	p.IntVar(&f.c.Batch, "batch", 0, "pictures a step")
	p.Float64Var(&f.c.LR, "lr", 0, "learning rate of the body")
	p.Float64Var(&f.c.HeadLRX, "head-lr-x", 0, "the output layer's rate is --lr times this")
	p.Float64Var(&f.momentum, "momentum", 0, "of stochastic gradient descent")
	p.Float64Var(&f.weightDecay, "weight-decay", 0, "L2 penalty")
	p.BoolVar(&f.c.NoParamGroups, "no-param-groups", false, "one rate for all parameters")
	f.settings = graft.Recipe{}
	f.techniques = recipeFlags(&f.settings)
	p.AddFlagSet(f.techniques)
	p.DurationVar(&f.c.Checkpoint, "checkpoint", 5*time.Minute, "time between two checkpoints within an epoch; negative writes none")
	p.StringVar(&f.c.Freeze, "freeze", "", "keep a part as it is: N (the first blocks of graft show MODEL), names, or all but the output layer: all")
	p.StringVar(&f.c.Augment, "augment", "", "training pictures, separated by commas: crop[=SHARE], flip, trivial, rand[=N:M], jitter[=X|B:C:S:H],\nrotate[=DEGREES], affine, blur[=P], grey[=P], erase[=P], none (default crop,flip)")
	p.StringVar(&f.c.Crop, "crop", "crop", "how pictures become squares, everywhere: crop, pad (whole, the rest black) or squash")
	p.IntVar(&f.c.ImageSize, "image-size", 0, "side of the square that the network sees (default the model's)")
	p.IntVar(&f.c.AugmentCache, "augment-cache", 0, "random crops of each picture that the frozen part sees, in turn (0: the central crop)")
	p.Float64Var(&f.c.Split, "split", 0.2, "share to hold out of a folder that has no test/ or val/; 0 holds out nothing but --validation")
	p.StringVar(&f.c.GroupBy, "group-by", "", "column of a list: equal values stay on one side of the split (default group, if there is one)")
	p.StringVar(&f.c.SplitFile, "split-file", "", "keep the split in this file: applied if it is there, else written")
	p.IntVar(&f.c.Limit, "limit", 0, "training pictures of each class to use, drawn by --seed (0: all)")
	p.Uint64Var(&f.c.Seed, "seed", 0, "of the split, the new output layer, order and augmentation")
	p.IntVar(&f.c.Threads, "threads", 0, "processors to use (default all)")
	precisionFlag(p, (*string)(&f.c.Precision))
	p.Var((*byteSize)(&f.c.Memory), "memory", "cap on what the run holds, as 2GB: a batch that does not fit goes in parts (see graft plan)")
	p.StringVar(&f.c.Out, "out", "", "directory of the run (default runs/DATA-MODEL)")
	p.BoolVar(&f.c.Force, "force", false, "replace the run in --out")
	p.StringVar(&f.c.Leaks, "leaks", "keep", "training pictures that stand in test or val too: keep or drop")
	p.BoolVar(&f.c.AllowBad, "allow-bad", false, "go on if more than a tenth of a class cannot be read")
	p.IntVar(&f.c.MaxPixels, "max-pixels", 0, "refuse larger pictures (default 89478485)")
	p.StringVar(&f.c.EXIF, "exif", "apply", "orientation tag: apply, or ignore as torchvision does")
	decodeFlag(p, &f.c.Decode, "exact")
	p.IntVar(&f.cacheMB, "cache-mb", 384, "memory for decoded pictures")
	f.watch.flag(p)
	p.BoolVar(&f.json, "json", false, "one JSON object a line (see graft help json)")
}

// run trains as the flags say.
func (f *trainFlags) run(cmd *cobra.Command) (*graft.Run, error) {
	if err := f.resolve(cmd.Flags()); err != nil {
		return nil, err
	}
	f.c.Command = os.Args
	if f.folds > 0 {
		return nil, f.crossValidate(cmd, func(events func(graft.Event)) (*graft.Folds, error) {
			f.c.Events = events
			return graft.CrossValidate(cmd.Context(), f.c, f.folds)
		})
	}
	return f.report(cmd, func(events func(graft.Event)) (*graft.Run, error) {
		f.c.Events = events
		return graft.Train(cmd.Context(), f.c)
	})
}

// resolve checks the flags and makes a Config of them.
func (f *trainFlags) resolve(p *pflag.FlagSet) error {
	// What was not given is left to the recipe.
	for name, field := range map[string]*int{"epochs": &f.c.Epochs, "batch": &f.c.Batch} {
		if !p.Changed(name) {
			*field = 0
		} else if *field < 1 {
			return usageError{fmt.Errorf("--%s is %d, must be at least 1", name, *field)}
		}
	}
	for name, field := range map[string]*float64{"lr": &f.c.LR, "head-lr-x": &f.c.HeadLRX, "split": &f.c.Split} {
		if !p.Changed(name) {
			*field = 0
		} else if name == "split" && *field == 0 {
			*field = -1 // nothing
		} else if !(*field > 0) {
			return usageError{fmt.Errorf("--%s is %g, must be above 0", name, *field)}
		}
	}
	if f.c.Split >= 1 {
		return usageError{fmt.Errorf("--split is %g, must be below 1", f.c.Split)}
	}
	if !p.Changed("crop") {
		f.c.Crop = "" // as the weights have it
	}
	if p.Changed("momentum") {
		f.c.Momentum = &f.momentum
	}
	if p.Changed("weight-decay") {
		f.c.WeightDecay = &f.weightDecay
	}
	for name, v := range map[string]struct {
		value string
		of    []string
	}{"leaks": {f.c.Leaks, []string{"keep", "drop"}}, "exif": {f.c.EXIF, []string{"apply", "ignore"}}} {
		if !slices.Contains(v.of, v.value) {
			return usageError{fmt.Errorf("--%s %s: there are %s", name, v.value, strings.Join(v.of, ", "))}
		}
	}
	if f.c.AugmentCache < 0 {
		return usageError{fmt.Errorf("--augment-cache is %d, cannot be negative", f.c.AugmentCache)}
	}
	if f.c.Threads < 0 || f.c.MaxPixels < 0 || f.cacheMB < 0 || f.c.Limit < 0 {
		return usageError{fmt.Errorf("--threads, --limit, --max-pixels and --cache-mb cannot be negative")}
	}
	f.c.CacheBytes = f.cacheMB << 20
	if f.cacheMB == 0 {
		f.c.CacheBytes = -1
	}
	return f.adjust()
}

// adjust has the flags of the recipe's settings win over the recipe, and checks them.
func (f *trainFlags) adjust() error {
	r, err := graft.FindRecipe(f.c.Recipe)
	if err != nil {
		return usageError{err}
	}
	given := map[string]string{}
	f.techniques.VisitAll(func(g *pflag.Flag) {
		if g.Changed {
			given[g.Name] = g.Value.String()
		}
	})
	f.c.Adjust = func(r *graft.Recipe) {
		set := recipeFlags(r)
		for name, value := range given {
			_ = set.Set(name, value) // it was parsed before
		}
	}
	f.c.Adjust(&r)
	if err := r.Check(); err != nil {
		return usageError{fmt.Errorf("--%w", err)}
	}
	return nil
}

// report runs a training and prints what happens and what it ended with.
func (f *trainFlags) report(cmd *cobra.Command, train func(events func(graft.Event)) (*graft.Run, error)) (*graft.Run, error) {
	r, end := newReport(cmd, f.json)
	run, err := train(func(e graft.Event) {
		r.event(e)
		if plan, is := e.(graft.Plan); is {
			f.watch.begin(r, plan)
		}
	})
	f.watch.end()
	end()
	if err != nil {
		return run, err
	}
	if f.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(graft.DoneMetrics(run)); err != nil {
			return run, err
		}
	} else {
		printRun(cmd.OutOrStdout(), run)
	}
	if run.Interrupted {
		if !f.json {
			kept := "no epoch was finished, so there is no model"
			if run.BestEpoch > 0 {
				kept = fmt.Sprintf("the best model, of epoch %d, is kept", run.BestEpoch)
			}
			fmt.Fprintf(os.Stderr, "interrupted: %s in %s; graft resume %s goes on\n", kept, run.Dir, run.Dir)
		}
		return run, errInterrupted
	}
	return run, nil
}

// interval is that of an accuracy in words.
func interval(accuracy float64, n int) string {
	low, high := graft.Interval(accuracy, n)
	return fmt.Sprintf("(95 %% interval %.3f to %.3f, %d pictures)", low, high, n)
}

// printRun ends like the lesson's training function.
func printRun(w io.Writer, r *graft.Run) {
	if r.BestEpoch > 0 {
		fmt.Fprintf(w, "\nbest epoch %d, test acc %.3f %s\n", r.BestEpoch, r.BestTestAcc, interval(r.BestTestAcc, r.TestPictures))
		fmt.Fprintf(w, "  model   %s\n  curves  %s\n", filepath.Join(r.Dir, "best.safetensors"), filepath.Join(r.Dir, "curves.png"))
		if report := filepath.Join(r.Dir, "report.html"); exists(report) {
			fmt.Fprintf(w, "  report  %s\n", report)
		}
	}
	if r.HeadAcc != nil {
		fmt.Fprintf(w, "output layer alone: test acc %.3f\n", *r.HeadAcc)
	}
	fmt.Fprintf(w, "loss %.3f, train acc %.3f, test acc %.3f\n", r.Loss, r.TrainAcc, r.TestAcc)
	fmt.Fprintf(w, "%.1f examples/sec on %s\n", r.ImagesPerSec, r.Device)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

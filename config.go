package graft

import (
	"time"

	"graft/internal/dataset"
	"graft/internal/train"
)

// Version is this program's version; it is written into every model file.
const Version = "0.1.0"

// A Config says what to train on what, and how. The zero value of every field
// but Data is its default; a field that is set wins over the recipe.
type Config struct {
	Data    string // a folder, an archive, or a built-in set by name
	Model   string // "" is resnet18
	Weights string // "" or "auto": the model's published weights; "none": from scratch; else a file, an address, "hf:OWNER/NAME" or a folder of timm's
	From    string // a run or model file to begin with, instead of Model and Weights: classes of the same name keep their rows
	Recipe  string // "" is auto; plain, fast, d2l, scratch; or a file (see Recipe)

	Epochs        int
	Batch         int
	LR            float64
	HeadLRX       float64  // the output layer's rate is LR times this
	Momentum      *float64 // see Float
	WeightDecay   *float64
	NoParamGroups bool // one rate for all parameters
	// Adjust changes any setting of the recipe, after all of the above; nil changes none.
	Adjust func(*Recipe) `json:"-"`

	// Freeze keeps a part of the network as it is: the first N blocks as graft show
	// MODEL lists them, "all" for everything but the output layer, or names of blocks or
	// layers, separated by commas. Batch normalisation in it keeps its statistics.
	Freeze string
	// Augment is what happens to training pictures, names separated by commas as graft
	// train --help lists them; "" is crop,flip, or flip alone where Crop shows whole pictures.
	Augment string
	// Crop is how a picture of any shape becomes a square, in training, validation and
	// prediction: "" or "crop", "pad", "squash".
	Crop      string
	ImageSize int // side of that square; 0 is the model's

	// AugmentCache is how many random crops of each training picture the frozen part
	// sees, in turn from epoch to epoch; 0 is the central crop alone. Without a frozen part
	// every epoch draws crops of its own.
	AugmentCache int

	// GroupBy is a list's column: pictures with the same value stay on one side of the
	// split. "" is a column called group, if there is one.
	GroupBy   string
	SplitFile string // keeps the split: applied if the file is there, else written
	Limit     int    // training pictures of a class, drawn by Seed; 0 is all

	Split float64 // share held out of a folder without a split; 0 is 0.2, negative is nothing
	// Folds and Fold make the Fold-th (from 1) of Folds parts of the pictures the test pictures:
	// CrossValidate sets them. 0 is none.
	Folds, Fold int `json:",omitempty"`

	Seed     uint64
	Leaks    string // keep or drop: training pictures that stand in test or validation too
	AllowBad bool   // accept classes of which more than a tenth cannot be read
	// MaxPixels limits a picture's size; 0 is Pillow's limit, 89 million.
	MaxPixels  int
	EXIF       string   // apply (the default) or ignore the orientation tag
	Decode     Decoding // "" is exact
	CacheBytes int      // for decoded pictures; 0 is 384 MB, negative is none

	// Memory caps what a run holds, in bytes: network, batches, decoded pictures. A
	// batch that does not fit goes in parts whose gradients are added up: exact without
	// batch normalisation, which takes its statistics of each part. Resident memory
	// stays below Memory plus 150 MB. While the run lasts, Go's memory limit
	// (debug.SetMemoryLimit) is set accordingly. 0 is no cap.
	Memory int64

	Threads   int       // 0 is as many as there are processors
	Precision Precision // "" is Auto
	Out       string    // the run's directory; "" is runs/DATA-MODEL, numbered where that exists
	Force     bool      // replace a run that is there
	Command   []string
	// Checkpoint is the time between two checkpoints within an epoch, 0 is 5 minutes; there is
	// one after every epoch, and negative is none at all.
	Checkpoint time.Duration

	// Events hears of what happens: Plan, Checking, Fetching, Finding, Progress,
	// Epoch, Warning and Done values, from one goroutine at a time. It may be nil.
	Events func(Event) `json:"-"`
}

// A Recipe is the settings of a training run; docs/training.md explains them.
type Recipe = train.Recipe

// RecipePhase is a phase of a recipe.
type RecipePhase = train.Phased

// FindRecipe returns a recipe inside the program, or one from a file.
func FindRecipe(name string) (Recipe, error) { return train.FindRecipe(name, false) }

// RecipeNames are the recipes inside the program, the default first.
func RecipeNames() []string { return train.RecipeNames() }

// RecipeText is a recipe inside the program as a file: TOML.
func RecipeText(name string) (string, error) { return train.RecipeText(name) }

// Float is a pointer to v, for fields of Config where 0 is not the default.
func Float(v float64) *float64 { return &v }

// An Event is one of the types that Config.Events lists.
type Event any

// Events of a run; see their fields.
type (
	// Progress is how far training or evaluation has come in an epoch.
	Progress = train.Progress
	// Epoch is what an epoch ended with.
	Epoch = train.Epoch
	// Done is what the whole run ended with.
	Done = train.Done
	// Finding is something noticed about the data before training.
	Finding = dataset.Finding
)

// Checking is how many files have been opened before training.
type Checking struct{ Done, Total int }

// Fetching is how much of a download has arrived; Total is 0 when unknown.
type Fetching struct {
	What        string
	Done, Total int64
}

// Warning is something that went wrong and does not end the run.
type Warning struct{ Text string }

// Plan is what will run, every default filled in, before it starts.
type Plan struct {
	Dir, Device, Model, Weights string
	WeightsHash, Data           string
	Classes                     []string
	Train, Valid, Test          int
	ChosenOn                    string // a sentence
	Recipe                      Recipe
	Freeze                      string
	Size                        int
	Learns                      int    // side of the squares that it learns from, where the whole network learns; else Size
	Crop, Augment               string // "" where nothing was asked for
	Seed                        uint64
	Threads                     int
	Parameters, Trainable       int
	MegabytesEngine             int
	Memory                      int64 // the cap, 0 for none
	Part                        int   // pictures that go through the network at once
	PartStatistics              bool  // batch normalisation takes statistics of parts
	CacheBytes                  int   // what is left for decoded pictures
	Decode                      Decoding
}

// recipe resolves the settings: the config's, else the recipe's.
func (c *Config) recipe() (train.Recipe, error) {
	r, err := train.FindRecipe(c.Recipe, c.Weights == "none")
	if err != nil {
		return r, err
	}
	if c.Epochs != 0 {
		r.Epochs = c.Epochs
	}
	if c.Batch != 0 {
		r.Batch = c.Batch
	}
	if c.LR != 0 {
		r.LR = c.LR
	}
	if c.HeadLRX != 0 {
		r.HeadLRX = c.HeadLRX
	}
	if c.Momentum != nil {
		r.Momentum = *c.Momentum
	}
	if c.WeightDecay != nil {
		r.WeightDecay = *c.WeightDecay
	}
	if c.NoParamGroups {
		r.Groups = false
	}
	if c.Augment != "" {
		r.Augment = c.Augment
	}
	if c.Crop != "" {
		r.Crop = c.Crop
	}
	if c.Adjust != nil {
		c.Adjust(&r)
	}
	return r, r.Check()
}

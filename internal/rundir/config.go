package rundir

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"graft/internal/train"
)

// A Config is config.json: everything to run it again, and on what it ran.
type Config struct {
	Format  int       `json:"format"` // Format; marks the directory as a run
	Graft   string    `json:"graft_version"`
	Command []string  `json:"command,omitempty"`
	Started time.Time `json:"started"`

	Model    string   `json:"model"`
	Weights  Weights  `json:"weights"`
	Data     Data     `json:"data"`
	Settings Settings `json:"settings"`
	Machine  Machine  `json:"machine"`

	// Full is the recipe with every setting; Call is what the program was asked for: with both a
	// run is resumed.
	Full train.Recipe    `json:"full_recipe"`
	Call json.RawMessage `json:"call,omitempty"`
	// Extended are the epochs that were added to the recipe's.
	Extended []train.Extension `json:"extended,omitempty"`
}

// Weights says where training began.
type Weights struct {
	Asked  string `json:"asked"` // auto, none, a file or an address
	Name   string `json:"name,omitempty"`
	Source string `json:"source,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
}

// Data says on what it was trained.
type Data struct {
	Location    string   `json:"location"`
	Name        string   `json:"name"`
	Fingerprint string   `json:"fingerprint"`
	Classes     []string `json:"classes"`
	Train       int      `json:"train"`
	Val         int      `json:"val"`
	Test        int      `json:"test"`
	ChosenOn    string   `json:"best_chosen_on"` // "val", "test", or "none" where the last epoch is kept
	Findings    []string `json:"findings,omitempty"`

	Split     float64 `json:"split"`
	Leaks     string  `json:"leaks"`
	EXIF      string  `json:"exif"`
	Decode    string  `json:"decode"` // exact or fast
	AllowBad  bool    `json:"allow_bad,omitempty"`
	MaxPixels int64   `json:"max_pixels,omitempty"`
	GroupBy   string  `json:"group_by,omitempty"`
	SplitFile string  `json:"split_file,omitempty"`
	Limit     int     `json:"limit,omitempty"` // training pictures of a class
}

// Settings are the recipe as it ran, every default written out.
type Settings struct {
	Recipe      string  `json:"recipe"`
	Epochs      int     `json:"epochs"`
	Batch       int     `json:"batch"`
	LR          float64 `json:"lr"`
	HeadLRX     float64 `json:"head_lr_x"`
	Momentum    float64 `json:"momentum"`
	WeightDecay float64 `json:"weight_decay"`
	ParamGroups bool    `json:"param_groups"`
	Loss        string  `json:"loss"` // "mean" or "sum" over the batch
	Size        int     `json:"size"`
	Crop        string  `json:"crop,omitempty"`    // pad or squash
	Augment     string  `json:"augment,omitempty"` // "" is crop,flip, with whole pictures flip
	Seed        uint64  `json:"seed"`
	Threads     int     `json:"threads"`
	Freeze      string  `json:"freeze,omitempty"`
	Memory      int64   `json:"memory,omitempty"` // the cap in bytes
	Part        int     `json:"part,omitempty"`   // of a batch, where it goes in parts: bits depend on it
}

// Machine is where it ran.
type Machine struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	CPU    string `json:"cpu,omitempty"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
	Device string `json:"device"`
}

// A NewerError refuses a file of a later program.
type NewerError struct {
	Path   string
	Format string
	By     string // the version that wrote it
}

func (e *NewerError) Error() string {
	by := ""
	if e.By != "" {
		by = ", written by graft " + e.By
	}
	return fmt.Sprintf("%s has format %s%s; this graft reads up to %d: use a newer graft", e.Path, e.Format, by, Format)
}

func readConfig(dir string) (*Config, error) {
	path := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var head struct {
		Format *int   `json:"format"`
		Graft  string `json:"graft_version"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if head.Format == nil || head.Graft == "" {
		return nil, fmt.Errorf("%s is not the config of a run", path)
	}
	if *head.Format > Format {
		return nil, &NewerError{path, fmt.Sprint(*head.Format), head.Graft}
	}
	c := new(Config)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// BeganWith is the weights that the run at a path was asked to begin with: auto,
// none, a file or an address; "" where the path is no run's directory.
func BeganWith(path string) string {
	c, err := readConfig(path)
	if err != nil {
		return ""
	}
	return c.Weights.Asked
}

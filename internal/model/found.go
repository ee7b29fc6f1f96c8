package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"graft/internal/fetch"
	"graft/internal/transform"
	"graft/internal/weights"
)

// Found are weights with the preprocessing they were trained for, as timm
// publishes them: config.json beside model.safetensors.
type Found struct {
	State      *weights.StateDict
	Preprocess transform.Preprocess
}

// Open returns what asked names: "hf:OWNER/NAME", a repository at Hugging Face, or
// a folder with the two files. ok is false where it names neither.
func (m *Model) Open(ctx context.Context, asked string, progress func(file string, done, total int64)) (f *Found, ok bool, err error) {
	repo, ok := strings.CutPrefix(asked, "hf:")
	info, e := os.Stat(asked)
	folder := !ok && asked != "auto" && asked != "none" && e == nil && info.IsDir()
	if !ok && !folder {
		return nil, false, nil
	}
	var paths []string
	for _, name := range []string{"config.json", "model.safetensors"} {
		path := filepath.Join(asked, name)
		if ok {
			file, err := fetch.HuggingFace(repo, name)
			if err != nil {
				return nil, true, fmt.Errorf("--weights %s: %w", asked, err)
			}
			if path, err = fetch.Get(ctx, file, func(done, total int64) { progress(file.Name, done, total) }); err != nil {
				return nil, true, fmt.Errorf("--weights %s: %w", asked, err)
			}
		}
		paths = append(paths, path)
	}
	f = &Found{}
	if f.Preprocess, err = m.readConfig(paths[0]); err == nil {
		f.State, err = weights.Open(paths[1])
	}
	if folder && errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (a folder of weights holds config.json and model.safetensors)", err)
	}
	if err != nil {
		return nil, true, fmt.Errorf("--weights %s: %w", asked, err)
	}
	return f, true, nil
}

// aliases are timm's names of models that have another here.
var aliases = map[string]string{
	"efficientnet_b0": "efficientnet_b0", "mobilenetv2_100": "mobilenet_v2", "regnety_004": "regnet_y_400mf",
	"vit_base_patch16_224": "vit_b_16", "convnext_tiny": "convnext_tiny",
}

// A timmConfig is what is read of a config.json.
type timmConfig struct {
	Architecture string
	Cfg          struct {
		Input         []int `json:"input_size"`
		Interpolation string
		CropPct       float64 `json:"crop_pct"`
		Mean, Std     []float32
	} `json:"pretrained_cfg"`
}

// readConfig is the preprocessing that a config.json of timm's asks for.
func (m *Model) readConfig(path string) (transform.Preprocess, error) {
	p := m.Preprocess()
	b, err := os.ReadFile(path)
	if err != nil {
		return p, err
	}
	var c timmConfig
	if err := json.Unmarshal(b, &c); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	arch := c.Architecture
	if a, ok := aliases[arch]; ok {
		arch = a
	}
	switch {
	case arch == "":
		return p, fmt.Errorf("%s names no architecture: it is no config.json of timm's", path)
	case arch != m.Name:
		return p, fmt.Errorf("%s: these are weights of %s, the model is %s", path, c.Architecture, m.Name)
	}
	if in := c.Cfg.Input; len(in) == 3 {
		if in[0] != 3 || in[1] != in[2] || in[1] < 1 {
			return p, fmt.Errorf("%s: input of %v is no square of three colours", path, in)
		}
		p.Crop = in[1]
	}
	if pct := c.Cfg.CropPct; pct != 0 {
		if !(pct > 0.1 && pct <= 1) {
			return p, fmt.Errorf("%s: crop_pct of %g is not between 0.1 and 1", path, pct)
		}
		p.Resize = int(math.Floor(float64(p.Crop) / pct))
	}
	if c.Cfg.Interpolation != "" {
		p.Interpolation = c.Cfg.Interpolation
	}
	for _, v := range []struct {
		to   *[3]float32
		from []float32
	}{{&p.Mean, c.Cfg.Mean}, {&p.Std, c.Cfg.Std}} {
		if len(v.from) == 3 {
			*v.to = [3]float32(v.from)
		}
	}
	if err := p.Validate(); err != nil {
		return p, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

package rundir

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"graft/internal/weights"
)

// FeaturesFile has what the best model's body makes of the training pictures, once they were
// asked for.
const FeaturesFile = "features.safetensors"

const (
	keyFeaturesOf = "graft.features_of"
	keyPictures   = "graft.pictures"
)

// Features are rows of as many values a picture.
type Features struct {
	Of       string           // SHA-256 of the model file that made them
	Pictures []FeaturePicture // a row each
	Values   []float32
}

// A FeaturePicture is whose features a row has.
type FeaturePicture struct {
	Path  string `json:"path"`
	Label string `json:"label"`
}

// WriteFeatures keeps features in a run directory.
func WriteFeatures(run string, f *Features) error {
	pictures, err := json.Marshal(f.Pictures)
	if err != nil {
		return err
	}
	n := max(len(f.Pictures), 1)
	t := []weights.Tensor{{Name: "features", Shape: []int{len(f.Pictures), len(f.Values) / n}, Data: f.Values}}
	meta := map[string]string{keyFeaturesOf: f.Of, keyPictures: string(pictures)}
	return writeFile(filepath.Join(run, FeaturesFile), func(w io.Writer) error { return weights.WriteSafetensors(w, t, meta) })
}

// ReadFeatures returns the features that a run keeps.
func ReadFeatures(run string) (*Features, error) {
	path := filepath.Join(run, FeaturesFile)
	state, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	f := &Features{Of: state.Metadata[keyFeaturesOf]}
	if err := json.Unmarshal([]byte(state.Metadata[keyPictures]), &f.Pictures); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, keyPictures, err)
	}
	t, ok := state.Get("features")
	if !ok || len(t.Shape) != 2 || t.Shape[0] != len(f.Pictures) {
		return nil, fmt.Errorf("%s: its features are not a row for each of %d pictures", path, len(f.Pictures))
	}
	f.Values = t.Data
	return f, nil
}

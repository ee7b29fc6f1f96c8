package dataset

import (
	"bytes"
	"context"
	_ "embed" // for clothing.zip
	"os"
	"slices"

	"graft/internal/fetch"
)

// clothingZip holds 390 photographs of trousers, shoes and T-shirts (CC0 1.0, from
// clothing-dataset-small of Alexey Grigorev and its contributors, commit
// 11961516), split so that no contributor is on both sides. The manifest inside names each one's contributor. Made by
// clothing_gen.go; stored, not compressed.
//
//go:generate go run clothing_gen.go ../../../shared/data/clothing clothing.zip
//go:embed clothing.zip
var clothingZip []byte

// A builtin is a dataset known by name.
type builtin struct {
	name, about string
	open        func(context.Context, Options) (source, []entry, []Finding, error)
	classes     map[string]string // names for people, by folder; nil where the folders have them
}

var builtIns = []builtin{
	{"clothing", "390 photographs of pants, shoes and t-shirts, inside the program", openClothing, nil},
	{"hotdog", "2,800 photographs, hot dog or not, downloaded once", opener(&hotdogFile), nil},
	{"hymenoptera", "about 400 photographs of ants and bees, downloaded once", opener(&hymenopteraFile), nil},
	{"imagenette", "13,394 photographs of ten ImageNet classes, 320 pixels, downloaded once", opener(&imagenetteFile), imagenetteClasses},
	{"imagenette-160", "the same at 160 pixels", opener(&imagenette160File), imagenetteClasses},
}

// BuiltIns are the names of the built-in sets.
func BuiltIns() []string {
	var names []string
	for _, b := range builtIns {
		names = append(names, b.name)
	}
	return names
}

func builtIn(name string) *builtin {
	for i := range builtIns {
		if builtIns[i].name == name {
			return &builtIns[i]
		}
	}
	return nil
}

func openClothing(context.Context, Options) (source, []entry, []Finding, error) {
	return listZip(bytes.NewReader(clothingZip), int64(len(clothingZip)), "clothing/", "")
}

// hotdogFile is the set of "Dive into Deep Learning", section Fine-Tuning.
var hotdogFile = fetch.File{
	Name: "hotdog.zip",
	URL:  "http://d2l-data.s3-accelerate.amazonaws.com/hotdog.zip",
	SHA1: "fba480ffa8aa7e0febbb511d181409f899b9baa5",
}

// hymenopteraFile is the set of PyTorch's transfer learning tutorial; the sum is that of
// .jenkins/download_data.py in pytorch/tutorials.
var hymenopteraFile = fetch.File{
	Name:   "hymenoptera_data.zip",
	URL:    "https://download.pytorch.org/tutorial/hymenoptera_data.zip",
	SHA256: "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209",
}

// Imagenette (Howard 2019), as torchvision.datasets.Imagenette fetches it; MD5 is
// the only sum that is published.
var (
	imagenetteFile = fetch.File{
		Name: "imagenette2-320.tgz",
		URL:  "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz",
		MD5:  "3df6f0d01a2c9592104656642f5e78a3",
	}
	imagenette160File = fetch.File{
		Name: "imagenette2-160.tgz",
		URL:  "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz",
		MD5:  "e793b78cc4c9e9a4ccc0c1155377a412",
	}
)

// imagenetteClasses are torchvision's names of its folders.
var imagenetteClasses = map[string]string{
	"n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player", "n03000684": "chain saw", "n03028079": "church",
	"n03394916": "French horn", "n03417042": "garbage truck", "n03425413": "gas pump", "n03445777": "golf ball", "n03888257": "parachute",
}

// opener opens an archive that is fetched first.
func opener(f *fetch.File) func(context.Context, Options) (source, []entry, []Finding, error) {
	return func(ctx context.Context, o Options) (source, []entry, []Finding, error) {
		path, err := fetch.Get(ctx, *f, o.FetchProgress)
		if err != nil {
			return nil, nil, nil, err
		}
		info, err := os.Stat(path)
		if err != nil {
			return nil, nil, nil, err
		}
		return listArchive(ctx, path, info)
	}
}

// rename gives classes other names, and puts them in order again.
func (d *Dataset) rename(names map[string]string) error {
	for i, class := range d.Classes {
		if name := names[class]; name != "" {
			d.Classes[i] = name
		}
	}
	return d.Relabel(slices.Sorted(slices.Values(d.Classes)))
}

package dataset

import (
	"bytes"
	"context"
	_ "embed" // for clothing.zip
	"os"

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
}

var builtIns = []builtin{
	{"clothing", "390 photographs of pants, shoes and t-shirts, inside the program", openClothing},
	{"hotdog", "2,800 photographs, hot dog or not, downloaded once", openHotdog},
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

func openHotdog(ctx context.Context, o Options) (source, []entry, []Finding, error) {
	path, err := fetch.Get(ctx, hotdogFile, o.FetchProgress)
	if err != nil {
		return nil, nil, nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, nil, err
	}
	return listArchive(ctx, path, info)
}

//go:build ignore

// This program writes the clothing photographs as the zip archive that is
// embedded, in the parts that their manifest names, with the manifest and the
// licence: go run clothing_gen.go FOLDER clothing.zip. The same photographs give
// the same bytes.
package main

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"log"
	"os"
	"path/filepath"
	"slices"
)

const licence = `Photographs of clothing from clothing-dataset-small by Alexey Grigorev and its
contributors (github.com/alexeygrigorev/clothing-dataset-small, commit 11961516).
Dedicated to the public domain: CC0 1.0,
https://creativecommons.org/publicdomain/zero/1.0/
`

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go run clothing_gen.go FOLDER TO.zip")
	}
	manifest, err := os.ReadFile(filepath.Join(os.Args[1], "manifest.csv"))
	if err != nil {
		log.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(manifest)).ReadAll()
	if err != nil {
		log.Fatal(err)
	}
	files := map[string][]byte{"LICENSE.txt": []byte(licence), "manifest.csv": manifest}
	for _, r := range rows[1:] { // class, file, source path, contributor, split
		b, err := os.ReadFile(filepath.Join(os.Args[1], r[0], r[1]))
		if err != nil {
			log.Fatal(err)
		}
		files[r[4]+"/"+r[0]+"/"+r[1]] = b
	}
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write(files[name])
		}
		if err != nil {
			log.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(os.Args[2], out.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

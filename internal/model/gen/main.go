// Gen writes a PyTorch weight file as a half-precision safetensors file, to be
// embedded: gen FROM.pth TO.safetensors.
package main

import (
	"bytes"
	"log"
	"os"

	"graft/internal/weights"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: gen FROM.pth TO.safetensors")
	}
	sd, err := weights.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var tensors []weights.Tensor
	for _, name := range sd.Names() {
		t, _ := sd.Get(name)
		t.DType = "F16"
		tensors = append(tensors, t)
	}
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, tensors, map[string]string{"format": "pt"}); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(os.Args[2], b.Bytes(), 0o644); err != nil {
		log.Fatal(err)
	}
}

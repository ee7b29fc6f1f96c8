package graft_test

import (
	"context"
	"fmt"
	"image"
	"log"
	"os"

	"graft"

	_ "image/jpeg"
)

// Fine-tune a network on the built-in photographs, then ask it about one.
func Example() {
	dir, err := os.MkdirTemp("", "graft")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	run, err := graft.Train(context.Background(), graft.Config{
		Data: "clothing", Model: "resnet20", Weights: "none", // small and quick, for the example's sake
		Epochs: 1, Batch: 32, Out: dir + "/run",
	})
	if err != nil {
		log.Fatal(err)
	}
	classifier, err := graft.Open(run.Dir)
	if err != nil {
		log.Fatal(err)
	}
	defer classifier.Close()
	fmt.Println(classifier.Model, classifier.Classes)
	// Output: resnet20 [pants shoes t-shirt]
}

// Classify a picture inside another program.
func ExampleClassifier_Predict() {
	classifier, err := graft.Open("runs/photos-resnet18")
	if err != nil {
		fmt.Println("train first: graft train photos/")
		return
	}
	defer classifier.Close()
	f, err := os.Open("new.jpg")
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		log.Fatal(err)
	}
	predictions, err := classifier.Predict(context.Background(), img)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s %.2f\n", predictions[0].Label, predictions[0].Prob)
	// Output: train first: graft train photos/
}

// Follow a run as it goes.
func ExampleTrain() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // as Ctrl-C would
	_, err := graft.Train(ctx, graft.Config{
		Data: "clothing", Model: "resnet20", Weights: "none",
		Events: func(e graft.Event) {
			if epoch, ok := e.(graft.Epoch); ok {
				fmt.Println(epoch.Epoch, epoch.Test.Accuracy)
			}
		},
	})
	fmt.Println(err)
	// Output: clothing: context canceled
}

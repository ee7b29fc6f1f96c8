package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"graft"

	"github.com/spf13/cobra"
)

// crossValidate runs a cross-validation and prints what it came to.
func (f *trainFlags) crossValidate(cmd *cobra.Command, run func(events func(graft.Event)) (*graft.Folds, error)) error {
	r, end := newReport(cmd, f.json)
	folds, err := run(r.event)
	end()
	switch {
	case err != nil:
		return err
	case folds.Interrupted:
		fmt.Fprintf(os.Stderr, "interrupted: graft resume %s goes on\n", folds.Run)
		return errInterrupted
	case f.json:
		return json.NewEncoder(cmd.OutOrStdout()).Encode(folds.FoldsResult)
	}
	printFolds(cmd.OutOrStdout(), folds)
	return nil
}

func printFolds(w io.Writer, f *graft.Folds) {
	fmt.Fprintf(w, "\n%d folds: accuracy %.3f %s, %.3f to %.3f by fold\n", f.Folds, f.Accuracy, interval(f.Accuracy, f.N), slices.Min(f.Accuracies), slices.Max(f.Accuracies))
	if f.ChosenOn == "test" {
		fmt.Fprintln(w, "each fold's best epoch was chosen on its test part, so this is a little flattering: --validation 0.1 keeps pictures apart for that")
	}
	fmt.Fprintf(w, "  answers  %s: every picture, by the model that did not learn from it\n", f.Run+"/predictions.jsonl")
	fmt.Fprintf(w, "next: train on everything, and expect about this accuracy or a little more:\n  %s\n", onEverything(f.Command))
}

// onEverything is the command that trains on all pictures, with the flags of the cross-validation.
func onEverything(command []string) string {
	words := []string{"graft"}
	for i := 1; i < len(command); i++ {
		word := command[i]
		name, _, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if strings.HasPrefix(word, "-") && slices.Contains([]string{"folds", "out", "split"}, name) {
			if !joined {
				i++
			}
			continue
		}
		if strings.HasPrefix(word, "-") && name == "force" {
			continue
		}
		if strings.ContainsAny(word, " '\"$*?") {
			word = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		words = append(words, word)
	}
	return strings.Join(append(words, "--split", "0"), " ")
}

func (r *report) fold(f graft.Fold) {
	finished := ""
	if f.Finished {
		finished = ": finished before"
	}
	if r.json {
		_ = json.NewEncoder(r.out).Encode(map[string]any{"event": "fold", "fold": f.Number, "of": f.Of, "run": f.Dir, "finished": f.Finished})
		return
	}
	r.line("fold %d of %d%s", f.Number, f.Of, finished)
}

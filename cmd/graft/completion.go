package main

import (
	"strings"

	"graft"
	"graft/internal/dataset"
	"graft/internal/model"

	"github.com/spf13/cobra"
)

// complete tells shells (graft completion) what may follow: names of networks, recipes,
// built-in sets, choices. Everything else is a file.
func complete(root *cobra.Command) {
	choices := map[string][]string{
		"model": modelNames(), "recipe": graft.RecipeNames(), "precision": {"auto", "fp32", "bf16"}, "weights": {"auto", "none"},
		"crop": {"crop", "pad", "squash"}, "leaks": {"keep", "drop"}, "exif": {"apply", "ignore"}, "decode": {"exact", "fast"},
		"optimiser": {"sgd", "adamw"}, "schedule": {"constant", "cosine", "step", "onecycle", "plateau"}, "only": {"train", "infer"}, "choose": {"accuracy", "loss", "last"},
	}
	arguments := map[string][]string{
		"train": dataset.BuiltIns(), "lr-find": dataset.BuiltIns(), "check": dataset.BuiltIns(), "plan": modelNames(), "bench": modelNames(),
		"show": append(modelNames(), dataset.BuiltIns()...),
	}
	for _, c := range root.Commands() {
		for flag, names := range choices {
			if c.Flags().Lookup(flag) != nil {
				// The flag exists, the only thing that could be wrong.
				_ = c.RegisterFlagCompletionFunc(flag, completions(names))
			}
		}
		if names := arguments[c.Name()]; names != nil {
			c.ValidArgsFunction = completions(names)
		}
	}
}

// completions offers names that begin as what was typed, and files.
func completions(names []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) (list []string, d cobra.ShellCompDirective) {
		for _, n := range names {
			if strings.HasPrefix(n, typed) {
				list = append(list, n)
			}
		}
		return list, cobra.ShellCompDirectiveDefault
	}
}

func modelNames() (names []string) {
	for _, m := range model.All() {
		names = append(names, m.Name)
	}
	return names
}

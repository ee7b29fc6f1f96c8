package main

import (
	"fmt"

	"graft"

	"github.com/spf13/cobra"
)

func newRecipe() *cobra.Command {
	c := &cobra.Command{
		Use:   "recipe",
		Short: "List the recipes, or print one to change",
		Long: `A recipe is the settings of a training run: a small TOML file whose names are those of graft train's flags.
graft recipe show auto > mine.toml writes one down; graft train DATA --recipe mine.toml uses it.`,
		Example: "  graft recipe\n  graft recipe show auto > mine.toml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, name := range graft.RecipeNames() {
				r, err := graft.FindRecipe(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(c.OutOrStdout(), "%-9s%s\n", name, r.About)
			}
			return nil
		},
	}
	show := &cobra.Command{
		Use: "show NAME", Short: "Print a recipe's file", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := graft.RecipeText(args[0])
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprint(c.OutOrStdout(), text)
			return err
		},
	}
	c.AddCommand(show)
	wrapArgs(show)
	return c
}

package train

import (
	"embed"
	"fmt"
	"os"
	"strings"

	"graft/internal/spelling"

	"github.com/BurntSushi/toml"
)

//go:embed recipes/*.toml
var recipeFiles embed.FS

// RecipeNames are the recipes inside the program, the default first.
func RecipeNames() []string { return []string{"auto", "plain", "fast", "d2l", "scratch"} }

// RecipeText is the file of a recipe inside the program.
func RecipeText(name string) (string, error) {
	text, err := recipeFiles.ReadFile("recipes/" + name + ".toml")
	if err != nil {
		return "", fmt.Errorf("no recipe is called %q%s; there are %s", name, spelling.Suggestion(name, RecipeNames()), strings.Join(RecipeNames(), ", "))
	}
	return string(text), nil
}

// FindRecipe returns a recipe by its name or, where the name has a dot or a slash, from a
// file. "" is the default: auto, or scratch for training without pretrained weights. d2l
// from scratch follows the lesson: ten times the rate, no groups.
func FindRecipe(name string, scratch bool) (Recipe, error) {
	if name == "" {
		name = "auto"
		if scratch {
			name = "scratch"
		}
	}
	if strings.ContainsAny(name, "./\\") {
		text, err := os.ReadFile(name)
		if err != nil {
			return Recipe{}, fmt.Errorf("--recipe: %w (recipes inside the program: %s)", err, strings.Join(RecipeNames(), ", "))
		}
		return ParseRecipe(name, string(text))
	}
	text, err := RecipeText(name)
	if err != nil {
		return Recipe{}, err
	}
	r, err := ParseRecipe(name, text)
	if name == "d2l" && scratch {
		r.LR, r.Groups = 5e-4, false
	}
	return r, err
}

// ParseRecipe reads a recipe's file. A setting that it leaves out is plain's; one that does
// not exist is an error.
func ParseRecipe(name, text string) (Recipe, error) {
	r := Recipe{Name: name, Beta2: 0.999, Eps: 1e-8, Gamma: 0.1, StepEpochs: 10, Plateau: 2, MixEnd: 0.1}
	plain, err := RecipeText("plain")
	if err != nil {
		return r, err
	}
	if _, err := toml.Decode(plain, &r); err != nil {
		return r, err
	}
	r.About = ""
	meta, err := toml.Decode(text, &r)
	if err != nil {
		return r, fmt.Errorf("recipe %s: %w", name, err)
	}
	if extra := meta.Undecoded(); len(extra) > 0 {
		return r, fmt.Errorf("recipe %s has a setting %q that does not exist: graft recipe show auto has examples", name, extra[0])
	}
	if err := r.Check(); err != nil {
		return r, fmt.Errorf("recipe %s: %w", name, err)
	}
	return r, nil
}

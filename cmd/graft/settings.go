package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"graft/internal/spelling"

	"github.com/BurntSushi/toml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addConfig gives every command --config: flags from a file. Those on the command line win.
func addConfig(root *cobra.Command) {
	var path string
	root.PersistentFlags().StringVar(&path, "config", "", "take flags from a TOML FILE: model = \"resnet50\" for every command that has the flag, or in a table of the command, [train]")
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error {
		if path == "" {
			return nil
		}
		if err := applyConfig(c, path); err != nil {
			return usageError{fmt.Errorf("--config %s: %w", path, err)}
		}
		return nil
	}
}

// applyConfig sets the flags of c that a file names and the command line does not.
func applyConfig(c *cobra.Command, path string) error {
	file := map[string]any{}
	if _, err := toml.DecodeFile(path, &file); err != nil {
		return err
	}
	commands := commandNames(c.Root())
	general, own := map[string]any{}, map[string]any{}
	for key, value := range file {
		table, ok := value.(map[string]any)
		switch {
		case !ok:
			general[key] = value
		case !slices.Contains(commands, key):
			return fmt.Errorf("[%s] is no command%s", key, spelling.Suggestion(key, commands))
		case key == c.Name():
			own = table
		}
	}
	for _, key := range sortedKeys(general) {
		if _, here := own[key]; here {
			continue
		}
		if c.Flags().Lookup(key) == nil {
			if err := someCommandHas(c.Root(), key); err != nil {
				return err
			}
			continue
		}
		own[key] = general[key]
	}
	for _, key := range sortedKeys(own) {
		f := c.Flags().Lookup(key)
		if f == nil || key == "config" || key == "help" {
			return fmt.Errorf("graft %s has no flag --%s%s", c.Name(), key, spelling.Suggestion(key, flagNames(c.Flags())))
		}
		if f.Changed {
			continue
		}
		text, err := flagText(own[key])
		if err == nil {
			err = c.Flags().Set(key, text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

// flagText is a value as it would be typed.
func flagText(v any) (string, error) {
	switch v := v.(type) {
	case string, bool, int64, float64:
		return fmt.Sprint(v), nil
	case []any:
		var parts []string
		for _, e := range v {
			part, err := flagText(e)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("%v is neither text, a number, true, false nor a list of these", v)
}

// someCommandHas is an error where no command has a flag.
func someCommandHas(root *cobra.Command, name string) error {
	var all []string
	for _, c := range root.Commands() {
		all = append(all, flagNames(c.Flags())...)
	}
	if slices.Contains(all, name) {
		return nil
	}
	return fmt.Errorf("no command has a flag --%s%s", name, spelling.Suggestion(name, all))
}

func commandNames(root *cobra.Command) (names []string) {
	for _, c := range root.Commands() {
		names = append(names, c.Name())
	}
	return names
}

func flagNames(p *pflag.FlagSet) (names []string) {
	p.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

func sortedKeys(m map[string]any) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// flagError is a mistake in flags, with what was probably meant.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if s := spelling.Suggestion(unknown.GetSpecifiedName(), flagNames(c.Flags())); s != "" {
			return usageError{fmt.Errorf("%w%s", err, s)}
		}
	}
	return usageError{fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
}

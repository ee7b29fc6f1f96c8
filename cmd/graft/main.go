// Command graft fine-tunes image classifiers on a CPU: flags and printing
// around package graft, one file a subcommand.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"

	"graft"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

// errInterrupted ends a command that Ctrl-C ended, after it has said so.
var errInterrupted = errors.New("interrupted")

// errSaid ends a command with failure that has been reported already.
var errSaid = errors.New("failed")

// A usageError is a mistake in the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func main() { os.Exit(run()) }

func run() int {
	// Buffers are few, large and kept; collecting early keeps garbage small beside them.
	debug.SetGCPercent(20)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	// The first Ctrl-C ends the work in order, the second at once.
	context.AfterFunc(ctx, stop)
	root := newRoot()
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errSaid):
		return exitFailed
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "graft: interrupted")
		return exitInterrupted
	}
	fmt.Fprintf(os.Stderr, "graft: %v\n", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "graft",
		Short:         "Make an image classifier from a few hundred photographs, on a CPU",
		Long:          "Graft takes a network trained on ImageNet, grafts a new output layer on for the classes of your\nfolders of photographs, and fine-tunes the whole on this computer's processor.",
		Example:       "  graft demo                                   see it work, offline, in about a minute\n  graft train photos/ --model squeezenet1_1    photos/CLASS/*.jpg, or photos/train/CLASS and photos/test/CLASS\n  graft predict runs/photos-squeezenet1_1 new.jpg",
		Version:       graft.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(flagError)
	addConfig(root)
	root.AddCommand(
		newTrain(),
		newResume(),
		newExtend(),
		newCompare(),
		newRecipe(), newLRFind(),
		newDashboard(), newCurves(),
		newDemo(),
		newEval(),
		newPredict(),
		newExport(),
		newExplain(),
		newServe(),
		newReportCommand(),
		newShow(),
		newCheck(),
		newModels(),
		newPlan(),
		newBench(),
		newDoctor(),
		newVersion(),
		newHelpJSON(),
	)
	for _, c := range root.Commands() {
		wrapArgs(c)
	}
	complete(root)
	return root
}

// wrapArgs makes wrong arguments usage errors.
func wrapArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		return
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{fmt.Errorf("%w (usage: graft %s)", err, c.Use)}
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), graft.Version)
			return err
		},
	}
}

// terminal reports whether a person watches standard error.
func terminal() bool { return term.IsTerminal(int(os.Stderr.Fd())) }

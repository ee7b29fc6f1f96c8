package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"graft"

	"github.com/spf13/cobra"
)

func newCheck() *cobra.Command {
	var c graft.CheckConfig
	var asJSON bool
	var fixList string
	var most int
	cmd := &cobra.Command{
		Use:   "check DATA",
		Short: "Say what is wrong with pictures: damage, copies, leaks, odd ones, balance",
		Long: `Opens every picture of DATA and says what is wrong: files that cannot be read or are cut short; copies, of the same
bytes or scaled and compressed again, within a part, between training and what it is judged by, or under two labels;
tiny, dark, blurred and oddly shaped pictures; wrong endings; pictures that only their EXIF tag turns upright; the balance
of the classes; with --run, labels that are likely wrong, and how many there may be. No file of DATA is changed. docs/data.md has the methods and what they find in real pictures.`,
		Example: "  graft check photos/\n  graft check photos/ --sheets sheets/ --fix-list fix.csv\n  graft check photos/ --run runs/photos-resnet18",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if most < 0 || c.Threads < 0 || c.MaxPixels < 0 {
				return usageError{fmt.Errorf("--most, --threads and --max-pixels cannot be negative")}
			}
			if c.EXIF != "apply" && c.EXIF != "ignore" {
				return usageError{fmt.Errorf("--exif %s: there are apply, ignore", c.EXIF)}
			}
			c.Data = args[0]
			report, end := newReport(cmd, asJSON)
			c.Events = report.event
			r, err := graft.Check(cmd.Context(), c)
			end()
			if err != nil {
				return err
			}
			if fixList != "" {
				if err := writeFixList(r, fixList); err != nil {
					return err
				}
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
			}
			return printCheck(cmd.OutOrStdout(), r, most, fixList)
		},
	}
	p := cmd.Flags()
	p.StringVar(&c.Run, "run", "", "run or model file whose network says which labels are likely wrong")
	p.StringVar(&c.Sheets, "sheets", "", "folder for contact sheets, one a kind of finding")
	p.StringVar(&fixList, "fix-list", "", "CSV file to write: path, problem, advice, part, class, copy_of, why")
	p.IntVar(&most, "most", 10, "of each finding to print")
	p.StringVar(&c.EXIF, "exif", "apply", "orientation tag: apply, or ignore as torchvision does")
	p.IntVar(&c.MaxPixels, "max-pixels", 0, "do not open larger pictures (default 89478485)")
	p.IntVar(&c.Threads, "threads", 0, "processors to use (default all)")
	p.BoolVar(&asJSON, "json", false, "one JSON object (see graft help json)")
	return cmd
}

func writeFixList(r *graft.CheckReport, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	err = r.WriteFixList(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func printCheck(w io.Writer, r *graft.CheckReport, most int, fixList string) error {
	fmt.Fprintf(w, "%s: %d pictures, %d classes\n", r.Data, r.Pictures, len(r.Classes))
	if err := r.WriteText(w, most); err != nil {
		return err
	}
	if len(r.Sheets) > 0 {
		fmt.Fprintf(w, "contact sheets: %d in %s\n", len(r.Sheets), filepath.Dir(r.Sheets[0]))
	}
	if fixList != "" {
		fmt.Fprintf(w, "fix list: %s\n", fixList)
	}
	return nil
}

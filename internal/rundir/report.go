package rundir

import (
	"io"
	"path/filepath"
)

// ReportFile is the report for people.
const ReportFile = "report.html"

// ReportPath is where a run has its report.
func ReportPath(run string) string { return filepath.Join(run, ReportFile) }

// WriteReport replaces a run's report by what write gives.
func WriteReport(run string, write func(io.Writer) error) error {
	return writeFile(ReportPath(run), write)
}

package rundir

import "graft/internal/train"

// Extend writes down that a finished run goes on: its metrics have no end any more, then its
// config has the extensions.
func (d *Dir) Extend(all []train.Extension) error {
	if err := d.writeMetrics(); err != nil {
		return err
	}
	d.Config.Extended = all
	return writeJSON(d.file(ConfigFile), d.Config)
}

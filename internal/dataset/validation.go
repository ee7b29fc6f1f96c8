package dataset

import "fmt"

// HoldValidation moves a share of each class from training to validation, as a split
// off a whole folder is drawn: by the seed and the pictures' paths, copies and groups together. It does
// nothing where there are validation pictures, and none where a class cannot spare one.
func (d *Dataset) HoldValidation(share float64, seed uint64) error {
	if len(d.Valid) > 0 || share == 0 {
		return nil
	}
	if !(share > 0 && share < 1) {
		return fmt.Errorf("a validation share of %g is not between 0 and 1", share)
	}
	seed++ // not the lots of the test pictures
	var stay, held []Sample
	if len(d.groups) > 0 {
		stay, held = d.drawGroups(share, seed)
	} else {
		byClass := make([][]Sample, len(d.Classes))
		for _, s := range d.Train {
			byClass[s.Class] = append(byClass[s.Class], s)
		}
		for _, samples := range byClass {
			s, h := d.draw(samples, share, seed)
			stay, held = append(stay, s...), append(held, h...)
		}
	}
	if len(held) == 0 {
		return nil
	}
	d.Train, d.Valid, d.Validated = stay, held, true
	d.sort()
	d.Fingerprint = d.fingerprint()
	return nil
}

package transform

import (
	"math"
	"math/rand/v2"
)

// Manipulate is one operation of torchvision's automatic augmentations, by its name
// there: shears by a tangent, translations in pixels, rotation in degrees, the mixes by
// their factor less 1, posterising to a number of bits, solarising from a threshold.
func Manipulate(p *Picture, op string, magnitude float64) *Picture {
	degrees := math.Atan(magnitude) * 180 / math.Pi
	switch op {
	case "ShearX":
		return Affine(p, Affinity{Scale: 1, Shear: [2]float64{degrees, 0}, TopLeft: true})
	case "ShearY":
		return Affine(p, Affinity{Scale: 1, Shear: [2]float64{0, degrees}, TopLeft: true})
	case "TranslateX":
		return Affine(p, Affinity{Scale: 1, Shift: [2]float64{math.Trunc(magnitude), 0}})
	case "TranslateY":
		return Affine(p, Affinity{Scale: 1, Shift: [2]float64{0, math.Trunc(magnitude)}})
	case "Rotate":
		return Rotate(p, magnitude)
	case "Brightness":
		return AdjustBrightness(p, 1+magnitude)
	case "Color":
		return AdjustSaturation(p, 1+magnitude)
	case "Contrast":
		return AdjustContrast(p, 1+magnitude)
	case "Sharpness":
		return AdjustSharpness(p, 1+magnitude)
	case "Posterize":
		return Posterize(p, int(magnitude))
	case "Solarize":
		return Solarize(p, magnitude)
	case "AutoContrast":
		return AutoContrast(p)
	case "Equalize":
		return Equalize(p)
	}
	return p // Identity
}

// bins is the number of magnitudes of an automatic augmentation.
const bins = 31

// A manipulation is an operation with its magnitudes: from, to, over all bins.
type manipulation struct {
	op       string
	from, to float64
	signed   bool // either way, by chance
	bits     bool // 8 less the rounded magnitude
}

func (m *manipulation) at(bin int) float64 {
	if m.bits {
		return 8 - math.RoundToEven(float64(bin)/((bins-1)/m.to))
	}
	return m.from + (m.to-m.from)*float64(bin)/(bins-1)
}

// manipulations are the operations of TrivialAugmentWide and RandAugment.
func manipulations(shear, shiftX, shiftY, rotate, mix, bits float64) []manipulation {
	return []manipulation{
		{"Identity", 0, 0, false, false},
		{"ShearX", 0, shear, true, false}, {"ShearY", 0, shear, true, false},
		{"TranslateX", 0, shiftX, true, false}, {"TranslateY", 0, shiftY, true, false},
		{"Rotate", 0, rotate, true, false},
		{"Brightness", 0, mix, true, false}, {"Color", 0, mix, true, false}, {"Contrast", 0, mix, true, false}, {"Sharpness", 0, mix, true, false},
		{"Posterize", 0, bits, false, true},
		{"Solarize", 255, 0, false, false},
		{"AutoContrast", 0, 0, false, false}, {"Equalize", 0, 0, false, false},
	}
}

func (m *manipulation) apply(p *Picture, bin int, r *rand.Rand) *Picture {
	v := m.at(bin)
	if m.signed && r.IntN(2) == 1 {
		v = -v
	}
	return Manipulate(p, m.op, v)
}

func trivialOperations() []manipulation { return manipulations(0.99, 32, 32, 135, 0.99, 6) }

func randOperations(w, h int) []manipulation {
	return manipulations(0.3, 150./331*float64(w), 150./331*float64(h), 30, 0.9, 4)
}

// TrivialAugmentWide is torchvision's (Müller and Hutter 2021): one operation with
// one of 31 magnitudes, all alike likely.
func TrivialAugmentWide(p *Picture, r *rand.Rand) *Picture {
	all := trivialOperations()
	m := &all[r.IntN(len(all))]
	return m.apply(p, r.IntN(bins), r)
}

// RandAugment is torchvision's (Cubuk and others 2020): n operations at a magnitude
// of 0 to 30.
func RandAugment(p *Picture, n, magnitude int, r *rand.Rand) *Picture {
	all := randOperations(p.W, p.H)
	for range n {
		p = all[r.IntN(len(all))].apply(p, magnitude, r)
	}
	return p
}

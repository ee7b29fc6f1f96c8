package transform

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// An Augmentation is what happens to a training picture, in the order of the fields.
// The zero value does nothing but what evaluation does.
type Augmentation struct {
	Crop    float64    // least share of the area of a random resized crop; 0 is evaluation's fit
	Flip    bool       // mirrored, every other time
	Trivial bool       // TrivialAugmentWide
	Rand    [2]int     // RandAugment's operations and magnitude
	Jitter  [4]float64 // brightness, contrast, saturation, hue
	Rotate  float64    // degrees, either way
	Affine  bool       // turned by 10 degrees, moved by a tenth, scaled by 0.9 to 1.1, sheared by 5 degrees
	Blur    float64    // how often: a Gaussian of deviation 0.1 to 2
	Grey    float64    // how often
	Erase   float64    // how often: a rectangle replaced by the mean colour
}

// DefaultCrop is the least share of RandomResizedCrop.
const DefaultCrop = 0.08

// augmentations are the names that ParseAugmentation reads, with what a value means.
const augmentations = "crop[=SHARE] flip trivial rand[=N:M] jitter[=X|B:C:S:H] rotate[=DEGREES] affine blur[=P] grey[=P] erase[=P] none"

// ParseAugmentation reads names separated by commas, each with = and a value where
// another than the usual is wanted; "" is fit's default: crop and flip, or flip alone where whole pictures
// are seen.
func ParseAugmentation(text string, fit Fit) (*Augmentation, error) {
	if text == "" {
		if text = "crop,flip"; fit.whole() {
			text = "flip"
		}
	}
	a := &Augmentation{}
	for part := range strings.SplitSeq(text, ",") {
		name, value, given := strings.Cut(strings.TrimSpace(part), "=")
		numbers, err := parseNumbers(value, given)
		if err == nil {
			err = a.set(name, numbers)
		}
		if err != nil {
			return nil, fmt.Errorf("augmentation %q: %w (there are %s)", part, err, augmentations)
		}
	}
	if a.Crop > 0 && fit.whole() {
		return nil, fmt.Errorf("augmentation crop cuts pictures, and %q shows them whole: leave one out", string(fit))
	}
	return a, nil
}

// Allows is what remains of an augmentation in words where pictures are shown whole: all but
// the crop.
func (f Fit) Allows(augmentation string) string {
	if !f.whole() || augmentation == "" {
		return augmentation
	}
	var rest []string
	for part := range strings.SplitSeq(augmentation, ",") {
		if name, _, _ := strings.Cut(strings.TrimSpace(part), "="); name != "crop" {
			rest = append(rest, part)
		}
	}
	if len(rest) == 0 {
		return "none"
	}
	return strings.Join(rest, ",")
}

func parseNumbers(value string, given bool) ([]float64, error) {
	if !given {
		return nil, nil
	}
	var numbers []float64
	for field := range strings.SplitSeq(value, ":") {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil || math.IsNaN(v) || v < 0 || v > 1e6 {
			return nil, fmt.Errorf("%q is no number from 0 on", field)
		}
		numbers = append(numbers, v)
	}
	return numbers, nil
}

// set takes one augmentation with the numbers given.
func (a *Augmentation) set(name string, n []float64) error {
	one := func(usual, most float64) (float64, error) {
		switch {
		case len(n) == 0:
			return usual, nil
		case len(n) > 1:
			return 0, fmt.Errorf("takes one number")
		case n[0] > most:
			return 0, fmt.Errorf("%g is above %g", n[0], most)
		}
		return n[0], nil
	}
	var err error
	switch name {
	case "crop":
		if a.Crop, err = one(DefaultCrop, 1); err == nil && a.Crop == 0 {
			err = fmt.Errorf("a share of 0")
		}
	case "jitter":
		switch len(n) {
		case 0:
			a.Jitter = [4]float64{0.4, 0.4, 0.4, 0.1}
		case 1:
			a.Jitter = [4]float64{n[0], n[0], n[0], min(n[0]/4, 0.5)}
		case 4:
			a.Jitter = [4]float64(n)
		default:
			err = fmt.Errorf("takes one number or four")
		}
		if err == nil && a.Jitter[3] > 0.5 {
			err = fmt.Errorf("a hue of %g is above 0.5", a.Jitter[3])
		}
	case "rand":
		switch len(n) {
		case 0:
			a.Rand = [2]int{2, 9}
		case 2:
			a.Rand = [2]int{int(n[0]), int(n[1])}
		default:
			err = fmt.Errorf("takes two numbers")
		}
		if err == nil && (a.Rand[0] < 1 || a.Rand[0] > 14 || a.Rand[1] >= bins) {
			err = fmt.Errorf("1 to 14 operations, magnitude 0 to %d", bins-1)
		}
	case "rotate":
		a.Rotate, err = one(15, 180)
	case "blur":
		a.Blur, err = one(0.5, 1)
	case "grey":
		a.Grey, err = one(0.1, 1)
	case "erase":
		a.Erase, err = one(0.25, 1)
	case "flip", "trivial", "affine", "none":
		if len(n) > 0 {
			return fmt.Errorf("takes no number")
		}
		a.Flip, a.Trivial, a.Affine = a.Flip || name == "flip", a.Trivial || name == "trivial", a.Affine || name == "affine"
	default:
		err = fmt.Errorf("unknown")
	}
	return err
}

// Apply makes a training picture of p's size.
func (a *Augmentation) Apply(p Preprocess, pic *Picture, r *rand.Rand) *Picture {
	if a.Crop > 0 {
		b := RandomResizedCropBox(pic.W, pic.H, [2]float64{a.Crop, 1}, [2]float64{3. / 4, 4. / 3}, r)
		pic = resize(pic, b.Top, b.Left, b.Height, b.Width, p.Crop, p.Crop, filters[p.Interpolation])
	} else {
		pic = p.Eval(pic)
	}
	if a.Flip && r.Float64() < 0.5 {
		pic = FlipHorizontal(pic)
	}
	if a.Trivial {
		pic = TrivialAugmentWide(pic, r)
	}
	if a.Rand[0] > 0 {
		pic = RandAugment(pic, a.Rand[0], a.Rand[1], r)
	}
	if a.Jitter != [4]float64{} {
		pic = ColorJitter(pic, a.Jitter, r)
	}
	if a.Rotate > 0 {
		pic = Rotate(pic, between(-a.Rotate, a.Rotate, r))
	}
	if a.Affine {
		pic = randomAffine(pic, r)
	}
	if a.Blur > 0 && r.Float64() < a.Blur {
		size := max(3, p.Crop/10|1) // SimCLR's kernel, a tenth of the side
		pic = GaussianBlur(pic, size, between(0.1, 2, r))
	}
	if a.Grey > 0 && r.Float64() < a.Grey {
		pic = Greyscale(pic)
	}
	return pic
}

func between(lo, hi float64, r *rand.Rand) float64 { return lo + (hi-lo)*r.Float64() }

// ColorJitter is torchvision's: brightness, contrast, saturation and hue in an order
// of chance, factors from 1-x to 1+x, the hue turned by up to x either way.
func ColorJitter(p *Picture, x [4]float64, r *rand.Rand) *Picture {
	for _, k := range r.Perm(4) {
		if x[k] == 0 {
			continue
		}
		factor := between(max(0, 1-x[k]), 1+x[k], r)
		switch k {
		case 0:
			p = AdjustBrightness(p, factor)
		case 1:
			p = AdjustContrast(p, factor)
		case 2:
			p = AdjustSaturation(p, factor)
		case 3:
			p = AdjustHue(p, factor-1)
		}
	}
	return p
}

// randomAffine is torchvision's RandomAffine(10, (0.1, 0.1), (0.9, 1.1), 5).
func randomAffine(p *Picture, r *rand.Rand) *Picture {
	a := Affinity{Degrees: between(-10, 10, r)}
	for k, side := range [2]int{p.W, p.H} {
		a.Shift[k] = math.RoundToEven(between(-0.1*float64(side), 0.1*float64(side), r))
	}
	a.Scale = between(0.9, 1.1, r)
	a.Shear[0] = between(-5, 5, r)
	return Affine(p, a)
}

// EraseFrom replaces, as often as Erase says, a rectangle of a normalised picture
// of side x side pixels (NHWC) by the mean colour: torchvision's RandomErasing.
func (a *Augmentation) EraseFrom(x []float32, side int, r *rand.Rand) {
	if a.Erase <= 0 || r.Float64() >= a.Erase {
		return
	}
	area := float64(side * side)
	for range 10 {
		target := area * between(0.02, 0.33, r)
		aspect := math.Exp(between(math.Log(0.3), math.Log(3.3), r))
		h := int(math.RoundToEven(math.Sqrt(target * aspect)))
		w := int(math.RoundToEven(math.Sqrt(target / aspect)))
		if h >= side || w >= side {
			continue
		}
		top, left := r.IntN(side-h+1), r.IntN(side-w+1)
		for y := top; y < top+h; y++ {
			clear(x[3*(y*side+left) : 3*(y*side+left+w)])
		}
		return
	}
}

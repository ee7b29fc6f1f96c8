#!/usr/bin/env python3
"""Writes cases.json: what torchvision's operations on Pillow images give.

Inputs are in0.png and in1.png of ../transforms, resized to 48 x 40 and 32 x 32. Each case holds the result's
bytes, RGB, rows from the top, zlib-compressed, base64."""
import base64, json, os, zlib
import PIL, torchvision
from PIL import Image
from torchvision.transforms import functional as F, InterpolationMode
from torchvision.transforms.autoaugment import _apply_op
here = os.path.dirname(os.path.abspath(__file__))
def pack(im): return base64.b64encode(zlib.compress(im.convert('RGB').tobytes(), 9)).decode()
inputs = {n: F.resize(Image.open(f'{here}/../transforms/{n}.png').convert('RGB'), size) for n, size in (('in0', [40, 48]), ('in1', [32, 32]))}
cases = []
def case(op, args, im): cases.append({'input': name, 'op': op, 'args': args, 'size_wh': list(im.size), 'pixels': pack(im)})
for name, im in inputs.items():
    case('input', [], im)
    for f in (0, 0.4, 1, 1.7):
        case('brightness', [f], F.adjust_brightness(im, f))
        case('contrast', [f], F.adjust_contrast(im, f))
        case('saturation', [f], F.adjust_saturation(im, f))
        case('sharpness', [f], F.adjust_sharpness(im, f))
    for f in (-0.5, -0.13, 0, 0.07, 0.5): case('hue', [f], F.adjust_hue(im, f))
    case('grey', [], F.rgb_to_grayscale(im, 3))
    for d in (0, 13.7, -45, 90, 180, 271.5): case('rotate', [d], F.rotate(im, d))
    for a in ([20, 5, -3, 1.2, 0, 0], [0, 7, 2, 1, 0, 0], [0, 0, 0, 0.8, 12, -9], [-33, 0, 0, 1.1, 5, 0]):
        case('affine', a, F.affine(im, a[0], [int(a[1]), int(a[2])], a[3], [a[4], a[5]]))
    for k, s in ((3, 0.6), (9, 2.0), (23, 1.1)): case('blur', [k, s], F.gaussian_blur(im, k, s))
    for b in (2, 4, 8): case('posterize', [b], F.posterize(im, b))
    for t in (0, 100, 255): case('solarize', [t], F.solarize(im, t))
    case('autocontrast', [], F.autocontrast(im)); case('equalize', [], F.equalize(im))
    for op in ('ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate'):
        for m in (0.3, -0.77) if 'Shear' in op else (9.3, -21.0):
            case(op, [m], _apply_op(im, op, m, InterpolationMode.NEAREST, None))
    for k in (2, 3): case('reduce', [k], im.reduce(k))
    w, h = im.size
    case('squash', [24], F.resize(im, [24, 24]))
json.dump({'pillow': PIL.__version__, 'torchvision': torchvision.__version__, 'cases': cases}, open(f'{here}/cases.json', 'w'), separators=(',', ':'))
# The magnitudes of the automatic augmentations, by operation: [values over 31 bins, signed].
def space(ops): return {k: [v[0].tolist() if v[0].ndim else [], v[1]] for k, v in ops.items()}
from torchvision import transforms as T
json.dump({'trivial': space(T.TrivialAugmentWide()._augmentation_space(31)),
           'rand_48x40': space(T.RandAugment()._augmentation_space(31, (40, 48)))}, open(f'{here}/magnitudes.json', 'w'))

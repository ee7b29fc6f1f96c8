#!/usr/bin/env python3
"""Writes gradcam.json: Grad-CAM (Selvaraju et al. 2017) of torchvision's networks, by hooks, in float64.

Needs torch and torchvision. Weights and input follow the formula of testdata/golden/networks/generate.py, whose functions are
read from there; run it in this folder; names of networks write only those.
"""
import json, pathlib, sys
import torch

text = pathlib.Path('../../../testdata/golden/networks/generate.py').read_text()
exec(text.split('\nEVAL = ')[0])

# What Grad-CAM looks at: pytorch-grad-cam's recommendations.
LAYERS = {
    'resnet18': (96, lambda m: m.layer4), 'squeezenet1_1': (96, lambda m: m.features), 'mobilenet_v2': (96, lambda m: m.features),
    'mobilenet_v3_small': (96, lambda m: m.features), 'efficientnet_b0': (96, lambda m: m.features), 'regnet_y_400mf': (96, lambda m: m.trunk_output),
    'convnext_tiny': (96, lambda m: m.features), 'vit_b_16': (224, lambda m: m.encoder.layers[-1].ln_1)}


def gradcam(name, size, layer, classes):
    m = fill(build(name)).eval()
    for f in m.modules():
        if hasattr(f, 'inplace'): f.inplace = False
    kept = []
    layer(m).register_forward_hook(lambda _, __, out: (out.retain_grad(), kept.append(out)) and None)
    y = m(2 * values('input', (len(classes), 3, size, size)))
    sum(y[i, c] for i, c in enumerate(classes)).backward()
    a, g = kept[0].detach(), kept[0].grad
    if name.startswith('vit'):
        side = int((a.shape[1] - 1) ** .5)
        a, g = (t[:, 1:].transpose(1, 2).unflatten(2, (side, side)) for t in (a, g))
    cam = torch.relu((g.mean((2, 3), keepdim=True) * a).sum(1))
    return {'size': size, 'classes': classes, 'maps': (cam / cam.amax((1, 2), keepdim=True).clamp(min=1e-300)).tolist()}


asked = sys.argv[1:] or LAYERS
out = {n: gradcam(n, size, layer, list(range(CLASSES)) if n == 'squeezenet1_1' else [2, 5]) for n, (size, layer) in LAYERS.items() if n in asked}
rounded = lambda v: [rounded(x) for x in v] if isinstance(v, list) else round(v, 9)
for v in out.values(): v['maps'] = rounded(v['maps'])
json.dump(out, open('gradcam.json', 'w'))
print({n: [max(map(max, m)) for m in v['maps']] for n, v in out.items()})

#!/usr/bin/env python3
"""Writes reference numbers computed by PyTorch/torchvision in float64.

Needs torch and torchvision.  `generate.py` writes every file, `generate.py eval:NAME train:NAME ...` those named.
Weights, inputs and labels come from a formula, so no weight file is needed:

    u    = fmix32((i * 2654435761 + crc32(name)) mod 2^32)     fmix32 = MurmurHash3's 32-bit finaliser
    v(i) = u / 2^31 - 1                                        in [-1, 1), i = flat index in PyTorch's NCHW/OIHW order

    conv / linear weight      v * sqrt(6 / fan_in)     fan_in = in_channels/groups * kh * kw, or in_features
    any bias, bn bias, mean   0.1 * v
    bn weight, any other      1 + 0.1 * v
    one-dimensional parameter             (layer norm weight, ViT's in_proj_bias)
    any other parameter       as a weight, fan_in = product of all dimensions but the first
                                          (ConvNeXt's layer_scale, ViT's class_token and pos_embedding)
    bn running_var            1 + 0.5 * |v|
    input                     2 * v     name "input"
    label[j]                  u mod num_classes, name "labels", i = j

Dropout and stochastic depth are set to 0.  This is the shared generator with the CIFAR ResNet-20 and
EfficientNet-Lite0 in timm's two forms added (`generate.py eval:resnet20 train:resnet20 ...`); `float32:NAME` prints how far PyTorch's own float32 is from
the numbers, as in float32-deviation.json.
"""
import json, sys, zlib
import numpy as np, torch, torchvision
from torch import nn

torch.set_default_dtype(torch.float64)
CLASSES = 7


def hash_u32(name, n):
    u = (np.arange(n, dtype=np.uint64) * 2654435761 + zlib.crc32(name.encode())) & 0xFFFFFFFF
    u ^= u >> 16; u = (u * 0x85EBCA6B) & 0xFFFFFFFF
    u ^= u >> 13; u = (u * 0xC2B2AE35) & 0xFFFFFFFF
    return u ^ (u >> 16)


def values(name, shape):
    n = int(np.prod(shape)) if len(shape) else 1
    return torch.from_numpy(hash_u32(name, n).astype(np.float64) / 2**31 - 1).reshape(shape)


def fill(model):
    sd = model.state_dict()
    bn = {n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    for k, t in sd.items():
        owner, leaf = k.rsplit('.', 1) if '.' in k else ('', k)
        if leaf == 'num_batches_tracked':
            t.zero_(); continue
        v = values(k, tuple(t.shape))
        if owner in bn:
            t.copy_({'weight': 1 + .1 * v, 'bias': .1 * v, 'running_mean': .1 * v, 'running_var': 1 + .5 * v.abs()}[leaf])
        elif leaf == 'bias' or t.dim() == 1:
            t.copy_(.1 * v if leaf == 'bias' else 1 + .1 * v)
        else:
            fan_in = int(np.prod(t.shape[1:]))
            t.copy_(v * (6 / fan_in) ** .5)
    for m in model.modules():
        if isinstance(m, nn.Dropout): m.p = 0.
        if m.__class__.__name__ == 'StochasticDepth': m.p = 0.
    return model


class Shortcut(nn.Module):
    """Option A of He et al. 2015: every second pixel, zero channels on both sides."""
    def forward(self, x):
        c = x.shape[1] // 2
        return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, c, c))


class CifarBlock(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False); self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False); self.bn2 = nn.BatchNorm2d(cout)
        self.shortcut = Shortcut() if stride != 1 else nn.Identity()

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet20(nn.Module):
    """The CIFAR network of pytorch_resnet_cifar10, whose parameter names it has."""
    def __init__(self, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False); self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(CifarBlock(16, 16, 1), CifarBlock(16, 16, 1), CifarBlock(16, 16, 1))
        self.layer2 = nn.Sequential(CifarBlock(16, 32, 2), CifarBlock(32, 32, 1), CifarBlock(32, 32, 1))
        self.layer3 = nn.Sequential(CifarBlock(32, 64, 2), CifarBlock(64, 64, 1), CifarBlock(64, 64, 1))
        self.linear = nn.Linear(64, num_classes)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


class Conv(nn.Conv2d):
    """Padded as PyTorch's habit is, or as TensorFlow's 'SAME'."""
    def __init__(self, cin, cout, k, stride, groups, same):
        super().__init__(cin, cout, k, stride, 0 if same else k // 2, groups=groups, bias=False)
        self.same = same

    def forward(self, x):
        if self.same:
            k, s, n = self.kernel_size[0], self.stride[0], x.shape[-1]
            p = max((-(-n // s) - 1) * s + k - n, 0)
            x = nn.functional.pad(x, (p // 2, p - p // 2) * 2)
        return super().forward(x)


class LiteBlock(nn.Module):
    """EfficientNet-Lite's blocks; the first has no expansion, and names of its own."""
    def __init__(self, cin, wide, cout, k, stride, conv, norm):
        super().__init__()
        self.residual = stride == 1 and cin == cout
        if wide == cin:
            layers = [('conv_dw', conv(cin, wide, k, stride, wide), 'bn1', wide), ('conv_pw', conv(wide, cout, 1, 1, 1), 'bn2', cout)]
        else:
            layers = [('conv_pw', conv(cin, wide, 1, 1, 1), 'bn1', wide), ('conv_dw', conv(wide, wide, k, stride, wide), 'bn2', wide),
                      ('conv_pwl', conv(wide, cout, 1, 1, 1), 'bn3', cout)]
        self.names = [(a, b) for a, _, b, _ in layers]
        for a, c, b, n in layers: self.add_module(a, c); self.add_module(b, norm(n))

    def forward(self, x):
        y = x
        for a, b in self.names:
            y = getattr(self, b)(getattr(self, a)(y))
            if (a, b) != self.names[-1]: y = nn.functional.relu6(y)
        return x + y if self.residual else y


class Lite0(nn.Module):
    """timm's efficientnet_lite0, and its tf_ form: Google's padding and epsilon."""
    def __init__(self, num_classes, tf):
        super().__init__()
        conv = lambda *a: Conv(*a, tf)
        norm = lambda c: nn.BatchNorm2d(c, eps=1e-3, momentum=.01) if tf else nn.BatchNorm2d(c)
        self.conv_stem, self.bn1 = conv(3, 32, 3, 2, 1), norm(32)
        cin, stages = 32, []
        for t, k, s, c, n in [(1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4), (6, 3, 1, 320, 1)]:
            stage = []
            for i in range(n): stage.append(LiteBlock(cin, t * cin, c, k, s if i == 0 else 1, conv, norm)); cin = c
            stages.append(nn.Sequential(*stage))
        self.blocks = nn.Sequential(*stages)
        self.conv_head, self.bn2 = conv(320, 1280, 1, 1, 1), norm(1280)
        self.classifier = nn.Linear(1280, num_classes)

    def forward(self, x):
        x = self.blocks(nn.functional.relu6(self.bn1(self.conv_stem(x))))
        return self.classifier(nn.functional.relu6(self.bn2(self.conv_head(x))).mean((2, 3)))


def build(name):
    if name.endswith('efficientnet_lite0'): return Lite0(CLASSES, name.startswith('tf_'))
    return ResNet20(CLASSES) if name == 'resnet20' else getattr(torchvision.models, name)(num_classes=CLASSES)


def head(model, name):
    if name == 'resnet20': return ['linear.weight', 'linear.bias']
    return {'resnet': ['fc.weight', 'fc.bias'], 'squeeze': ['classifier.1.weight', 'classifier.1.bias']}.get(
        name[:6] if name.startswith('resnet') else name[:7], [k for k, _ in model.named_parameters()][-2:])


def evaluate(name, size, batch=2):
    m = fill(build(name)).eval()
    x = 2 * values('input', (batch, 3, size, size))
    with torch.no_grad(): y = m(x)
    return {'size': size, 'batch': batch, 'logits': y.tolist()}


def train(name, size, batch=4, steps=3, lr=5e-4, head_mult=10., wd=1e-3, momentum=.9):
    m = fill(build(name)).train()
    x = 2 * values('input', (batch, 3, size, size))
    t = torch.from_numpy((hash_u32('labels', batch) % CLASSES).astype(np.int64))
    hd = head(m, name)
    groups = [{'params': [p for n, p in m.named_parameters() if n not in hd]},
              {'params': [p for n, p in m.named_parameters() if n in hd], 'lr': lr * head_mult}]
    opt = torch.optim.SGD(groups, lr=lr, weight_decay=wd, momentum=momentum)
    out = {'size': size, 'batch': batch, 'lr': lr, 'head_lr_multiplier': head_mult, 'weight_decay': wd, 'momentum': momentum,
           'labels': t.tolist(), 'head': hd, 'loss': []}
    for s in range(steps):
        opt.zero_grad(); y = m(x); loss = nn.functional.cross_entropy(y, t); loss.backward()
        out['loss'].append(loss.item())
        if s == 0:
            out['logits'] = y.tolist()
            out['grad'] = {n: {'l2': p.grad.norm().item(), 'first8': p.grad.flatten()[:8].tolist()} for n, p in m.named_parameters()}
        opt.step()
        if s == 0:
            out['buffers_after_step1'] = {n: {'l2': b.norm().item(), 'first4': b.flatten()[:4].tolist()} for n, b in m.named_buffers() if b.dim()}
    out['param_l2_after_last_step'] = {n: p.norm().item() for n, p in m.named_parameters()}
    return out


EVAL = ['resnet18', 'resnet34', 'resnet50', 'resnet101', 'resnet152', 'resnext50_32x4d', 'wide_resnet50_2', 'squeezenet1_0', 'squeezenet1_1',
        'mobilenet_v2', 'mobilenet_v3_small', 'mobilenet_v3_large', 'efficientnet_b0', 'regnet_y_400mf', 'convnext_tiny', 'vit_b_16']
TRAIN = ['resnet18', 'resnet34', 'resnet50', 'resnext50_32x4d', 'squeezenet1_0', 'squeezenet1_1', 'mobilenet_v2', 'mobilenet_v3_small',
         'mobilenet_v3_large', 'efficientnet_b0', 'regnet_y_400mf', 'convnext_tiny', 'vit_b_16']


def deviation(name):
    """Largest relative differences between float32 and float64, measured as the tests measure ours, in the
    worse of PyTorch's two memory layouts: where a network is chaotic (ResNeXt's losses: 5e-7 and 7.5e-6) one of
    them is a matter of luck."""
    global values, build
    size = {'resnet20': 32}.get(name) or (224 if name.startswith('vit') else 96)
    exact = (evaluate(name, size), train(name, size))
    double, plain = values, build
    torch.set_default_dtype(torch.float32)
    values = lambda n, s: double(n, s).float()
    found = []
    for layout in torch.contiguous_format, torch.channels_last:
        build = lambda n: plain(n).to(memory_format=layout)
        found.append(differences(exact, (evaluate(name, size), train(name, size))))
    values, build = double, plain
    torch.set_default_dtype(torch.float64)
    return {k: [max(x) for x in zip(v, found[1][k])] if k == 'loss' else max(v, found[1][k]) for k, v in found[0].items()}


def differences(exact, near):
    (e0, t0), (e1, t1) = exact, near
    a, b = np.array(e0['logits']), np.array(e1['logits'])
    top = max(g['l2'] for g in t0['grad'].values())
    scale = {n: max(g['l2'], 1e-3 * top) for n, g in t0['grad'].items()}
    rel = lambda x, y: abs(x - y) / max(abs(x), 1e-12)
    return {
        'eval': float(abs(a - b).max() / abs(a).max()),
        'loss': [rel(x, y) for x, y in zip(t0['loss'], t1['loss'])],
        'grad_l2': max(abs(g['l2'] - t1['grad'][n]['l2']) / scale[n] for n, g in t0['grad'].items()),
        'grad_first8': max(abs(x - y) / scale[n] for n, g in t0['grad'].items() for x, y in zip(g['first8'], t1['grad'][n]['first8'])),
        'buffers_l2': max([rel(v['l2'], t1['buffers_after_step1'][n]['l2']) for n, v in t0['buffers_after_step1'].items()] or [0.]),
        'param_l2': max(rel(v, t1['param_l2_after_last_step'][n]) for n, v in t0['param_l2_after_last_step'].items()),
    }


def main():
    for item in sys.argv[1:] or [f'eval:{n}' for n in EVAL] + [f'train:{n}' for n in TRAIN]:
        kind, name = item.split(':')
        if kind == 'float32':
            print(name, json.dumps(deviation(name), indent=1)); continue
        if kind == 'eval':
            sizes = {'resnet20': [32]}.get(name) or ([224] if name.startswith('vit') else [224, 96])
            what = [evaluate(name, s) for s in sizes]
        else:
            what = train(name, {'resnet20': 32}.get(name) or (224 if name.startswith('vit') else 96))
        json.dump({'model': name, 'num_classes': CLASSES, kind: what}, open(f'{kind}-{name}.json', 'w'), indent=1)
        print(item, flush=True)


if __name__ == '__main__':
    main()

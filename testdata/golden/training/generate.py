#!/usr/bin/env python3
"""Writes steps.json: ten steps of PyTorch's optimisers and schedules in float64, on a network
small enough to print. Needs torch. Parameters and inputs follow from a formula:

    v(name, i) = sin(i + 1 + sum of the name's bytes)

    conv.weight, fc.weight, fc.bias   v * 0.5      norm.weight 1 + v * 0.1     norm.bias v * 0.1
    input of step s   v("x", i + 100 s), NHWC       label of sample i in step s   (i * i + s) mod 3
"""
import json, math, torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import (CosineAnnealingLR, LinearLR, OneCycleLR, ReduceLROnPlateau, SequentialLR, StepLR)
from torch.optim.swa_utils import AveragedModel

torch.set_default_dtype(torch.float64)
STEPS, BATCH, CLASSES = 10, 4, 3


def v(name, n, first=0):
    return torch.tensor([math.sin(first + i + 1 + sum(name.encode())) for i in range(n)])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Linear(4, CLASSES)
        for name, p in self.named_parameters():
            x = v(name, p.numel()).reshape(p.shape)
            p.data = {"norm.weight": 1 + .1 * x, "norm.bias": .1 * x}.get(name, .5 * x)

    def forward(self, x):
        return self.fc(F.relu(self.norm(self.conv(x))).mean((2, 3)))


def batch(s):
    x = v("x", BATCH * 12, 100 * s).reshape(BATCH, 2, 2, 3).permute(0, 3, 1, 2)
    return x, torch.tensor([(i * i + s) % CLASSES for i in range(BATCH)])


def run(opt, recipe, schedule=None, loss=F.cross_entropy, clip=None, ema=None, anchor=0., metric=None, mix=None):
    net = Net()
    start = {n: p.detach().clone() for n, p in net.named_parameters()}
    o = opt(net)
    sched = schedule(o) if schedule else None
    average = AveragedModel(net, avg_fn=lambda a, p, n: a + (1 - min(ema, n / (9 + n))) * (p - a)) if ema else None
    if average: average.update_parameters(net)  # the first time copies
    out = {"recipe": recipe, "loss": [], "rate": [], "params": {}}
    for s in range(STEPS):
        x, y = batch(s)
        out["rate"].append(o.param_groups[0]["lr"])
        if mix:
            share = mix
            t = share * F.one_hot(y, CLASSES) + (1 - share) * F.one_hot(y.roll(1), CLASSES)
            z = net(share * x + (1 - share) * x.roll(1, 0))
            l = loss(z, t)
        else:
            l = loss(net(x), y)
        o.zero_grad(); l.backward()
        if anchor:
            for n, p in net.named_parameters():
                if not n.startswith("fc"): p.grad += anchor * (p.detach() - start[n])
        if clip: nn.utils.clip_grad_norm_(net.parameters(), clip)
        o.step()
        if average: average.update_parameters(net)
        if sched:
            sched.step(metric[s]) if metric else sched.step()
        out["loss"].append(l.item())
    for n, p in (average.module if average else net).named_parameters():
        out["params"][n] = p.detach().flatten().tolist()
    if metric: out["metric"] = metric
    if mix: out["mix"] = mix
    return out


def groups(net, lr, wd, head=1., layer=1., norms=True):
    g = []
    for n, p in net.named_parameters():
        x = head if n.startswith("fc") else layer ** {"conv": 1, "norm": 0}[n.split(".")[0]]
        g.append({"params": [p], "lr": lr * x, "weight_decay": wd if norms or p.dim() > 1 else 0.})
    return g


sgd = lambda lr=.1, **k: (lambda net: torch.optim.SGD(net.parameters(), lr, **k))
base = dict(lr=.1, momentum=.9)
cases = {
    "sgd": run(sgd(), dict(lr=.1)),
    "momentum": run(sgd(momentum=.9, weight_decay=.01), dict(**base, weight_decay=.01, norm_decay=True)),
    "nesterov": run(sgd(momentum=.9, weight_decay=.01, nesterov=True), dict(**base, weight_decay=.01, norm_decay=True, nesterov=True)),
    "adamw": run(lambda net: torch.optim.AdamW(net.parameters(), .02, (.9, .99), 1e-6, .05),
                 dict(lr=.02, optimiser="adamw", momentum=.9, beta2=.99, eps=1e-6, weight_decay=.05, norm_decay=True)),
    "groups": run(lambda net: torch.optim.SGD(groups(net, .1, .05, 3., .5, False), momentum=.9),
                  dict(**base, weight_decay=.05, head_lr_x=3., layer_decay=.5, param_groups=True)),
    "smoothing": run(sgd(momentum=.9), dict(**base, label_smoothing=.2), loss=lambda z, y: F.cross_entropy(z, y, label_smoothing=.2)),
    "class weights": run(sgd(momentum=.9), dict(**base, label_smoothing=.2, class_weights="1,2,0.5"),
                         loss=lambda z, y: F.cross_entropy(z, y, torch.tensor([1., 2., .5]), label_smoothing=.2)),
    "clip": run(sgd(momentum=.9), dict(**base, clip=.3), clip=.3),
    "ema": run(sgd(momentum=.9), dict(**base, ema=.6), ema=.6),
    "l2-sp": run(sgd(momentum=.9), dict(**base, l2_sp=.5), anchor=.5),
    "mixup": run(sgd(momentum=.9), dict(**base), mix=.7),
    "step": run(sgd(), dict(lr=.1, schedule="step", step_epochs=3, gamma=.5), lambda o: StepLR(o, 3, .5)),
    "cosine": run(sgd(), dict(lr=.1, schedule="cosine"), lambda o: CosineAnnealingLR(o, STEPS)),
    "one-cycle": run(sgd(), dict(lr=.1, schedule="onecycle"), lambda o: OneCycleLR(o, .1, STEPS, cycle_momentum=False)),
    "warm-up": run(sgd(), dict(lr=.1, schedule="cosine", warmup=4.),
                   lambda o: SequentialLR(o, [LinearLR(o, .01, total_iters=4), CosineAnnealingLR(o, STEPS - 4)], [4])),
    "plateau": run(sgd(), dict(lr=.1, schedule="plateau", gamma=.5, plateau_epochs=1),
                   lambda o: ReduceLROnPlateau(o, factor=.5, patience=1), metric=[1, .9, .95, .93, .9, .8, .81, .80001, .82, .7]),
}
json.dump(cases, open(__file__.replace("generate.py", "steps.json"), "w"), indent=1)

#!/usr/bin/env python3
"""Peak resident memory of training, Graft beside PyTorch: memory.py [MODEL [BATCH]].

Each runs in a process of its own; the ratio is of their VmHWM. Graft's is of
`graft bench`, inference included, which bin/graft must have been built for.
"""
import subprocess
import sys

from peer import ROOT, python

TORCH = """
import sys, torch, torchvision
torch.set_num_threads(2)
model, batch, layout = sys.argv[1], int(sys.argv[2]), sys.argv[3]
net = getattr(torchvision.models, model)(num_classes=10).train()
x, y = torch.randn(batch, 3, 224, 224), torch.randint(0, 10, (batch,))
if layout == "channels_last":
    net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
sgd = torch.optim.SGD(net.parameters(), 1e-4, momentum=0.9, weight_decay=1e-3)
for _ in range(4):
    sgd.zero_grad()
    torch.nn.functional.cross_entropy(net(x), y).backward()
    sgd.step()
"""


def peak(*command):
    """MiB that the command held at most; it is a child of its own process, so that each is measured alone."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return int(subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True).stdout) / 1024


model = sys.argv[1] if len(sys.argv) > 1 else "resnet18"
batch = sys.argv[2] if len(sys.argv) > 2 else "32"
ours = peak(str(ROOT / "bin/graft"), "bench", "--model", model, "--batch", batch, "--threads", "2", "--seconds", "1")
print(f"graft {ours:.0f} MiB")
for layout in ("contiguous", "channels_last"):
    theirs = peak(python(), "-c", TORCH, model, batch, layout)
    print(f"PyTorch {layout} {theirs:.0f} MiB: ratio {ours / theirs:.2f}")

"""The part of check.py that needs PyTorch: check_worker.py MODEL BEST TENSORS."""
import io
import pathlib
import sys
import zipfile

import torch
import torchvision
from PIL import Image
from safetensors.torch import load_file

what, first, second = sys.argv[1:]
if what == "photos":  # the first photographs of an archive, as files
    archive = zipfile.ZipFile(first)
    names = [n for n in archive.namelist() if n.startswith("test/") and n.endswith(".jpg")][::6]
    pathlib.Path(second).mkdir()
    for name in names:
        Image.open(io.BytesIO(archive.read(name))).verify()
        (pathlib.Path(second) / name.replace("/", "-")).write_bytes(archive.read(name))
    sys.exit(0)

state = torch.load(first, weights_only=True) if first.endswith(".pth") else load_file(first)
given = load_file(second)
net = getattr(torchvision.models, what)(num_classes=given["logits"].shape[1])
net.load_state_dict(state, strict=True)
net.eval()
with torch.inference_mode():
    logits = net(given["input"])
off = ((logits - given["logits"]).abs().max() / logits.abs().max()).item()
agree = (logits.argmax(1) == given["logits"].argmax(1)).float().mean().item()
print(f"{what}, {pathlib.Path(first).name}: {len(logits)} photographs, logits off by {off:.1e} of the largest, {agree:.0%} of the labels agree")
if not (off <= 1e-4 and agree == 1):
    sys.exit(f"{what}: PyTorch gives other logits")

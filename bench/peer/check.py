#!/usr/bin/env python3
"""Proves that PyTorch reads what graft wrote.

Trains a SqueezeNet and a ResNet-18 for an epoch with bin/graft on its built-in
photographs, loads best.safetensors and what it is exported to into torchvision's network (strict), and
compares logits on the tensors that graft wrote, in fp32: within 1e-4 of the largest.
PyTorch comes from the cache folder of peer.py, installed there once; a machine
that cannot install it fails, it does not skip.
"""
import pathlib
import subprocess
import sys
import tempfile

from peer import HERE, ROOT, python

graft = str(ROOT / "bin/graft")
with tempfile.TemporaryDirectory() as folder:
    photos = pathlib.Path(folder) / "photos"
    for model, weights in (("squeezenet1_1", "auto"), ("resnet18", "none")):
        run = str(pathlib.Path(folder) / model)
        subprocess.run([graft, "train", "clothing", "--model", model, "--weights", weights, "--epochs", "1", "--batch", "32", "--out", run, "--json"],
                       check=True, stdout=subprocess.DEVNULL)
        if not photos.exists():
            subprocess.run([python(), str(HERE / "check_worker.py"), "photos", str(ROOT / "internal/dataset/clothing.zip"), str(photos)], check=True)
        tensors = str(pathlib.Path(folder) / (model + ".safetensors"))
        subprocess.run([graft, "predict", run, str(photos), "--precision", "fp32", "--tensors", tensors], check=True)
        subprocess.run([graft, "export", run, "--out", run + "/exported.safetensors"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([graft, "export", run, "--out", run + "/exported.pth"], check=True, stdout=subprocess.DEVNULL)
        for file in ("best.safetensors", "exported.safetensors", "exported.pth"):
            subprocess.run([python(), str(HERE / "check_worker.py"), model, f"{run}/{file}", tensors], check=True)

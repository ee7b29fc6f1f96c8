#!/usr/bin/env python3
"""Writes the files of this folder with PyTorch and safetensors."""
import argparse, json, os, pathlib, pickle
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
base = torch.arange(12, dtype=torch.float32) / 4
tensors = {
    "weight": base[:6].reshape(2, 3).clone(),
    "half": torch.tensor([0.5, -2.0], dtype=torch.float16),
    "bfloat": torch.tensor([1.5, 3.0], dtype=torch.bfloat16),
    "double": torch.tensor([0.25], dtype=torch.float64),
    "count": torch.tensor(7),
    "transposed": base[:6].reshape(2, 3).t(),
    "view": base[8:11],
    "bytes": torch.tensor([1, 255], dtype=torch.uint8),
    "flag": torch.tensor([True, False]),
}
json.dump({k: v.float().flatten().tolist() for k, v in tensors.items()}, open(here / "values.json", "w"))
torch.save(tensors, here / "zip.pth")
torch.save(tensors, here / "protocol4.pth", pickle_protocol=4)
torch.save(tensors, here / "legacy.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "args": argparse.Namespace(lr=.1), "state_dict": tensors, "best": 0.5, "optimizer": {"state": {}, "lr": [0.1]}}, here / "nested.pth")
torch.save({"module." + k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in tensors.items()}, here / "module.pth")
save_file({k: v.contiguous().clone() for k, v in tensors.items()}, here / "plain.safetensors", metadata={"format": "pt"})
torch.save([1, 2], here / "list.pth")
torch.save({"layer": torch.nn.Linear(2, 2)}, here / "module-object.pth")


class Run:
    def __reduce__(self):
        return os.system, ("echo this must never run",)


class Evaluate:
    def __reduce__(self):
        return eval, ("1 + 1",)


torch.save({"weight": Run()}, here / "malicious.pth")
torch.save({"weight": Evaluate()}, here / "malicious-legacy.pth", _use_new_zipfile_serialization=False)

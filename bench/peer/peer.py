#!/usr/bin/env python3
"""Graft beside PyTorch on this machine, in one run.

    python3 bench/peer/peer.py [--models resnet18,resnet50,squeezenet1_1] [--rounds 5] [--batch 32] [--threads 2]

Installs PyTorch into the cache folder (GRAFT_PEER_CACHE, default
~/.cache/graft-peer) once, builds graft, chooses PyTorch's better memory layout
once for each model, then alternates the two programs and prints the median
and spread of every ratio, each also as a share of the peak that graft measures
beside it.  A PyTorch figure more than 15 % below the share it is known to reach
voids the run and is marked so.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def python():
    """Path of an interpreter that has PyTorch, installed on the first call."""
    cache = pathlib.Path(os.environ.get("GRAFT_PEER_CACHE", pathlib.Path.home() / ".cache/graft-peer"))
    exe = cache / "venv/bin/python"
    if not (cache / "complete").exists():
        subprocess.run([sys.executable, "-m", "venv", str(cache / "venv")], check=True)
        subprocess.run([str(exe), "-m", "pip", "install", "-q", "-r", str(HERE / "requirements.txt")], check=True)
        (cache / "complete").write_text("ok")
    return str(exe)


class Torch:
    def __init__(self):
        self.p = subprocess.Popen([python(), str(HERE / "torch_worker.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def img_s(self, *request):
        self.p.stdin.write(" ".join(map(str, request)) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())["img_s"]


def graft(exe, model, batch, threads):
    out = subprocess.run([exe, "bench", "--model", model, "--batch", str(batch), "--threads", str(threads), "--json"],
                         check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


def spread(values):
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main():
    a = argparse.ArgumentParser()
    a.add_argument("--models", default="resnet18,resnet50,squeezenet1_1")
    a.add_argument("--rounds", type=int, default=5)
    a.add_argument("--batch", type=int, default=32)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--seconds", type=float, default=5)
    a.add_argument("--out", help="write the figures as JSON too")
    o = a.parse_args()
    exe = str(ROOT / "bin/graft")
    subprocess.run(["go", "build", "-o", exe, "./cmd/graft"], cwd=ROOT, check=True, env={**os.environ, "CGO_ENABLED": "0"})
    torch, rows = Torch(), []
    print("| model | | graft img/s | PyTorch img/s | ratio, median (spread) | graft of peak | PyTorch of peak |")
    print("|---|---|---|---|---|---|---|")
    for model in o.models.split(","):
        layout = {m: max(("contiguous", "channels_last"), key=lambda l: torch.img_s(model, m, l, o.batch, o.threads, o.seconds / 2)) for m in ("train", "infer")}
        ours, theirs = {"train": [], "infer": []}, {"train": [], "infer": []}
        roof = {"train": [], "infer": []}
        for _ in range(o.rounds):
            g = graft(exe, model, o.batch, o.threads)
            for mode in ("train", "infer"):
                ours[mode].append(g[mode + "_img_s"])
                roof[mode].append(g[mode + "_roof"])
                theirs[mode].append(torch.img_s(model, mode, layout[mode], o.batch, o.threads, o.seconds))
        for mode in ("train", "infer"):
            ratios = [x / y for x, y in zip(ours[mode], theirs[mode])]
            share = [r * y / x for r, x, y in zip(roof[mode], ours[mode], theirs[mode])]
            print(f"| {model} {g['isa']} | {mode} | {statistics.median(ours[mode]):.1f} | {statistics.median(theirs[mode]):.1f} ({layout[mode]}) "
                  f"| {spread(ratios)} | {spread(roof[mode])} | {spread(share)} |", flush=True)
            rows.append({"model": model, "mode": mode, "isa": g["isa"], "graft": ours[mode], "torch": theirs[mode], "layout": layout[mode], "roof": roof[mode]})
    if o.out:
        pathlib.Path(o.out).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()

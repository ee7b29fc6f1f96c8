#!/usr/bin/env python3
"""Every network beside PyTorch's: docs/models.md.

    python3 bench/peer/models.py [--only resnet18,vit_b_16] [--seconds 3] [--run-with "nice -n -5"] [--redo] [--write]

A cell is a network in training or inference: graft, then PyTorch in both memory layouts and compiled, of which the fastest
counts, then graft again; fp32 on both sides, 32 pictures, or 8 where 32 are too large. --run-with goes before each cell's command.
Cells are kept in models.json of the cache. --write measures parity too (go test's golden numbers) and writes docs/models.md.
"""
import argparse
import json
import re
import subprocess
import sys

from peer import CACHE, LAYOUTS, ROOT, graft, processor, torch_img_s

LARGE = {"resnet50", "resnet101", "resnet152", "wide_resnet50_2", "resnext50_32x4d", "convnext_tiny", "vit_b_16"}
EXE = str(ROOT / "bin/graft")


def batch(model):
    return 8 if model in LARGE else 32


def cell(model, mode, threads, seconds):
    """Images a second of graft, the mean of before and after, and of PyTorch."""
    speed = lambda: graft(EXE, "avx512", model, mode, batch(model), threads, seconds)[mode + "_img_s"]
    first = speed()
    layouts = {l: torch_img_s("avx512", model, mode, l, batch(model), threads, seconds=seconds) for l in LAYOUTS}
    best = max(layouts, key=layouts.get)
    return {"graft": (first + speed()) / 2, "torch": layouts[best], "layout": best}


def facts():
    """Parameters and GFLOP by model, in graft's order."""
    lines = subprocess.run([EXE, "models", "--json"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {m["model"]: m for m in reversed([json.loads(l) for l in lines])}


def parity():
    """How far logits, the first loss and its gradients are from PyTorch's float64, by model."""
    p = subprocess.run(["go", "test", "-count", "1", "-v", "-run", "TestGolden/avx512", "./internal/engine/cpu"], cwd=ROOT, capture_output=True, text=True)
    found, model = {}, ""
    for line in p.stdout.splitlines():
        if m := re.search(r"=== RUN +TestGolden/avx512/(\w+)$", line):
            model = found.setdefault(m[1], {})
        elif "=== RUN" in line:
            model = {}
        elif m := re.search(r"logits off by (\S+)", line):
            model["logits"] = max(model.get("logits", 0), float(m[1]))
        elif m := re.search(r"loss off by (\S+), gradients by (\S+)", line):
            model["loss"], model["gradients"] = float(m[1]), float(m[2].rstrip("."))
    if p.returncode:
        sys.exit(p.stdout)
    return found


def speed(c):
    return "| | | " if c is None else f"| {c['graft']:.1f} | {c['torch']:.1f} | {c['graft'] / c['torch']:.2f} "


def write(cells, about):
    known, near = facts(), parity()
    rows = ["| network | M parameters | GFLOP | logits | first loss | gradients | batch | training img/s | PyTorch | ratio | inference img/s | PyTorch | ratio |",
            "|---|---|---|---|---|---|---|---|---|---|---|---|---|"]
    show = lambda v: "" if v is None else f"{v:.0e}"
    for model, m in sorted(known.items()):
        p = near.get(model, {})
        rows.append(f"| {model} | {m['parameters'] / 1e6:.2f} | {m['gflop']:.2f} | {show(p.get('logits'))} | {show(p.get('loss'))} | {show(p.get('gradients'))} "
                    f"| {batch(model)} {speed(cells.get(model + '/train'))}{speed(cells.get(model + '/infer'))}|")
    doc = ROOT / "docs/models.md"
    text = doc.read_text()
    begin, end = "<!-- written by bench/peer/models.py -->\n", "<!-- /models -->\n"
    doc.write_text(text.split(begin)[0] + begin + about + "\n\n" + "\n".join(rows) + "\n" + end + text.split(end)[1])


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--only", default="", help="networks, separated by commas")
    a.add_argument("--seconds", type=float, default=3)
    a.add_argument("--threads", type=int, default=2)
    a.add_argument("--run-with", default="", help="command that each cell's command is given to")
    a.add_argument("--redo", action="store_true")
    a.add_argument("--write", action="store_true")
    a.add_argument("--cell", help=argparse.SUPPRESS)
    o = a.parse_args()
    if o.cell:
        print(json.dumps(cell(*o.cell.split("/"), o.threads, o.seconds)))
        return
    subprocess.run(["make", "-s", "build"], cwd=ROOT, check=True)
    store = CACHE / "models.json"
    kept = json.loads(store.read_text()) if store.exists() else {}
    for model in o.only.split(",") if o.only else facts():
        for mode in ("infer", "train"):
            name = f"{model}/{mode}"
            if name in kept and not o.redo:
                continue
            p = subprocess.run([*o.run_with.split(), sys.executable, __file__, "--cell", name, "--threads", str(o.threads), "--seconds", str(o.seconds)],
                               capture_output=True, text=True)
            if p.returncode:
                print(name, p.stderr.strip().splitlines()[-1], file=sys.stderr)
                continue
            kept[name] = json.loads(p.stdout)
            store.write_text(json.dumps(kept, indent=1))
            print(name, kept[name], flush=True)
    if o.write:
        write(kept, f"On {processor()[0]}, {o.threads} threads, fp32, PyTorch 2.15.")


if __name__ == "__main__":
    main()

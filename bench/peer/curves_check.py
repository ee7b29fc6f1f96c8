#!/usr/bin/env python3
"""Proves that TensorBoard and Python's csv read the curves that graft wrote.

Trains for three epochs with bin/graft, writes event files and CSV, opens both, and compares
every value with metrics.jsonl and trace.jsonl. TensorBoard is installed into a cache folder once.
"""
import csv
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "graft-tensorboard"

if not (CACHE / "complete").exists():
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", str(CACHE), "tensorboard==2.20.0"], check=True)
    (CACHE / "complete").write_text("ok")
sys.path.insert(0, str(CACHE))
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

TAGS = {"loss": "loss/train", "test_loss": "loss/test", "train_acc": "accuracy/train", "test_acc": "accuracy/test", "lr": "rate", "img_s": "speed"}


def near(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


with tempfile.TemporaryDirectory() as folder:
    run, tb, table = f"{folder}/run", f"{folder}/tb", f"{folder}/curves.csv"
    graft = str(ROOT / "bin/graft")
    subprocess.run([graft, "train", "clothing", "--model", "resnet20", "--weights", "none", "--epochs", "3", "--limit", "40", "--out", run],
                   check=True, stdout=subprocess.DEVNULL)
    subprocess.run([graft, "curves", run, "--tensorboard", tb, "--csv", table], check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in open(f"{run}/metrics.jsonl")]
    epochs = [e for e in lines if e["event"] == "epoch"]
    points = [p for line in open(f"{run}/trace.jsonl") for p in json.loads(line)["points"]]
    assert len(epochs) == 3 and points, (len(epochs), len(points))

    events = EventAccumulator(f"{tb}/run")
    events.Reload()
    checked = 0
    for name, tag in TAGS.items():
        got = events.Scalars(tag)
        assert [s.step for s in got] == [1, 2, 3], (tag, got)
        for s, e in zip(got, epochs):
            assert near(s.value, e[name]), (tag, s, e)
            checked += 1
    for tag, name in (("steps/loss", "loss"), ("steps/rate", "lr")):
        got = events.Scalars(tag)
        assert [s.step for s in got] == [p["step"] for p in points], (tag, got)
        for s, p in zip(got, points):
            assert near(s.value, p[name]), (tag, s, p)
            checked += 1

    with open(table, newline="") as f:
        rows = list(csv.DictReader(f))
    assert len(rows) == 3
    for row, e in zip(rows, epochs):
        for name in ["epoch", *TAGS]:
            assert float(row[name]) == e[name], (name, row, e)
            checked += 1
    print(f"curves: TensorBoard and csv read {checked} values as metrics.jsonl and trace.jsonl have them")

#!/usr/bin/env python3
"""Writes events.golden with TensorBoard's own writer (tensorboard==2.20.0): the bytes that
TestTensorBoardWritesTheSame holds internal/curves against.

    python3 -m pip install --target DIR tensorboard==2.20.0
    PYTHONPATH=DIR python3 events.py
"""
import pathlib

from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

path = pathlib.Path(__file__).with_name("events.golden")
with open(path, "wb") as f:
    w = RecordWriter(f)
    w.write(event_pb2.Event(wall_time=1700000000.5, file_version="brain.Event:2").SerializeToString())
    for step, tag, value in ((0, "loss/train", 2.5), (1, "accuracy/test", 0.8125), (300, "loss/train", 1e-7), (1 << 40, "rate", 0.0)):
        summary = summary_pb2.Summary(value=[summary_pb2.Summary.Value(tag=tag, simple_value=value)])
        w.write(event_pb2.Event(wall_time=1700000000.5 + step % 1000, step=step, summary=summary).SerializeToString())
    w.flush()

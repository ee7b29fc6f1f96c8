"""Runs an ONNX file for graft: arrays on standard input, logits and probabilities on standard output.

A request is four little-endian int32 (the shape) and the elements; the answer is the float32 logits,
then the probabilities. The first line written is onnxruntime's version.
"""
import struct
import sys

import numpy
import onnxruntime

options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
source = session.get_inputs()[0]
kind = numpy.dtype(numpy.uint8 if source.type == "tensor(uint8)" else "<f4")
out = sys.stdout.buffer
out.write((onnxruntime.__version__ + "\n").encode())
out.flush()
while len(head := sys.stdin.buffer.read(16)) == 16:
    shape = struct.unpack("<4i", head)
    data = sys.stdin.buffer.read(int(numpy.prod(shape)) * kind.itemsize)
    for answer in session.run(["logits", "probabilities"], {source.name: numpy.frombuffer(data, kind).reshape(shape)}):
        out.write(answer.astype("<f4").tobytes())
    out.flush()

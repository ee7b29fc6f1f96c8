#!/usr/bin/env python3
"""Proves that PyTorch reads what graft wrote.

Trains a SqueezeNet and a CIFAR ResNet-20... for an epoch with bin/graft, then
loads best.safetensors into the same network in PyTorch (strict) and compares
logits on tensors that graft itself wrote, within 1e-4 of the largest logit.
PyTorch comes from the cache folder of peer.py, installed there once.
"""
import subprocess
import sys

from peer import HERE, python

sys.exit(subprocess.run([python(), str(HERE / "check_worker.py"), *sys.argv[1:]]).returncode)

#!/usr/bin/env python3
"""Writes positions.json: learned positions of a vision transformer for other numbers of patches, by
torchvision's interpolate_embeddings in float64.  The first are by generate.py's formula, `positions`, [1, 1 + side^2, 2]."""
import json

import torch
from torchvision.models.vision_transformer import interpolate_embeddings

from generate import values

cases = []
for old, new in (14, 10), (14, 24), (7, 8), (14, 2):
    state = {'encoder.pos_embedding': values('positions', (1, 1 + old * old, 2))}
    got = interpolate_embeddings(16 * new, 16, state)['encoder.pos_embedding']
    assert got.shape == (1, 1 + new * new, 2)
    cases.append({'from': old, 'to': new, 'values': got.flatten().tolist()})
json.dump(cases, open('positions.json', 'w'))

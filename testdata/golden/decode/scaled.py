#!/usr/bin/env python3
"""Writes scaled/NAME-N.png: what Pillow's draft mode (libjpeg-turbo's scaled transforms) reads at 1/N. Needs Pillow."""
import pathlib
from PIL import Image

here = pathlib.Path(__file__).parent
for name in ("baseline-420", "baseline-422", "baseline-444", "progressive-420", "grey"):
    for n in (2, 4, 8):
        with Image.open(here / f"{name}.jpg") as i:
            w, h = i.size
            i.draft(None, (w // n, h // n))
            assert i.size == ((w + n - 1) // n, (h + n - 1) // n)
            i.convert("RGB").save(here / "scaled" / f"{name}-{n}.png")

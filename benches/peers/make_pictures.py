"""An archive of PNGs from a seed, to measure decoding: python3 make_pictures.py 10000 224 pictures.zip

Smooth colours with blobs and a little noise, which PNG shrinks to about a third; one in fifty has a bright blob.
"""

import io
import sys
import zipfile

import numpy as np
from PIL import Image

count, side, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(7)
y, x = np.mgrid[0:side, 0:side] / side
with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
    for index in range(count):
        positive = index % 50 == 0
        phase = rng.uniform(0, 6, 6)
        waves = [np.sin(phase[c] + 7 * x + 3 * y * phase[c + 3]) for c in range(3)]
        cx, cy, r = rng.uniform(0.2, 0.8, 3)
        blob = np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (0.02 * r)) * (90 if positive else 20)
        pixels = np.stack([110 + 50 * wave + blob for wave in waves], axis=2)
        pixels = pixels + rng.integers(0, 6, (side, side, 1))
        out = io.BytesIO()
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(out, "PNG")
        archive.writestr(f"{'blob' if positive else 'plain'}/{index:05}.png", out.getvalue())

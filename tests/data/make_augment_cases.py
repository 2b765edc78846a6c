"""Pictures as SciPy and Pillow disturb them, for the tests of augmentation.

    pip install numpy scipy pillow
    python tests/data/make_augment_cases.py > tests/data/augment-cases.json
"""

import json

import numpy as np
from PIL import Image, ImageEnhance
from scipy import ndimage

rng = np.random.default_rng(7)
PIXELS = rng.integers(0, 256, (7, 6, 3), dtype=np.uint8)
PICTURE = PIXELS.astype(np.float64) / 255
MODES = {"edge": "nearest", "reflect": "reflect"}


def warp(matrix, offset, border):
    """`matrix` and `offset` lead from places (right, down) from the centre of the new picture to the old one."""
    height, width, _ = PICTURE.shape
    centre = np.array([(height - 1) / 2, (width - 1) / 2])
    matrix = np.array(matrix, float)[::-1, ::-1]
    offset = np.array(offset, float)[::-1] + centre - matrix @ centre
    mode, value = (MODES[border], 0) if border in MODES else ("grid-constant", border)
    channels = [
        ndimage.affine_transform(PICTURE[:, :, c], matrix, offset, order=1, mode=mode, cval=value) for c in range(3)
    ]
    return np.stack(channels, axis=2)


def case(name, parameters, picture):
    return {"name": name, **parameters, "expected": np.round(picture.ravel(), 9).tolist()}


cases = []
for border in ["edge", "reflect", 0.25]:
    for degrees in [30, -100, 180]:
        t = np.radians(degrees)
        matrix = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
        cases.append(case("rotation", {"degrees": degrees, "border": border}, warp(matrix, [0, 0], border)))
    for right, down in [(1.37, -2.6), (-0.5, 0.25), (9.3, 4.0)]:
        moved = warp(np.eye(2), [-right, -down], border)
        cases.append(case("shift", {"right": right, "down": down, "border": border}, moved))
    for factor in [1.3, 0.7]:
        cases.append(case("scale", {"factor": factor, "border": border}, warp(np.eye(2) / factor, [0, 0], border)))
    # Turned by 20 degrees, then enlarged, then moved: one change of place.
    t = np.radians(20)
    matrix = np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) / 1.2
    together = warp(matrix, matrix @ np.array([-0.8, 0.6]), border)
    cases.append(case("together", {"border": border}, together))
cases.append(case("crop", {"box": [0.8, 0.5, 0.4, -1.1]}, warp(np.diag([0.8, 0.5]), [0.4, -1.1], "edge")))
cases.append(case("horizontal_flip", {}, PICTURE[:, ::-1]))
cases.append(case("vertical_flip", {}, PICTURE[::-1]))
for factor in [0.6, 1.7]:
    for name, enhance in [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast)]:
        enhanced = np.asarray(enhance(Image.fromarray(PIXELS)).enhance(factor), float) / 255
        cases.append(case(name, {"factor": factor}, enhanced))
for sigma in [0.1, 0.8, 2.5]:
    blurred = ndimage.gaussian_filter(PICTURE, (sigma, sigma, 0), mode="reflect", truncate=4.0)
    cases.append(case("gaussian_blur", {"sigma": sigma}, blurred))
height, width, channels = PIXELS.shape
print(json.dumps({"height": height, "width": width, "channels": channels, "pixels": PIXELS.ravel().tolist(),
                  "cases": cases}))

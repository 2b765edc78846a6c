"""Reference pictures for tests/ml/picture_reference.rs, by Pillow: python3 make_picture_cases.py

Writes picture-cases.json beside this script: `resized`, pictures by a formula with what Pillow makes of them, and `files`,
small files of every format (base64) with the pixels that Pillow reads, transparent ones on black. `tolerance` is 0 but for
lossy formats, whose decoders may round differently.
"""

import base64
import io
import json
import struct
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps

BILINEAR = Image.Resampling.BILINEAR


def pixels(height, width, channels):
    """A picture without symmetries: xorshift noise over a gradient."""
    state, values = 2463534242, []
    for index in range(height * width * channels):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        values.append((state % 97 + index * 158 // (height * width * channels)) % 256)
    return np.array(values, dtype=np.uint8).reshape(height, width, channels)


def picture(array):
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def base(data):
    return base64.b64encode(bytes(data)).decode()


def resized():
    cases = []
    sizes = [(8, 8), (5, 9), (17, 4), (40, 31), (1, 1), (3, 64)]
    for height, width, channels in [(8, 8, 1), (23, 40, 3), (64, 17, 3), (5, 5, 3), (1, 30, 1)]:
        source = picture(pixels(height, width, channels))
        for to_height, to_width in sizes:
            size = (to_width, to_height)
            ratio = max(width, 1) / max(height, 1)
            fits = min(round(height / width * to_width), round(width / height * to_height)) > 0
            for name, made in [
                ("stretch", source.resize(size, BILINEAR)),
                ("fill", ImageOps.fit(source, size, BILINEAR)),
                ("fit", ImageOps.pad(source, size, BILINEAR) if fits else None),
            ]:
                if made is None:
                    continue
                cases.append({
                    "height": height, "width": width, "channels": channels, "resize": name,
                    "to_height": to_height, "to_width": to_width, "expected": base(made.tobytes()),
                    "grey": base(ImageOps.fit(source.convert("L"), size, BILINEAR).tobytes()) if name == "fill" else None,
                })
    return cases


def on_black(image):
    if image.mode in ("P", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    if image.mode == "RGBA":
        array = np.asarray(image).astype(np.uint32)
        return ((array[:, :, :3] * array[:, :, 3:] + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def of_bytes(name, data, tolerance=0, expected=None):
    if expected is None:
        image = Image.open(io.BytesIO(data))
        expected = on_black(ImageOps.exif_transpose(image))
    return {"name": name, "file": base(data), "height": expected.shape[0], "width": expected.shape[1],
            "rgb": base(expected.tobytes()), "tolerance": tolerance}


def saved(name, image, tolerance=0, expected=None, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return of_bytes(name, out.getvalue(), tolerance, expected)


def files():
    grey, color = picture(pixels(7, 5, 1)), picture(pixels(7, 5, 3))
    smooth = picture(np.fromfunction(lambda y, x, c: (y * 9 + x * 5 + c * 40) % 256, (16, 24, 3)).astype(np.uint8))
    clear = Image.merge("RGBA", (*color.split(), picture(pixels(7, 5, 1)[::-1].copy())))
    found = [
        saved("png grey", grey, format="PNG"),
        saved("png rgb", color, format="PNG"),
        saved("png rgba", clear, format="PNG"),
        saved("png palette", color.quantize(16), format="PNG"),
        saved("png palette with a clear color", color.quantize(16), format="PNG", transparency=3),
        saved("png one bit", grey.point(lambda value: 255 * (value > 90)).convert("1"), format="PNG"),
        saved("bmp rgb", color, format="BMP"),
        saved("bmp palette", color.quantize(16), format="BMP"),
        saved("gif palette", color.quantize(16), format="GIF"),
        saved("gif animated", color.quantize(16), format="GIF", save_all=True, append_images=[grey.convert("P")]),
        saved("tiff rgb", color, format="TIFF"),
        saved("tiff lzw", color, format="TIFF", compression="tiff_lzw"),
        saved("tiff deflate", grey, format="TIFF", compression="tiff_deflate"),
        saved("webp lossless", color, format="WEBP", lossless=True),
        saved("webp lossless with alpha", clear, format="WEBP", lossless=True, exact=True),
        saved("webp lossy", smooth, 3, format="WEBP", quality=90),
        saved("webp animated", color, format="WEBP", lossless=True, save_all=True, append_images=[color.rotate(180)]),
        saved("png animated", color, format="PNG", save_all=True, append_images=[color.rotate(180)]),
        saved("jpeg rgb", smooth, 3, format="JPEG", quality=95, subsampling=0),
        saved("jpeg subsampled", smooth, 10, format="JPEG", quality=90, subsampling=2),
        saved("jpeg progressive", smooth, 3, format="JPEG", quality=95, subsampling=0, progressive=True),
        saved("jpeg grey", smooth.convert("L"), 2, format="JPEG", quality=95),
        saved("jpeg cmyk", smooth.convert("CMYK"), 6, format="JPEG", quality=95),
    ]
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found.append(saved(f"jpeg turned {orientation}", smooth, 3, format="JPEG", quality=95, subsampling=0, exif=exif))
    exif = Image.Exif()
    exif[0x0112] = 6
    found.append(saved("png turned 6", color, format="PNG", exif=exif))
    found.append(saved("webp turned 6", color, format="WEBP", lossless=True, exif=exif))
    # Pillow cuts 16 bits off at 255; the nearest 8 bits are those of rounding v / 257.
    wide = (pixels(7, 5, 1)[:, :, 0].astype(np.uint16) * 251 + 77)
    rounded = ((wide.astype(np.uint32) + 128) // 257).astype(np.uint8)
    found.append(saved("png grey of 16 bits", Image.fromarray(wide), expected=np.repeat(rounded[:, :, None], 3, 2), format="PNG"))
    return found


cases = {"made_by": f"Pillow {PIL.__version__}", "resized": resized(), "files": files()}
Path(__file__).with_name("picture-cases.json").write_text(json.dumps(cases, indent=0) + "\n")

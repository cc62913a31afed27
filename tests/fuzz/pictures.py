"""Hostile pictures: every mode and format, damaged bytes, headers that lie, names that lie."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.fuzz.damage import damaged

MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "F", "LA", "PA", "I;16", "RGBa")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "ICO", "TGA")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
SIDES = (0, 1, 2, 16, 17, 100, 30000, 2**16, 2**31 - 1, 2**31, 2**32 - 1)


def hostile_picture(rng):
    """(suffix, bytes, what was done) of a picture that may be good, odd or broken."""
    suffix = str(rng.choice(SUFFIXES))
    data, what = _made(rng)
    match rng.integers(4):
        case 0:
            return suffix, damaged(rng, data), f"{what}, bytes"
        case 1:
            return ".png", png(int(rng.choice(SIDES)), int(rng.choice(SIDES)), rng), "png of declared size"
        case 2:
            return suffix, _bomb(rng), "flat png"
        case _:
            return suffix, data, what


def png(width, height, rng=None, pixels=b""):
    """A PNG whose header declares a size, whatever follows; bit depth and colour type are drawn where rng is given."""
    depth, colour = (8, 0) if rng is None else (int(rng.choice([1, 2, 8, 16, 99])), int(rng.choice([0, 2, 3, 4, 6, 9])))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0 if rng is None else int(rng.choice([0, 1])))
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    if rng is not None and rng.random() < 0.3:
        parts.insert(1, (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * int(rng.choice([10, 2**21, 2**24])))))
    chunks = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _bomb(rng):
    """A few kilobytes that unpack to a wide or high picture."""
    width, height = [(8, 100_000), (100_000, 8), (6000, 6000), (20_000, 20_000)][rng.integers(4)]
    return png(width, height, None, bytes((width + 1) * min(height, 2000)))


def _made(rng):
    size = [(16, 16), (1, 1), (40, 17), (300, 200)][rng.integers(4)]
    mode, form = str(rng.choice(MODES)), str(rng.choice(FORMATS))
    base = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
    try:
        image = base.convert("I").convert("I;16") if mode == "I;16" else _converted(base, mode)
        options = {}
        if rng.random() < 0.3:
            options |= {"save_all": True, "append_images": [image.rotate(90)] * 2}
        if rng.random() < 0.5:
            exif = Image.Exif()
            exif[0x0112] = int(rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 65535]))
            options["exif"] = exif.tobytes() if rng.random() < 0.7 else b"Exif\0\0" + rng.bytes(40)
        if rng.random() < 0.2:
            options["transparency"] = 0
        if rng.random() < 0.2:
            options["icc_profile"] = rng.bytes(200)
        file = io.BytesIO()
        image.save(file, form, **options)
    except Exception:
        # Not every format can hold every mode.
        file, form = io.BytesIO(), "PNG"
        base.save(file, form)
    return file.getvalue(), f"{form} {mode}"


def _converted(image, mode):
    return image.convert("L").convert(mode) if mode in ("LA", "PA") else image.convert(mode)

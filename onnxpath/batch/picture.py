"""Pictures before they are arrays: opening, 8 bit, resizing, cropping."""

from __future__ import annotations

import re
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from onnxpath.errors import InputError
from onnxpath.limits import limits, variable

# Formats that Pillow may try: a file of any other kind is refused whatever its name says.
FORMATS = ("PNG", "JPEG", "WEBP", "BMP")
# What Pillow raises on files that are damaged, truncated or not pictures at all.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, ArithmeticError, MemoryError, struct.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


def open_picture(source: Path | bytes, name: str) -> Image.Image:
    """Open a picture and decode all of its pixels, turned upright by its EXIF orientation.

    source: its file, or what that would hold. name: how the picture is called in error texts. Raises InputError where
    it is unreadable or truncated, or has more pixels than `Limits.pixels`; of an animation, the first frame is taken.
    """
    try:
        with Image.open(BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            _check_pixels(image.height, image.width, f"image {name} has")
            image.load()
            return ImageOps.exif_transpose(image)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"image {name} cannot be read: {error.strerror}") from error
        reason = _named(str(error), source, name) or type(error).__name__
        raise InputError(f"image {name} cannot be read: {reason}; is it a whole png, jpg, webp or bmp file?") from error


def _named(reason: str, source: Path | bytes, name: str) -> str:
    """Return a reason without folders, and without the address in memory that differs in every run."""
    if isinstance(source, bytes):
        return re.sub(r"<_io\.BytesIO object at 0x\w+>", name, reason)
    return reason.replace(str(source), source.name)


def to_eight_bit(image: Image.Image) -> Image.Image:
    """Return the picture with mode L, RGB or CMYK: 16-bit greys scaled to 8 bit, transparency laid over white.

    EXIF orientation is applied. Raises InputError for greys outside 16 bit.
    """
    try:
        image = ImageOps.exif_transpose(image)
    except _DAMAGED as error:
        raise InputError(f"its EXIF data are damaged: {error}") from error
    if image.mode.startswith("I") or image.mode == "F":
        return _sixteen_bit_grey(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "1" else "RGB")


def resize(image: Image.Image, size: int | tuple[int, int] | None) -> Image.Image:
    """Resize bilinearly with antialiasing: int = the shorter side, (h, w) = exactly, None = not at all.

    Raises InputError where that makes more pixels than `Limits.pixels`.
    """
    if size is None:
        return image
    if isinstance(size, int):
        short, long = sorted((image.height, image.width))
        other = max(size, size * long // short)
        size = (size, other) if image.height <= image.width else (other, size)
    _check_pixels(*size, "resize makes")
    return image.resize((size[1], size[0]), Image.Resampling.BILINEAR)


def centre_crop(image: Image.Image, size: int | tuple[int, int] | None) -> Image.Image:
    """Cut (h, w), or a square of side `size`, around the centre; InputError where the picture is smaller."""
    if size is None:
        return image
    height, width = (size, size) if isinstance(size, int) else size
    if height > image.height or width > image.width:
        raise InputError(
            f"the picture is {image.height}×{image.width} before the crop to {height}×{width}; "
            "set resize to at least that in the preprocess file"
        )
    top, left = round((image.height - height) / 2), round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def _check_pixels(height: int, width: int, what: str) -> None:
    most = limits().pixels
    if height * width > most:
        raise InputError(
            f"{what} {height}×{width} pixels, and at most {most} are taken; if that is meant, set the environment "
            f"variable {variable('pixels')}"
        )


def _sixteen_bit_grey(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535:
        raise InputError(f"the picture's greys are not within 16 bit (Pillow mode {image.mode}); save it as 8 bit")
    return Image.fromarray(np.rint(values / 257).astype(np.uint8))

"""Pictures as bytes: PNG files, and data URIs that keep a page of hundreds of maps small."""

from __future__ import annotations

import base64
import io
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.report.colour import colour_index, palette

# Pictures up to this side are kept exactly and drawn with hard pixel edges. They are PNG: WebP needs half the room and
# three times as long for one of 32 px, and a run may have a million.
TINY = 64
# Larger pictures and maps are shrunk by a whole factor to at most this side before they go into a page.
LARGEST = 256
# Colours of a map. A noisy map of 224 px takes 33 KB in 255 colours and 12 KB in 21 (a tenth of the limit each),
# which is what lets 400 of them fit a page of 12 MB. As PNG they would take a fifth more.
FINE, COARSE = 255, 21
# Small pictures in a row of a sheet.
SHEET_COLUMNS = 8


def map_png(values: NDArray[Any], limit: float) -> bytes:
    """Return a map as a palette PNG of its own size; (L,) becomes one row of pixels.

    values: float (H, W) or (L,). limit: the value that gets the full colour.
    """
    image = Image.fromarray(colour_index(np.atleast_2d(values), limit, FINE)).convert("P")
    image.putpalette(palette(FINE).tobytes())
    return _encode(image, "PNG", optimize=True)


def map_uri(values: NDArray[Any], limit: float, levels: int = FINE) -> str:
    """Return a map (H, W) as a lossless data URI in `levels` colours, averaged down to at most LARGEST."""
    shrunk = shrink(np.asarray(values, dtype=np.float64))
    places, colours = colour_index(shrunk, limit, levels), palette(levels)
    if max(places.shape) <= TINY:
        return _uri(_png(places, colours), "png")
    return _uri(_encode(Image.fromarray(colours[places]), "WEBP", lossless=True, quality=20, method=4), "webp")


def picture_uri(shown: NDArray[np.uint8]) -> str:
    """Return a picture uint8 (H, W, 3) as a data URI: exact where tiny, otherwise at most LARGEST and lossy."""
    if max(shown.shape) <= TINY:
        return _uri(_png(shown), "png")
    image = Image.fromarray(np.ascontiguousarray(shown))
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BILINEAR)
    return _uri(_encode(image, "WEBP", quality=80), "webp")


def sheet_uri(pictures: Sequence[NDArray[np.uint8] | None]) -> str | None:
    """Return small square cuts of pictures side by side on one, SHEET_COLUMNS in a row; None where none has one.

    pictures: uint8 (H, W, 3) each, or None, which leaves its place grey. A cut's side is that of the sheet over
    SHEET_COLUMNS.
    """
    known = [min(picture.shape[:2]) for picture in pictures if picture is not None]
    if not known:
        return None
    side = min(TINY, max(known))
    sheet = Image.new("RGB", (side * SHEET_COLUMNS, side * -(-len(pictures) // SHEET_COLUMNS)), (128, 128, 128))
    for place, picture in enumerate(pictures):
        if picture is not None:
            row, column = divmod(place, SHEET_COLUMNS)
            sheet.paste(_cut(picture, side), (column * side, row * side))
    # A WebP of the same size takes ten times as long.
    return _uri(_encode(sheet, "JPEG", quality=80), "jpeg")


def _cut(picture: NDArray[np.uint8], side: int) -> Image.Image:
    """The middle of a picture, as a square of `side` pixels."""
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.size == (side, side):
        return image
    inner = min(image.size)
    left, top = (image.width - inner) / 2, (image.height - inner) / 2
    box = (left, top, left + inner, top + inner)
    return image.resize((side, side), Image.Resampling.BILINEAR, box, reducing_gap=2.0)


def shrink(values: NDArray[Any]) -> NDArray[Any]:
    """Average (H, W) over k×k blocks, k being the least that brings both sides to LARGEST; edges may hold fewer."""
    k = -(-max(values.shape) // LARGEST)
    if k <= 1:
        return values
    rows, columns = (np.arange(0, size, k) for size in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    counts = np.outer(*(np.diff([*starts, size]) for starts, size in zip((rows, columns), values.shape, strict=True)))
    return np.asarray(sums / counts)


def _png(pixels: NDArray[np.uint8], colours: NDArray[np.uint8] | None = None) -> bytes:
    """Return colours (H, W, 3), or places (H, W) in colours (N, 3), as a PNG of Huffman codes alone, soon made."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if colours is not None:
        image.putpalette(colours.tobytes())
    return _encode(image, "PNG", compress_level=1, compress_type=zlib.Z_HUFFMAN_ONLY)


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"

"""Pictures as bytes: PNG files, and data URIs that keep a page of hundreds of maps small."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxpath.report.colour import colour_index, palette

# Pictures up to this side are kept exactly and drawn with hard pixel edges.
TINY = 64
# Larger pictures and maps are shrunk by a whole factor to at most this side before they go into a page.
LARGEST = 256
# Colours of a map. A noisy map of 224 px takes 33 KB in 255 colours and 12 KB in 21 (a tenth of the limit each),
# which is what lets 400 of them fit a page of 12 MB. As PNG they would take a fifth more.
FINE, COARSE = 255, 21


def map_png(values: NDArray[Any], limit: float) -> bytes:
    """Return a map as a palette PNG of its own size; (L,) becomes one row of pixels.

    values: float (H, W) or (L,). limit: the value that gets the full colour.
    """
    return _encode(_map_image(values, limit, FINE), "PNG", optimize=True)


def map_uri(values: NDArray[Any], limit: float, levels: int = FINE) -> str:
    """Return a map (H, W) as a lossless WebP data URI in `levels` colours, averaged down to at most LARGEST."""
    shrunk = shrink(np.asarray(values, dtype=np.float64))
    return _uri(_encode(_map_image(shrunk, limit, levels).convert("RGB"), "WEBP", lossless=True, quality=20), "webp")


def picture_uri(shown: NDArray[np.uint8]) -> str:
    """Return a picture uint8 (H, W, 3) as a WebP data URI: exact where tiny, otherwise at most LARGEST and lossy."""
    image = Image.fromarray(np.ascontiguousarray(shown))
    if max(image.size) <= TINY:
        return _uri(_encode(image, "WEBP", lossless=True), "webp")
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BILINEAR)
    return _uri(_encode(image, "WEBP", quality=80), "webp")


def shrink(values: NDArray[Any]) -> NDArray[Any]:
    """Average (H, W) over k×k blocks, k being the least that brings both sides to LARGEST; edges may hold fewer."""
    k = -(-max(values.shape) // LARGEST)
    if k <= 1:
        return values
    rows, columns = (np.arange(0, size, k) for size in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, rows, axis=0), columns, axis=1)
    counts = np.outer(*(np.diff([*starts, size]) for starts, size in zip((rows, columns), values.shape, strict=True)))
    return np.asarray(sums / counts)


def _map_image(values: NDArray[Any], limit: float, levels: int) -> Image.Image:
    index = colour_index(np.atleast_2d(values), limit, levels)
    image = Image.fromarray(index).convert("P")
    image.putpalette(palette(levels).tobytes())
    return image


def _encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _uri(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"

"""Signed values as colours: red supports the target, blue speaks against it, white is zero."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cmap
import numpy as np
from numpy.typing import NDArray

from onnxpath.errors import InputError
from onnxpath.report.data import AttributionMap

COLOUR_MAP = "matplotlib:bwr"
PERCENTILE = 99.9
LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Shares of red, green and blue (ITU-R BT.709)."""
# How a picture is greyed under an overlay: grey · GAIN + LIFT. Lifted, so that colour shows on dark parts too.
GAIN, LIFT = 0.55, 0.45

Floats = NDArray[np.floating[Any]]


def make_map(method: str, values: NDArray[Any], channel_axis: int | None, note: str = "") -> AttributionMap:
    """Reduce one attribution to what can be shown, with its limit, clipping rule and sums.

    values: attribution of one input, without batch. channel_axis: the axis that is summed, or None.
    Raises InputError where a value is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise InputError(f"the map of method '{method}' has {bad} of {values.size} values that are NaN or infinite")
    reduced, how = reduce_for_display(values, channel_axis)
    limit, clipping = signed_limit(reduced)
    smallest, largest = (float(reduced.min()), float(reduced.max())) if reduced.size else (0.0, 0.0)
    text = "; ".join(part for part in (how, note) if part)
    return AttributionMap(method, limit, clipping, smallest, largest, float(reduced.sum()), text, reduced)


def reduce_for_display(values: NDArray[Any], channel_axis: int | None) -> tuple[Floats, str]:
    """Sum a map down to (H, W) or (L,), keeping signs; returns it and what was done, in words.

    channel_axis: summed first, None for no channels. What is left beyond two axes is summed from the front.
    """
    done = []
    if channel_axis is not None and values.ndim > 0:
        if values.shape[channel_axis] > 1:
            done.append(f"summed over {values.shape[channel_axis]} channels")
        values = values.sum(axis=channel_axis)
    if values.ndim > 2:
        done.append(f"summed over {values.ndim - 2} further axes")
        values = values.sum(axis=tuple(range(values.ndim - 2)))
    return np.atleast_1d(values), ", ".join(done)


def signed_limit(values: NDArray[Any]) -> tuple[float, str]:
    """Return the value that gets the full colour, and the clipping rule in words.

    The 99.9th percentile of |value|; where that is zero, the largest |value|; where that is zero too, 0.
    """
    size = np.abs(np.asarray(values, dtype=np.float64))
    largest = float(size.max()) if size.size else 0.0
    if largest == 0.0:
        return 0.0, "all values are zero"
    limit = float(np.percentile(size, PERCENTILE))
    if limit == 0.0:
        return largest, f"not clipped: the largest |value| is {largest:.3g}"
    return limit, f"clipped at the {PERCENTILE}th percentile of |value| = {limit:.3g}"


@lru_cache
def palette(levels: int = 255) -> NDArray[np.uint8]:
    """Return the colours from -limit to +limit, uint8 (levels, 3); levels is odd, so that the middle is zero."""
    lut = cmap.Colormap(COLOUR_MAP).lut(levels)[:, :3]
    return np.asarray(np.rint(np.asarray(lut) * 255), dtype=np.uint8)


def colour_index(values: NDArray[Any], limit: float, levels: int = 255) -> NDArray[np.uint8]:
    """Return for every value its place in `palette(levels)`; limit 0 puts everything in the middle."""
    half = levels // 2
    scaled = np.asarray(values, dtype=np.float64) / limit if limit > 0 else np.zeros(np.shape(values))
    return (np.rint(np.clip(scaled, -1, 1) * half) + half).astype(np.uint8)


def map_rgb(values: NDArray[Any], limit: float) -> NDArray[np.uint8]:
    """Colour a map (H, W): uint8 (H, W, 3), red for +limit, white for 0, blue for -limit."""
    return np.asarray(palette()[colour_index(values, limit)])


def overlay(shown: NDArray[np.uint8], values: NDArray[Any], limit: float) -> NDArray[np.uint8]:
    """Lay a map (H, W) over its picture uint8 (H, W, 3): the greyed picture times the map's colours."""
    grey = shown.astype(np.float64) @ np.array(LUMINANCE) * GAIN + 255 * LIFT
    return np.asarray(np.rint(grey[:, :, None] * map_rgb(values, limit) / 255), dtype=np.uint8)


def colour_bar(width: int = 255, height: int = 12) -> NDArray[np.uint8]:
    """Return the colours from -limit (left) to +limit (right), uint8 (height, width, 3)."""
    places = np.linspace(-1, 1, width)
    return np.tile(map_rgb(places, 1.0)[None], (height, 1, 1))


def css_gradient() -> str:
    """Return the same colours as a CSS linear-gradient, for the page's colour bars."""
    stops = palette(9)
    return "linear-gradient(90deg, " + ", ".join(f"rgb({r} {g} {b})" for r, g, b in stops.tolist()) + ")"
